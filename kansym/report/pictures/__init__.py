"""The pictures of a fit, one module a subject; `kansym.report.figures` is their table."""

"""Benchmarks as commands: `python -m tests.benchmarks NAME [options]`; see docs/benchmarks/README.md."""

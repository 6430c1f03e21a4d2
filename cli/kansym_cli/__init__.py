"""The `kansym` command: reads options, shows progress on stderr and results on stdout; no science lives here."""

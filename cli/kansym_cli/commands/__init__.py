"""One module for each subcommand; each is loaded only when it is asked for."""

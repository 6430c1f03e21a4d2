"""`python -m kansym_cli` is the `kansym` command."""

import sys

from kansym_cli.main import main

sys.exit(main())

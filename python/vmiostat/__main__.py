"""`python -m vmiostat` is the command `vmiostat`."""

import sys

from vmiostat.cli.main import main

sys.exit(main())

"""`python -m vmiostat` is the command `vmiostat`."""

import sys

from vmiostat.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

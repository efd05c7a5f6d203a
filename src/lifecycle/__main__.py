"""`python -m lifecycle`."""

import sys

from lifecycle.cli import main

if __name__ == "__main__":
    sys.exit(main())

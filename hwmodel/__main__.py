"""`python -m hwmodel` is the `hwmodel` command."""

import sys

from hwmodel.cli import main

sys.exit(main())

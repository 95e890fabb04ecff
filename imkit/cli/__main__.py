"""``python -m imkit.cli``."""

import sys

from . import main

sys.exit(main())

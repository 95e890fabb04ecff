"""Puts tests/ on the path for the shared stand-in model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

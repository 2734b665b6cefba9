"""The comparisons share their cases and weights with the stored goldens."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "goldens"))

"""Where the tests find what was built: build/, or the folder that GREENLANE_BUILD names."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("GREENLANE_BUILD", ROOT / "build")).absolute()

"""The models as a pytest fixture: import `models` in a conftest.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from built import BUILD

HERE = Path(__file__).resolve().parent
BUILT = BUILD / "tests" / "models"


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the packages. Exports them if they are missing or not up to date."""
    folder = Path(os.environ.get("GREENLANE_TEST_MODELS", BUILT))
    subprocess.run([sys.executable, str(HERE / "export_models.py"), str(folder)], check=True)
    return folder

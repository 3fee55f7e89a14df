"""What the Python tests share: the package from the checkout, the tests' models, and the mark `gpu`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # takes seconds

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU here"))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the tests' packages, made where they are not there or not up to date."""
    folder = Path(os.environ.get("GREENLANE_TEST_MODELS", ROOT / "build" / "tests" / "models"))
    subprocess.run([sys.executable, str(ROOT / "tests" / "models" / "export_models.py"), str(folder)], check=True)
    return folder

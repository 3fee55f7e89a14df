"""tools/torch_found.py: which PyTorch a build of the Python package uses."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch_found

Environment = Callable[[str], None]

SETTINGS = {"version": "1.2.3", "requires-python": ">=3.10"}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Makes a PyTorch, by the text of its torch/version.py, the only one that a build sees."""
    monkeypatch.setattr(torch_found, "_environment", lambda: [str(tmp_path)])
    monkeypatch.setattr("torch_found.sys.path", ["", str(tmp_path)])

    def write(text: str) -> None:
        (tmp_path / "torch").mkdir()
        (tmp_path / "torch" / "version.py").write_text(text)
        (tmp_path / "torch-2.15.1.dist-info").mkdir()
        (tmp_path / "torch-2.15.1.dist-info" / "METADATA").write_text("Name: torch\nRequires-Python: >=3.11\n\nText.\n")

    return write


def of_wheel() -> dict[str, object]:
    metadata = torch_found.Metadata()
    metadata.build_state("wheel")
    return metadata.dynamic_metadata(SETTINGS, {})


def test_an_installed_pytorch_is_used_with_the_header_of_its_cuda(environment: Environment) -> None:
    environment("__version__ = '2.15.1+cu132'\ncuda: Optional[str] = '13.2'\n")
    assert torch_found.build_requirements() == ["nvidia-cuda-crt==13.2.*"]
    assert of_wheel() == {"version": "1.2.3+torch2.15", "dependencies": ["torch==2.15.*"], "requires-python": ">=3.11"}


def test_a_pytorch_without_cuda_does_not_bring_another(environment: Environment) -> None:
    environment("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n")
    assert torch_found.build_requirements() == []


def test_without_a_pytorch_the_build_brings_the_newest(environment: Environment) -> None:
    assert torch_found.build_requirements() == [torch_found.SUPPORTED, "cuda-toolkit[crt]"]
    assert of_wheel() == {"version": "1.2.3", "dependencies": [torch_found.SUPPORTED], "requires-python": ">=3.10"}


def test_sources_are_for_all_supported_versions(environment: Environment) -> None:
    environment("__version__ = '2.15.1+cu132'\ncuda: Optional[str] = '13.2'\n")
    metadata = torch_found.Metadata()
    metadata.build_state("sdist")
    assert metadata.dynamic_metadata(SETTINGS, {}) == {
        "version": "1.2.3",
        "dependencies": [torch_found.SUPPORTED],
        "requires-python": ">=3.10",
    }

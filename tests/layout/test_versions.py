"""The version of greenlane and the versions of PyTorch that it supports, which several files name."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def found(file: str, pattern: str) -> str:
    match = re.search(pattern, (ROOT / file).read_text(), re.M)
    assert match, f"{file} has no match for {pattern}"
    return match[1]


def test_all_files_name_one_version_of_greenlane() -> None:
    versions = {
        found("CMakeLists.txt", r"^project\(greenlane VERSION ([0-9.]+)"),
        found("pyproject.toml", r'^version = "([0-9.]+)"$'),
        found("python/greenlane/__init__.py", r'^__version__ = "([0-9.]+)"$'),
    }
    assert len(versions) == 1, versions


def test_all_files_name_the_same_versions_of_pytorch() -> None:
    oldest, above = re.findall(r"2\.\d+", found("tools/torch_found.py", r'^SUPPORTED = "torch(.*)"$'))
    newest = f"2.{int(above.split('.')[1]) - 1}"
    wheels = found("tools/wheels.sh", r"versions=\(([0-9. ]+)\)").split()
    assert [wheel.rpartition(".")[0] for wheel in wheels] == [
        f"2.{minor}" for minor in range(int(oldest.split(".")[1]), int(newest.split(".")[1]) + 1)
    ]
    assert found("tools/setup.sh", r"^torch=\$\{2:-([0-9.]+)\.0\}$") == newest
    assert found("cmake/GreenlaneTorch.cmake", r"VERSION_LESS (2\.\d+)\)") == oldest
    assert f"PyTorch {oldest} to {newest}." in (ROOT / "docs" / "install.md").read_text()

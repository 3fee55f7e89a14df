"""tools/setup.sh for users who are not root, with and without sudo."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


@pytest.fixture
def clone() -> Iterator[Path]:
    """A folder that everybody may read: the script, its input files, and programs that stand in for Debian's."""
    folder = Path(tempfile.mkdtemp())
    (folder / "tools").mkdir()
    (folder / "bin").mkdir()
    for name in ("tools/setup.sh", "tools/debian-packages.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    program(folder / "bin" / "dpkg-query", "exit 1")  # nothing is installed
    program(folder / "bin" / "python3", "exit 9")  # the environment is not under test
    for path in (folder, folder / "tools", folder / "bin"):
        path.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def setup(clone: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the script as a user who is not root, without a terminal."""
    other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*other, "bash", str(clone / "tools" / "setup.sh"), *options],
        env={"PATH": f"{clone / 'bin'}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_setup_without_sudo_lists_the_packages(clone: Path) -> None:
    program(clone / "bin" / "sudo", "echo 'a password is required' >&2; exit 1")
    done = setup(clone)
    assert done.returncode == 1
    assert "takes root or sudo" in done.stderr
    packages = (ROOT / "tools" / "debian-packages.txt").read_text().split()
    assert "apt-get install --no-install-recommends " + " ".join(packages) in done.stderr
    assert "installing" not in done.stdout
    assert "password is required" not in done.stderr


def test_setup_installs_the_packages_with_sudo(clone: Path) -> None:
    program(clone / "bin" / "sudo", '[ "$1" = -n ] || echo "sudo: $*"')
    done = setup(clone)
    assert done.returncode == 9, "the setup did not continue with Python"
    first, *ran = done.stdout.splitlines()
    assert first.startswith("setup: installing ccache cmake g++")
    assert ran[0] == "sudo: apt-get update -qq"
    install = "sudo: env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ccache"
    assert ran[1].startswith(install)


def test_only_the_site_needs_doxygen(clone: Path) -> None:
    program(clone / "bin" / "sudo", "exit 1")
    assert "doxygen" not in setup(clone).stderr
    assert " doxygen" in setup(clone, "--docs").stderr

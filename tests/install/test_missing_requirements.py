"""What the build says on a machine that lacks what it needs."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_one_message_names_all_that_is_missing(tmp_path: Path) -> None:
    result = subprocess.run(
        [
            shutil.which("cmake") or "cmake",
            "-S",
            ROOT,
            "-B",
            tmp_path,
            "-DCMAKE_MAKE_PROGRAM=/bin/true",
            "-DCMAKE_IGNORE_PREFIX_PATH=/;/usr;/usr/local",
        ],
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path)},
    )
    assert result.returncode != 0
    assert result.stderr.count("CMake Error") == 1, result.stderr
    words = result.stderr.split()
    wanted = {line for line in (ROOT / "tools" / "debian-packages.txt").read_text().split() if line.startswith("lib")}
    assert wanted | {"g++", "nlohmann-json3-dev", "prometheus-cpp-dev"} <= set(words), result.stderr
    assert "apt-get" in words

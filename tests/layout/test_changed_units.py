"""tools/changed_units.py: the sources that `make lint` gives to clang-tidy."""

import subprocess
from pathlib import Path

import pytest
from changed_units import affected, base_commit, select

ROOT = Path(__file__).resolve().parents[2]
UNITS = ["src/core/lane.cpp", "src/core/log.cpp", "src/torch/aoti.cpp", "bench/overhead/call.cpp"]
TREE = {
    "src/core/lane.cpp": '#include "core/pool.hpp"\n#include <greenlane/core/lane.hpp>\n',
    "src/core/log.cpp": "#include <greenlane/core/log.hpp>\n",
    "src/core/pool.hpp": "#include <vector>\n",
    "src/torch/aoti.cpp": '#include "call.hpp"\n',
    "src/torch/call.hpp": "  #  include <greenlane/core/lane.hpp>\n",
    "bench/overhead/call.cpp": '#include "../shared/timer.hpp"\n',
    "bench/shared/timer.hpp": "",
    "include/greenlane/core/lane.hpp": "#include <greenlane/core/units.hpp>\n",
    "include/greenlane/core/units.hpp": "",
    "include/greenlane/core/log.hpp": "",
    "src/core/CMakeLists.txt": "",
    "README.md": "",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project of one commit."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name, text in TREE.items():
        write(tmp_path, name, text)
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    user = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *user, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=a")
    return git(folder, "rev-parse", "HEAD").strip()


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("README.md", []),
        ("src/core/log.cpp", ["src/core/log.cpp"]),
        ("src/core/pool.hpp", ["src/core/lane.cpp"]),
        ("include/greenlane/core/units.hpp", ["src/core/lane.cpp", "src/torch/aoti.cpp"]),
        ("bench/shared/timer.hpp", ["bench/overhead/call.cpp"]),
        ("src/core/CMakeLists.txt", ["src/core/lane.cpp", "src/core/log.cpp"]),
        (".clang-tidy", UNITS),
        ("src/torch/.clang-tidy", UNITS),
        ("CMakeLists.txt", UNITS),
        ("cmake/Compiler.cmake", UNITS),
        ("pyproject.toml", UNITS),
        ("tools/lint.sh", UNITS),
    ],
)
def test_a_change_affects_all_that_includes_it(clone: Path, changed: str, expected: list[str]) -> None:
    files = [name for name in TREE if name.endswith("pp")]
    assert affected(clone, UNITS, files, {changed}) == expected


def test_headers_that_include_each_other_come_to_an_end(clone: Path) -> None:
    write(clone, "src/core/pool.hpp", '#include "core/twin.hpp"\n')
    write(clone, "src/core/twin.hpp", '#include "core/pool.hpp"\n')
    commit(clone)
    assert select(clone, UNITS)[0] == ["src/core/lane.cpp"]


def test_changes_that_are_not_committed_count(clone: Path) -> None:
    commit(clone)
    assert select(clone, UNITS)[0] == []
    write(clone, "src/core/log.cpp", "// changed\n")
    write(clone, "src/torch/greenlane/core/log.hpp", "// untracked\n")
    write(clone, "src/torch/aoti.cpp", '#include "greenlane/core/log.hpp"\n')
    assert select(clone, UNITS)[0] == ["src/core/log.cpp", "src/torch/aoti.cpp"]


def test_another_version_of_clang_tidy_affects_all(clone: Path) -> None:
    write(clone, "pyproject.toml", 'dev = ["clang-tidy==23.1.4", "ruff==0.17.6"]\n')
    commit(clone)
    commit(clone)
    write(clone, "pyproject.toml", 'dev = ["clang-tidy==23.1.4", "ruff==0.18.0"]\n')
    assert select(clone, UNITS)[0] == []
    write(clone, "pyproject.toml", 'dev = ["clang-tidy==23.1.5", "ruff==0.18.0"]\n')
    assert select(clone, UNITS)[0] == UNITS


def test_an_untracked_header_of_the_same_name_counts(clone: Path) -> None:
    commit(clone)
    write(clone, "src/greenlane/core/log.hpp", "// found before the other one\n")
    assert select(clone, UNITS)[0] == ["src/core/log.cpp"]


def test_a_branch_is_compared_with_the_point_where_it_left_origins_main(clone: Path) -> None:
    start = commit(clone)
    git(clone, "update-ref", "refs/remotes/origin/main", start)
    write(clone, "src/core/log.cpp", "// first commit\n")
    commit(clone)
    write(clone, "src/core/pool.hpp", "// second commit\n")
    commit(clone)
    assert base_commit(clone) == start
    assert select(clone, UNITS)[0] == ["src/core/lane.cpp", "src/core/log.cpp"]


def test_a_commit_of_origins_main_is_compared_with_its_parent(clone: Path) -> None:
    write(clone, "src/core/log.cpp", "// first commit\n")
    parent = commit(clone)
    write(clone, "src/core/pool.hpp", "// second commit\n")
    git(clone, "update-ref", "refs/remotes/origin/main", commit(clone))
    assert base_commit(clone) == parent
    assert select(clone, UNITS)[0] == ["src/core/lane.cpp"]


def test_without_a_parent_all_sources_are_analysed(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert select(clone, UNITS) == (UNITS, "no base commit: all files")
    commit(clone)
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "--quiet", "--depth=1", clone.as_uri(), ".")
    assert select(shallow, UNITS) == (UNITS, "no base commit: all files")


def test_without_git_all_sources_are_analysed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(clone)
    monkeypatch.setenv("PATH", "/nowhere")
    assert select(clone, UNITS)[0] == UNITS


def test_the_selection_knows_this_repositorys_includes() -> None:
    names = subprocess.run(["git", "ls-files", "*.cpp", "*.hpp"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = names.stdout.split()
    sources = [file for file in files if file.endswith(".cpp")]
    reached = affected(ROOT, sources, files, {"include/greenlane/core/error.hpp"})
    assert {"src/core/lane.cpp", "src/torch/aoti.cpp", "bindings/exchange.cpp"} <= set(reached)
    assert "src/text/duration.cpp" not in reached

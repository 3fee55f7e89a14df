"""Prints the sources that a change can affect: changed_units.py [--all] SOURCE...

A source is affected if it changed, or if a header changed that it includes at any depth. Uncommitted changes count. The
base of the comparison is the merge base with origin/main, or HEAD's parent if HEAD is part of origin/main. Without a
base, as in a clone of one commit, all sources are printed.
"""

import argparse
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
INCLUDE_FOLDERS = ("", "include", "src", "tests", "bench")
# The settings of clang-tidy and of the compiler, the version of clang-tidy, and this selection.
FOR_ALL = re.compile(
    r"(.*/)?\.clang-tidy|pyproject\.toml|CMakeLists\.txt|CMakePresets\.json|cmake/.*|tools/(lint\.sh|changed_units\.py)"
)


def git(folder: Path, *arguments: str) -> list[str] | None:
    """Returns the records of a command's output; None if git is missing or the command fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [record for record in re.split(r"[\n\0]", done.stdout) if record]


def base_commit(folder: Path) -> str | None:
    """Returns the commit to compare with; None if there is none."""
    head = git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    common = git(folder, "merge-base", "HEAD", "origin/main")
    if common and common != head:
        return common[0]
    parent = git(folder, "rev-parse", "--verify", "--quiet", "HEAD^")
    return parent[0] if parent else None


def changed_files(folder: Path, base: str) -> set[str] | None:
    """Returns the files that differ from the base, untracked files among them; None if git cannot tell."""
    tracked = git(folder, "diff", "--name-only", "--relative", "--no-renames", "-z", base, "--")
    untracked = git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    return None if tracked is None or untracked is None else {*tracked, *untracked}


def same_clang_tidy(folder: Path, base: str) -> bool:
    """Returns whether pyproject.toml asks for the clang-tidy of the base."""
    before = git(folder, "show", f"{base}:./pyproject.toml") or []
    after = (folder / "pyproject.toml").read_text() if (folder / "pyproject.toml").exists() else ""
    version = re.compile(r"\bclang-tidy==[\w.]+")
    return version.findall("\n".join(before)) == version.findall(after)


def included(folder: Path, file: str, known: set[str]) -> set[str]:
    """Returns the known files that a file may include. A name that fits several of them stands for each."""
    try:
        names = INCLUDE.findall((folder / file).read_text(errors="replace"))
    except FileNotFoundError:
        return set()
    folders = [PurePosixPath(file).parent, *map(PurePosixPath, INCLUDE_FOLDERS)]
    candidates = {posixpath.normpath(one / name) for name in names for one in folders}
    return candidates & known


def affected(folder: Path, units: Sequence[str], files: Iterable[str], changed: set[str]) -> list[str]:
    """Returns the units that a change of these files affects. `files` are all sources and headers of the project."""
    if any(FOR_ALL.fullmatch(file) for file in changed):
        return list(units)
    # A CMakeLists.txt may change the flags of all that is below it.
    flagged = tuple(file.removesuffix("CMakeLists.txt") for file in changed if file.endswith("/CMakeLists.txt"))
    includers: dict[str, set[str]] = {}
    known = set(files) | set(units)
    for file in known:
        for header in included(folder, file, known):
            includers.setdefault(header, set()).add(file)
    reached: set[str] = set()
    waiting = [file for file in known if file in changed or file.startswith(flagged)]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += includers.get(file, ())
    return [unit for unit in units if unit in reached]


def select(folder: Path, units: Sequence[str]) -> tuple[list[str], str]:
    """Returns the units to analyse, and what they are compared with."""
    base = base_commit(folder)
    changed = changed_files(folder, base) if base else None
    if base and changed and "pyproject.toml" in changed and same_clang_tidy(folder, base):
        changed.remove("pyproject.toml")
    files = git(folder, "ls-files", "-co", "--exclude-standard", "-z", "*.cpp", "*.hpp")
    if base is None or changed is None or files is None:
        return list(units), "no base commit: all files"
    return affected(folder, units, files, changed), f"affected since {base[:10]}"


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(description="Prints the sources that a change can affect.")
    parser.add_argument("--all", action="store_true", help="print all of them")
    parser.add_argument("units", nargs="*", metavar="SOURCE")
    arguments = parser.parse_args()
    units: list[str] = arguments.units
    chosen, why = (units, "all files") if arguments.all else select(ROOT, units)
    print(f"lint: clang-tidy ({len(chosen)} of {len(units)} files; {why})", file=sys.stderr)
    print("\n".join(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())

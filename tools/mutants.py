"""Builds libraries that lack one event or one record each: mutants.py BUILD_FOLDER OUT_FOLDER.

The GPU tests of joins (tests/gpu/test_joins.py) must fail with every one of them; `kit/run.sh OUT mutants` checks that.
OUT_FOLDER gets a folder for each, with the library that replaces the whole one.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutant:
    """A line of a source file that is left out wherever it stands."""

    name: str
    source: str
    library: str
    line: str


CORE = ("src/core/binding.cpp", "libgreenlane_core.so")
TORCH = ("src/torch/bound_call.cpp", "libgreenlane_torch.so")
MUTANTS = [
    Mutant("no-wait-for-caller", *CORE, "events.fork->make_wait(stream_);"),
    Mutant("no-wait-for-engine", *CORE, "events.join->make_wait(caller_);"),
    Mutant("no-wait-for-former", *CORE, "tail.make_wait(stream_);"),
    Mutant("inputs-not-recorded", *TORCH, "detail::record_on(inputs, stream());"),
    Mutant("outputs-not-recorded", *TORCH, "detail::record_on(outputs, caller_);"),
]


def command(build: Path, target: str, ending: str) -> list[str]:
    """Returns the command by which Ninja makes a target, without the launcher before the compiler."""
    out = subprocess.run(
        ["ninja", "-C", build, "-t", "commands", "-s", target], check=True, text=True, capture_output=True
    )
    words = shlex.split(out.stdout.strip().splitlines()[-1])
    compiler = next(i for i, word in enumerate(words) if word.endswith(ending))
    end = words.index("&&", compiler) if "&&" in words[compiler:] else len(words)
    return words[compiler:end]


def unit_with(source: str, folder: Path) -> Path:
    """Returns the file of the unity build in this folder that includes the source."""
    for unit in folder.glob("Unity/unity_*.cxx"):
        if f'/{source}"' in unit.read_text():
            return unit
    sys.exit(f"mutants: {source} is in no unit of {folder}")


def make(mutant: Mutant, build: Path, out: Path, scratch: Path) -> None:
    """Compiles one source without its line, and links the library with it."""
    text = (ROOT / mutant.source).read_text()
    pattern = re.compile(rf"^(.*){re.escape(mutant.line)}$", re.M)
    if not pattern.search(text):
        sys.exit(f"mutants: {mutant.source} has no line {mutant.line!r}: say what it is now")
    # A condition or a statement may come before the line's text.
    changed = scratch / f"{mutant.name}.cpp"
    changed.write_text(pattern.sub(r"\1;", text))
    name = mutant.library.removeprefix("lib").removesuffix(".so")
    folder = build / Path(mutant.source).parent / "CMakeFiles" / f"{name}.dir"
    unit = unit_with(mutant.source, folder)
    thing = f"{unit.relative_to(build)}.o"
    changed_unit = scratch / f"{mutant.name}.cxx"
    changed_unit.write_text(unit.read_text().replace(str(ROOT / mutant.source), str(changed)))
    compiled = scratch / f"{mutant.name}.o"
    words = command(build, thing, "c++")
    words[words.index("-c") + 1] = str(changed_unit)
    words.append("-w")  # no warnings of what the line leaves behind
    words[words.index("-o") + 1] = str(compiled)
    subprocess.run(words, cwd=build, check=True)
    words = command(build, f"lib/{mutant.library}", "c++")
    words[words.index(thing)] = str(compiled)
    library = out / mutant.name / mutant.library
    library.parent.mkdir(parents=True, exist_ok=True)
    words[words.index("-o") + 1] = str(library)
    subprocess.run(words, cwd=build, check=True)
    subprocess.run(["strip", "--strip-unneeded", library], check=True)


def main() -> None:
    """Runs the program."""
    build, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        for mutant in MUTANTS:
            make(mutant, build, out, Path(scratch))
            print(f"mutants: {mutant.name}")


if __name__ == "__main__":
    main()

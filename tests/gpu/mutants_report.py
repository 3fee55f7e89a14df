"""Runs the tests of joins against libraries that lack one event or record each: mutants_report.py KIT OUT.json.

Every one of them must be found out by at least one test. See tools/mutants.py.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def failures(package: Path, tests: Path, report: Path) -> list[str] | None:
    """The names of the tests that fail with this copy of the package; None where they could not be run."""
    command = [
        "timeout",
        "-s",
        "KILL",
        "120",
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--tb=no",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-o", f"pythonpath={package}", str(tests), f"--junitxml={report}"]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    if not report.exists():
        return None
    cases = ElementTree.parse(report).iter("testcase")
    return [case.attrib["name"] for case in cases if case.find("failure") is not None or case.find("error") is not None]


def main() -> None:
    """Runs the program."""
    kit, out = Path(sys.argv[1]), Path(sys.argv[2])
    tests = kit / "tests" / "gpu" / "test_joins.py"
    found: dict[str, list[str] | None] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for mutant in [None, *sorted((kit / "mutants").iterdir())]:
            name = mutant.name if mutant else "whole"
            package = Path(scratch) / name
            shutil.copytree(kit / "python", package)
            if mutant:
                for library in mutant.iterdir():
                    shutil.copy(library, package / "greenlane" / "lib" / library.name)
            found[name] = failures(package, tests, Path(scratch) / f"{name}.xml")
            print(f"{name:22} {'not run' if found[name] is None else ', '.join(found[name] or ['nothing failed'])}")
    out.write_text(json.dumps({"tests": "tests/gpu/test_joins.py", "failed": found}, indent=1) + "\n")
    # Only what the whole libraries pass tells anything of a mutant.
    always = set(found["whole"] or [])
    survivors = [name for name, failed in found.items() if name != "whole" and not set(failed or []) - always]
    if always or found["whole"] is None:
        survivors.insert(0, "whole")
    if survivors:
        sys.exit(f"mutants: not as it should be: {', '.join(survivors)}")


if __name__ == "__main__":
    main()

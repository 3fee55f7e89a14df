"""Runs the tests of joins against libraries that lack one event or record each: mutants_report.py KIT OUT.json [SUITE].

At least one test must find each mutant. With the runtime of Torch-TensorRT (GREENLANE_TENSORRT_RUNTIME), the tests of
Torch-TensorRT engines must find each mutant, too. See tools/mutants.py.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

JOINS = ["test_joins.py"]
TENSORRT_JOINS = ["test_tensorrt_joins.py", "-k", "producer or memory_of or after_a_rebind"]


def failures(package: Path, tests: Path, selection: list[str], report: Path) -> list[str] | None:
    """Returns the names of the tests that fail with this copy of the package; None if they could not run."""
    command = ["timeout", "-s", "KILL", "120", sys.executable, "-m", "pytest", "-q", "--tb=no"]
    command += ["-p", "no:cacheprovider", "-o", f"pythonpath={package}", f"--junitxml={report}"]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    subprocess.run([*command, *selection], cwd=tests, env=environment, stdout=subprocess.DEVNULL, check=False)
    if not report.exists():
        return None
    cases = ElementTree.parse(report).iter("testcase")
    return [case.attrib["name"] for case in cases if case.find("failure") is not None or case.find("error") is not None]


def survivors(found: dict[str, list[str] | None]) -> list[str]:
    """Returns the mutants that no test finds, and "whole" if the unchanged libraries fail."""
    always = set(found["whole"] or [])  # these failures prove nothing about a mutant
    left = [name for name, failed in found.items() if name != "whole" and not set(failed or []) - always]
    return (["whole"] if always or found["whole"] is None else []) + left


def main() -> None:
    """Runs the program."""
    kit, out = Path(sys.argv[1]), Path(sys.argv[2])
    suites = {"joins": JOINS}
    if "GREENLANE_TENSORRT_RUNTIME" in os.environ:
        suites["tensorrt"] = TENSORRT_JOINS
    suites = {name: suites[name] for name in sys.argv[3:] or suites}
    results: dict[str, dict[str, list[str] | None]] = {suite: {} for suite in suites}
    with tempfile.TemporaryDirectory() as scratch:
        for mutant in [None, *sorted((kit / "mutants").iterdir())]:
            name = mutant.name if mutant else "whole"
            package = Path(scratch) / name
            shutil.copytree(kit / "python", package)
            if mutant:
                for library in mutant.iterdir():
                    shutil.copy(library, package / "greenlane" / "lib" / library.name)
            for suite, selection in suites.items():
                failed = failures(package, kit / "tests" / "gpu", selection, Path(scratch) / f"{suite}-{name}.xml")
                results[suite][name] = failed
                print(f"{suite:9} {name:22} {'not run' if failed is None else ', '.join(failed or ['nothing failed'])}")
    out.write_text(json.dumps(results, indent=1) + "\n")
    left = [f"{suite}: {name}" for suite, found in results.items() for name in survivors(found)]
    if left:
        sys.exit(f"mutants: not as it should be: {', '.join(left)}")


if __name__ == "__main__":
    main()

"""One process of a contestant: makes a peer's streams, has the driver race on them, and writes the results.

    member.py WAY --config FILE --driver LIBRARY --out FILE ...

Results are written after every variant, so that a crash in the next variant does not lose them.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import smids
import torch
from mixes import Mix, load_mix
from ways import AbsentError

WARM_UP = 0.5  # seconds that are not counted, as in `greenlane run`


def wait_for_start(folder: Path, variant: str, name: str) -> int:
    """Reports that this process is ready. Returns the time at which all start, in nanoseconds of the steady clock."""
    (folder / f"{variant}.{name}.ready").touch()
    go = folder / f"{variant}.go"
    while not go.exists():
        time.sleep(0.002)
    return int(go.read_text())


class Member:
    """The results of this process so far."""

    def __init__(self, arguments: argparse.Namespace, mix: Mix) -> None:
        """Measures these engines."""
        self.arguments, self.mix = arguments, mix
        self.result: dict[str, Any] = {"way": arguments.way, "notes": {}, "variants": {}}

    def write(self) -> None:
        """Writes the whole file or nothing."""
        out: Path = self.arguments.out
        part = out.with_suffix(".part")
        part.write_text(json.dumps(self.result))
        part.rename(out)

    def race(self, handles: dict[str, int], notes: dict[str, Any]) -> None:
        """Races on the peer's streams."""
        arguments = self.arguments
        on_gpu = torch.cuda.is_available()
        self.result["notes"] = notes
        self.result["versions"] = {"torch": torch.__version__, "cuda": torch.version.cuda}
        if on_gpu:
            device = torch.cuda.get_device_properties(0)
            self.result["device"] = {"name": device.name, "sees_units": device.multi_processor_count}
            if arguments.where:
                notes["measured"] = smids.describe(handles)
        wanted = {name: handle for name, handle in handles.items() if name in arguments.engines}
        driver = torch.classes.greenlane_peers.Driver(str(self.mix.config), wanted)
        for variant in arguments.variants:
            failed = dict(driver.prepare(variant == "graphs"))
            names = [name for name in wanted if name not in failed]
            # With --alone, one after another, on a device that nobody else uses.
            rounds = [[name] for name in names] if arguments.alone else [names]
            engines = []
            for each in rounds:
                begin = 0
                if arguments.start:
                    begin = wait_for_start(arguments.start, variant, "-".join(arguments.engines))
                outcome = json.loads(driver.run(each, arguments.seconds, WARM_UP, arguments.spin_ms / 1e3, begin))
                engines += outcome["engines"]
                notes["late_ms"] = outcome["late_ms"]
            self.result["variants"][variant] = {"engines": engines, "failed": failed}
            self.write()


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="One process of a contestant.")
    parser.add_argument("way", help="the module in ways/")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--driver", type=Path, required=True, help="libpeers_driver.so")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--spin-ms", type=float, default=0.1, help="before an arrival, instead of sleeping")
    parser.add_argument("--variants", nargs="+", choices=("graphs", "eager"), default=["graphs"])
    parser.add_argument("--engines", nargs="+", help="only these")
    parser.add_argument("--alone", action="store_true", help="each engine by itself, one after another")
    parser.add_argument("--where", action="store_true", help="see which SMs the streams use")
    parser.add_argument("--start", type=Path, help="folder through which several processes start together")
    return parser.parse_args()


def main() -> int:
    """Runs the program."""
    arguments = parse_arguments()
    mix = load_mix(arguments.config)
    arguments.engines = arguments.engines or [engine.name for engine in mix.engines]
    torch.ops.load_library(arguments.driver.resolve())
    member = Member(arguments, mix)
    way = importlib.import_module(f"ways.{arguments.way}")
    try:
        way.lend(mix, member.race)
    except AbsentError as reason:
        member.result["absent"] = str(reason)
        member.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The setting that all contestants share."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass
class Setting:
    """The setting of one race."""

    greenlane: Path  # the program
    driver: Path  # libpeers_driver.so
    scratch: Path
    seconds: float
    units: int  # of the device
    on_gpu: bool = True
    spin_ms: float = 0.1  # before an arrival, instead of sleeping
    eager: bool = True  # also without graphs, where a contestant can do that in the same process
    xsched: Path | None = None
    holoscan: Path | None = None  # a folder in which Python finds it
    plan_budget: float = 30.0
    profile: Path | None = None  # from `greenlane profile`; without one, plans begin with making it
    counter: list[int] = field(default_factory=lambda: [0])

    def new_file(self, ending: str) -> Path:
        """Returns a name that nobody else has."""
        self.counter[0] += 1
        return self.scratch / f"{self.counter[0]}.{ending}"

    def variants(self) -> list[str]:
        """Returns the variants that can be measured here."""
        if not self.on_gpu:
            return ["eager"]
        return ["graphs", "eager"] if self.eager else ["graphs"]

    def limit(self, variants: list[str]) -> float:
        """Returns a program's time limit: loading, and twice the time of warming up and measuring."""
        return 40 + 2 * len(variants) * (self.seconds + 1)

    def member(self, way: str, config: Path, variants: list[str], out: Path, *options: str | Path) -> list[str | Path]:
        """Returns the command of one process that measures."""
        command: list[str | Path] = [sys.executable, HERE / "member.py", way, "--config", config]
        command += ["--driver", self.driver, "--out", out]
        command += ["--seconds", str(self.seconds), "--spin-ms", str(self.spin_ms)]
        return [*command, "--variants", *variants, *options]

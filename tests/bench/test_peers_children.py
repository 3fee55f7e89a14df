"""bench/peers: the programs of contestants, which may hang, crash or be missing."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import children
import contestants
import mps
import pytest
from launches import in_one_process, in_processes
from rows import Row
from setting import Setting

from bench.peer_rows import mix

# A process of a contestant: reports that it is ready, waits for the start, and writes the start's time.
RACER = """
import json, pathlib, sys, time
out, name, start = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
if name in sys.argv[4:]:
    sys.exit(f"{name} cannot")
(start / f"eager.{name}.ready").touch()
go = start / "eager.go"
while not go.exists():
    time.sleep(0.005)
engine = {"name": name, "requests": 1, "error": None, "begin": int(go.read_text())}
out.write_text(json.dumps({"variants": {"eager": {"engines": [engine], "failed": {}}}}))
"""


class FakeSetting(Setting):
    """A setting whose processes run the code above."""

    crash: Sequence[str] = ()
    seconds_at_most = 20.0

    def limit(self, variants: list[str]) -> float:
        return self.seconds_at_most

    def member(self, way: str, config: Path, variants: list[str], out: Path, *options: str | Path) -> list[str | Path]:
        if way == "hangs":
            return [sys.executable, "-c", "print('waiting', flush=True); import time; time.sleep(60)"]
        name, start = options[options.index("--engines") + 1], options[options.index("--start") + 1]
        return [sys.executable, "-c", RACER, out, name, start, *self.crash]


@pytest.fixture
def setting(tmp_path: Path) -> FakeSetting:
    return FakeSetting(Path("greenlane"), Path("driver.so"), tmp_path, seconds=0.1, units=132, on_gpu=False)


def test_a_hanging_program_is_killed_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    loop = f"(while true; do date +%N > {alive}; sleep 0.05; done)"
    script = f"{loop} & until [ -s {alive} ]; do sleep 0.01; done; echo started; wait"
    ended = children.run(["sh", "-c", script], tmp_path / "log", limit=3)  # a busy machine starts a shell late
    assert ended.status is None
    assert ended.problem == "killed at its time limit: started"
    time.sleep(0.2)
    before = alive.read_text()
    time.sleep(0.3)
    assert alive.read_text() == before


def test_the_end_of_a_failing_programs_output_is_kept(tmp_path: Path) -> None:
    script = "import sys; print('x' * 5000, flush=True); sys.exit('the reason')"
    ended = children.run([sys.executable, "-c", script], tmp_path / "log", limit=20)
    assert ended.problem is not None
    assert ended.problem.startswith("exit status 1: ")
    assert ended.problem.endswith("the reason")
    assert len(ended.problem) < 2000


def test_processes_start_together(tmp_path: Path, setting: FakeSetting) -> None:
    [row] = in_processes(setting, mix(tmp_path), Row("processes", "shared"), "racer", ["eager"], {})
    assert (row.status, row.what_happened) == ("measured", None)
    assert [engine["name"] for engine in row.engines] == ["head", "vision", "policy"]
    assert len({engine["begin"] for engine in row.engines}) == 1


def test_a_contestant_that_cannot_start_blocks_no_race(tmp_path: Path, setting: FakeSetting) -> None:
    setting.crash, setting.seconds_at_most = ["vision"], 2.0
    [row] = in_processes(setting, mix(tmp_path), Row("processes", "shared"), "racer", ["eager"], {})
    assert row.status == "failed"
    assert row.what_happened is not None
    assert "vision: exit status 1: vision cannot" in row.what_happened


def test_a_hanging_contestant_is_reported_in_a_row(tmp_path: Path, setting: FakeSetting) -> None:
    setting.seconds_at_most = 1.0
    [row] = in_one_process(setting, mix(tmp_path), Row("peer", "shared"), "hangs", ["eager"])
    assert (row.status, row.what_happened) == ("failed", "killed at its time limit: waiting")


def test_mps_clients_get_the_shares_of_their_lanes(tmp_path: Path) -> None:
    shares = mps.environments(mix(tmp_path), 132, {"CUDA_MPS_PIPE_DIRECTORY": "pipes"})
    assert {name: each["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] for name, each in shares.items()} == {
        "head": "51",
        "vision": "36",
        "policy": "12",
    }
    assert {name: each["CUDA_MPS_CLIENT_PRIORITY"] for name, each in shares.items()} == {
        "head": "1",
        "vision": "0",
        "policy": "0",
    }
    assert all(each["CUDA_MPS_PIPE_DIRECTORY"] == "pipes" for each in shares.values())
    unlimited = mps.environments(mix(tmp_path), 132, {}, limited=False)
    assert unlimited["policy"] == {"CUDA_MPS_CLIENT_PRIORITY": "0"}


def test_the_mps_daemon_ends_with_the_contestant(tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.write_text(f'#!/bin/sh\n[ "$1" = -d ] && echo start >> {tmp_path}/said && exit\ncat >> {tmp_path}/said\n')
    control.chmod(0o755)

    def contestant() -> None:
        with mps.Daemon(control, tmp_path / "mps") as daemon:
            daemon.ask("get_server_list")
            raise RuntimeError("of the contestant")

    with pytest.raises(RuntimeError, match="of the contestant"):
        contestant()
    assert (tmp_path / "said").read_text().split("\n")[:3] == ["start", "get_server_list", "quit -t 3"]


def test_mps_without_a_daemon_is_absent(tmp_path: Path, setting: FakeSetting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mps, "find", lambda: Path("/bin/false"))
    rows = contestants.ALL["mps"](setting, mix(tmp_path))
    assert [row.title for row in rows] == ["MPS", "MPS percentages"]
    for row in rows:
        assert row.status == "absent"
        assert row.what_happened is not None
        assert "the daemon does not start" in row.what_happened


def test_a_missing_scheduler_is_absent(tmp_path: Path, setting: FakeSetting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mps, "find", lambda: None)
    for name in ("mps", "xsched"):
        for row in contestants.ALL[name](setting, mix(tmp_path)):
            assert row.status == "absent"
            assert row.what_happened

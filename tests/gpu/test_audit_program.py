"""`greenlane audit` on a GPU: its exit status, its results and its trace."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
BINARIES = [ROOT / "bin", ROOT / "python/greenlane/lib", ROOT / "build/bin", ROOT / "build/lib"]
TORCH = Path(torch.__file__).parent


def find(name: str) -> Path:
    """Returns the file of this name in the kit or in the build."""
    for folder in BINARIES:
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} was not built")


def audit(config: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the audit with the PyTorch of this Python."""
    folders = [ROOT / "python/greenlane/lib", ROOT / "build/lib", TORCH / "lib", TORCH.parent / "nvidia/cu13/lib"]
    path = ":".join([*map(str, folders), os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")
    command = [str(find("greenlane")), "audit", str(config), "--seconds", "1", *map(str, arguments)]
    environment = os.environ | {"LD_LIBRARY_PATH": path}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)


def engine(name: str, model: Path, **keys: Any) -> str:
    """Returns an engine's table of the configuration."""
    lines = [f"[engine.{name}]", f"model = '{model}'", f"inputs = '{model.with_suffix('.inputs.pt')}'"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def pipeline(folder: Path, models: Path) -> str:
    """Returns three engines with graphs. Two have a rate, and one of these shares its units behind gates."""
    return (
        'device = "cuda:0"\n'
        + engine("policy", models / "affine.pt2", rate_hz=200, deadline_ms=5.0)
        + engine("vision", models / "chain.pt2", rate_hz=20, deadline_ms=50.0, lane="shared")
        + engine("head", models / "chain.pt2", lane="shared")
        + "[lane.policy]\nunits = 16\n[lane.shared]\nunits = 'rest'\n"
    )


def test_a_pipeline_without_strays_exits_with_0(models: Path, tmp_path: Path) -> None:
    config, out, trace = tmp_path / "p.toml", tmp_path / "out.json", tmp_path / "trace.json"
    config.write_text(pipeline(tmp_path, models))
    done = audit(config, "--json", out, "--trace", trace)
    assert done.returncode == 0, done
    assert "no strays" in done.stdout
    assert "p99" not in done.stdout, "the audit prints latencies"
    found = json.loads(out.read_text())
    assert {"greenlane", "versions", "device", "config", "audit"} <= found.keys()
    assert found["audit"]["clean"] is True
    assert found["audit"]["dropped"] == 0
    engines = {each["name"]: each for each in found["audit"]["engines"]}
    assert set(engines) == {"policy", "vision", "head"}
    for each in engines.values():
        assert each["kernels"] > 0
        assert each["strays"] == []
    assert engines["policy"]["units"] == 16
    check_trace(json.loads(trace.read_text()))


def check_trace(document: dict[str, Any]) -> None:
    """Checks the rules of the trace-event format: tracks have names, and the events of a track do not overlap."""
    events = document["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    tracks: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            tracks.setdefault(event["tid"], []).append((event["ts"], event["dur"]))
    assert set(tracks) <= set(names)
    for track, spans in tracks.items():
        if names[track].startswith("GPU"):
            spans.sort()
            assert all(a[0] + a[1] <= b[0] + 0.002 for a, b in itertools.pairwise(spans)), names[track]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    assert kernels
    assert not any(kernel["args"]["stray"] for kernel in kernels)
    # The kernels are on the host's clock: all within the second, and most of them inside of requests.
    requests = [e for e in events if e.get("cat") == "request" and e["name"] == "policy"]
    own = [kernel for kernel in kernels if kernel["args"]["engine"] == "policy"]
    inside = sum(
        any(r["ts"] - 200 <= k["ts"] and k["ts"] + k["dur"] <= r["ts"] + r["dur"] + 200 for r in requests) for k in own
    )
    assert inside > 0.9 * len(own), (inside, len(own))


def test_a_pipeline_with_strays_exits_with_1(models: Path, tmp_path: Path) -> None:
    library = find("libgreenlane_stray_op.so")
    export = """
import sys, torch
torch.ops.load_library(sys.argv[1])
class Stray(torch.nn.Module):
    def forward(self, x):
        return torch.ops.greenlane_test.stray(x * 2) + 1
x = torch.ones(256, device="cuda")
torch._inductor.aoti_compile_and_package(torch.export.export(Stray(), (x,)), package_path=sys.argv[2])
torch.save([x.cpu()], sys.argv[2].removesuffix(".pt2") + ".inputs.pt")
"""
    model = tmp_path / "stray.pt2"
    subprocess.run([sys.executable, "-c", export, str(library), str(model)], check=True, timeout=200)
    config, out = tmp_path / "p.toml", tmp_path / "out.json"
    pool, captured = "a stream of PyTorch's pool", "a graph that was captured outside of the partition"
    # If the engine cannot be captured, it runs eagerly.
    for graphs, causes in (("off", {pool}), ("resident", {pool, captured})):
        config.write_text(
            f'device = "cuda:0"\nlibraries = ["{library}"]\n'
            + engine("clean", models / "affine.pt2", rate_hz=100)
            + engine("stray", model, rate_hz=100, graphs=graphs)
            + "[lane.clean]\nunits = 16\n[lane.stray]\nunits = 16\n"
        )
        done = audit(config, "--json", out)
        assert done.returncode == 1, done
        assert "ran outside of a partition" in done.stdout
        found = {each["name"]: each for each in json.loads(out.read_text())["audit"]["engines"]}
        assert found["clean"]["strays"] == []
        assert len(found["stray"]["strays"]) == 1, found
        assert found["stray"]["strays"][0]["cause"] in causes, found
        assert found["stray"]["strays"][0]["count"] > 0

"""Reports the SMs that engines ran on, bound and not bound: smid_report.py MODELS_FOLDER OUT.json."""

import json
import sys
from pathlib import Path
from typing import Any

import greenlane as gl
import torch
from torch import Tensor, nn
from where import sms_of, where


class Where(nn.Module):
    """A module whose only work is to report where it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = nn.Buffer(torch.zeros(1, device="cuda"))  # tells the module's device

    def forward(self, x: Tensor) -> Tensor:
        """See where.where."""
        out: Tensor = where(x)
        return out


class Foreign:
    """A stream as another library would pass it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        """Implements the protocol."""
        return (0, self.handle)


def main() -> None:
    """Runs engines and modules, bound to streams of every kind and called from streams of every kind."""
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    lanes = gl.partition("cuda:0", {"policy": 16, "vision": 48, "head": gl.REST})
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    callers = {
        "the default stream": torch.cuda.default_stream(),
        "a plain stream": torch.cuda.Stream(),
        "the lane of another engine": lanes["head"].torch_stream,
    }
    rows: list[dict[str, Any]] = []

    def write_down(engine: nn.Module, caller: str, stream: torch.cuda.Stream, **more: object) -> None:
        with torch.cuda.stream(stream):
            sms: set[int] = set()
            for _ in range(20):
                sms |= sms_of(engine(x))
        rows.append({**more, "caller": caller, "count": len(sms), "sms": sorted(sms)})

    kinds = {"package": gl.load(models / "where.pt2"), "module": Where()}
    for kind, engine in kinds.items():
        for name, lane in lanes.items():
            with gl.set_external_stream(engine, lane):
                for caller, stream in callers.items():
                    write_down(engine, caller, stream, kind=kind, bound="lane", lane=name, units=lane.units)
        for caller, stream in callers.items():
            write_down(engine, caller, stream, kind=kind, bound="no", lane=None, units=None)
        vision = lanes["vision"]
        streams: dict[str, gl.StreamLike] = {
            "torch.cuda.ExternalStream": vision.torch_stream,
            "int": vision.stream,
            "__cuda_stream__": Foreign(vision.stream),
            "torch.cuda.Stream": torch.cuda.Stream(),
        }
        plain = "a plain stream"
        for bound, external in streams.items():
            units = vision.units if bound != "torch.cuda.Stream" else None
            with gl.set_external_stream(engine, external):
                write_down(engine, plain, callers[plain], kind=kind, bound=bound, lane=None, units=units)
        gl.set_engine_stream_passthrough(True)
        guard, units = "the lane, with passthrough", vision.units
        write_down(engine, guard, vision.torch_stream, kind=kind, bound="no", lane=None, units=units)
        gl.set_engine_stream_passthrough(False)
    device = torch.cuda.get_device_properties(0)
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": device.name}
    out.write_text(json.dumps({"versions": versions, "rows": rows}) + "\n")
    for row in rows:
        where_to = row["lane"] or row["bound"]
        print(f"{row['kind']:8} {where_to:26} units {row['units']}  called from {row['caller']}: {row['count']} SMs")


if __name__ == "__main__":
    main()

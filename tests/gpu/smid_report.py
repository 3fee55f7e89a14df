"""Writes down on which SMs engines ran, bound and not: smid_report.py MODELS_FOLDER OUT.json."""

import json
import sys
from pathlib import Path

import greenlane as gl
import torch
from where import sms_of


def main() -> None:
    """Two engines on two of three lanes, called from streams of every kind."""
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    lanes = gl.partition("cuda:0", {"policy": 16, "vision": 48, "head": gl.REST})
    x = torch.zeros(1, dtype=torch.int32, device="cuda")
    callers = {
        "the default stream": torch.cuda.default_stream(),
        "a plain stream": torch.cuda.Stream(),
        "the lane of another engine": lanes["head"].torch_stream,
    }
    rows = []
    for name, lane in [*lanes.items(), ("unbound", None)]:
        engine = gl.load(models / "where.pt2", lane=lane)
        for caller, stream in callers.items():
            with torch.cuda.stream(stream):
                sms: set[int] = set()
                for _ in range(20):
                    sms |= sms_of(engine(x))
            rows.append(
                {
                    "lane": name,
                    "units": lane.units if lane else None,
                    "caller": caller,
                    "count": len(sms),
                    "sms": sorted(sms),
                }
            )
    device = torch.cuda.get_device_properties(0)
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": device.name}
    out.write_text(json.dumps({"versions": versions, "rows": rows}) + "\n")
    for row in rows:
        print(f"{row['lane']:8} units {row['units']}  called from {row['caller']}: {row['count']} SMs")


if __name__ == "__main__":
    main()

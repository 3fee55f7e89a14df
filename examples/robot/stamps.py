"""Stamps: what an export was made from, so that it is redone when it must be and only then."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from models import Preset

HERE = Path(__file__).resolve().parent
SOURCES = ("export.py", "inputs.py", "models.py", "stamps.py")


def files_of(name: str) -> tuple[str, str, str]:
    """Name the files that an export leaves beside its stamp."""
    return f"{name}.pt2", f"{name}.inputs.pt", f"{name}.outputs.pt"


def origin(device: str, architecture: str, preset: Preset) -> dict[str, Any]:
    """Collect everything that a package depends on."""
    sources = hashlib.sha256()
    for source in SOURCES:
        sources.update((HERE / source).read_bytes())
    return {
        "torch": torch.__version__,
        "device": device,
        "architecture": architecture,
        "preset": asdict(preset),
        "sources": sources.hexdigest(),
    }


def read_stamp(file: Path) -> dict[str, Any]:
    """Read a stamp; an empty one where there is none, or none that makes sense."""
    try:
        stamp = json.loads(file.read_text())
        return {"origin": dict(stamp["origin"]), "parameters": int(stamp["parameters"])}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def reason_to_export(name: str, out: Path, stamp: dict[str, Any], expected: dict[str, Any]) -> str | None:
    """Say why a model must be exported; None when it is up to date."""
    if not stamp:
        return "no finished export"
    for file in files_of(name):
        if not (out / file).is_file():
            return f"{file} is missing"
    changed = [key for key in expected if stamp["origin"].get(key) != expected[key]]
    return f"changed: {', '.join(changed)}" if changed else None

"""Compiles the models of the tests for the CPU: export_models.py FOLDER.

FOLDER gets NAME.pt2, NAME.inputs.pt and NAME.outputs.pt for every model, a few files that are wrong in one way each,
and stamp.json, which is written last. Does nothing if the stamp is up to date.
"""

import argparse
import copy
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import aoti_compile_and_package
from torch.utils import _pytree as pytree

STAMP = "stamp.json"


class Affine(nn.Module):
    """The simplest engine."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 + 1


class Pair(nn.Module):
    """Two dtypes, a dynamic batch, a keyword argument, and nested outputs."""

    def forward(self, x: Tensor, *, index: Tensor) -> dict[str, Any]:
        scaled = x * index.to(x.dtype).unsqueeze(1)
        return {"scaled": scaled, "both": (x.sum(dim=1), index + 1)}


class Threads(nn.Module):
    """Works for milliseconds on one core, in an OpenMP loop."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(8):
            x = torch.sin(x) + torch.cos(x)
        return x


class Throws(nn.Module):
    """Throws if an index is outside the table: the input's shape is right, but a value is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Buffer(torch.arange(10, dtype=torch.float32))

    def forward(self, index: Tensor) -> Tensor:
        return self.table[index] * 2


class Accumulates(nn.Module):
    """Keeps state in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = nn.Buffer(torch.zeros(4, 8))
        self.weight = nn.Parameter(torch.eye(8) * 2)

    def forward(self, x: Tensor) -> Tensor:
        self.sum.add_(x)
        return self.sum @ self.weight


class InPlace(nn.Module):
    """Writes to its first input through a view, and returns it."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        x[1:].add_(y)
        return x, x.sum()


class Related(nn.Module):
    """Has sizes that depend on each other, and strides that depend on sizes."""

    def forward(self, x: Tensor, y: Tensor, n: Tensor, before: Tensor, product: Tensor, image: Tensor) -> Any:
        differences = n[1:] + before
        outer = torch.outer(x[:, 0], n).flatten() + product
        return x.repeat(4, 1) + y, differences, outer, image * 2


class Constant(nn.Module):
    """Has arguments that are no tensors, at several depths."""

    def forward(self, x: Tensor, k: int, options: dict[str, Any], mask: Tensor | None, *, scale: bool) -> Tensor:
        filled = torch.where(x > 0, x, options["fill"])
        return filled * k if scale and mask is None else filled - len(options["mode"])


@dataclass(frozen=True)
class Case:
    """A model, the arguments of its call, and how it is compiled."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    dynamic_shapes: Mapping[str, Any] | None = None
    # Inductor's default would fix the number of threads while it compiles.
    options: Mapping[str, Any] = field(default_factory=lambda: {"cpp.dynamic_threads": True})


def cases() -> dict[str, Case]:
    """Returns all cases by name, the same on every machine."""
    generator = torch.Generator().manual_seed(7)
    batch = torch.export.Dim("batch", min=2, max=32)
    n, auto = torch.export.Dim("n", min=3, max=1000), torch.export.Dim.AUTO
    image = torch.randn(2, 3, 4, 6, generator=generator).contiguous(memory_format=torch.channels_last)
    return {
        "affine": Case(Affine(), (torch.randn(4, 8, generator=generator),)),
        "pair": Case(
            Pair(),
            (torch.randn(4, 8, generator=generator),),
            {"index": torch.tensor([3, 1, 4, 1])},
            {"x": {0: batch}, "index": {0: batch}},
        ),
        "threads": Case(Threads(), (torch.randn(512, 512, generator=generator),)),
        "related": Case(
            Related(),
            (torch.ones(2, 8), torch.ones(8, 8), torch.ones(5), torch.ones(4), torch.ones(10), image),
            dynamic_shapes={
                "x": {0: batch},
                "y": {0: 4 * batch},
                "n": {0: n},
                "before": {0: n - 1},
                "product": {0: auto},
                "image": {0: auto, 2: auto, 3: auto},
            },
        ),
        "constant": Case(Constant(), (torch.ones(3), 3, {"fill": float("nan"), "mode": "fast"}, None), {"scale": True}),
        # An exception cannot leave an OpenMP loop; the process would end.
        "throws": Case(Throws(), (torch.tensor([0, 9, 5]),), options={"cpp.threads": 1}),
        "accumulates": Case(Accumulates(), (torch.randn(4, 8, generator=generator),)),
        "in_place": Case(InPlace(), (torch.randn(4, 8, generator=generator), torch.randn(8, generator=generator))),
    }


def origin() -> dict[str, str]:
    """Returns everything that the packages depend on."""
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "source": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }


def is_up_to_date(folder: Path) -> bool:
    """Returns whether the stamp names today's origin and all files of its list are there."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        return bool(stamp["origin"] == origin() and all((folder / file).is_file() for file in stamp["files"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def export(name: str, case: Case, folder: Path) -> None:
    """Writes a model's three files."""
    with torch.no_grad():
        # Runs on copies, because a model may write to its inputs and buffers.
        model, args, kwargs = copy.deepcopy((case.model, case.args, dict(case.kwargs)))
        outputs = pytree.tree_leaves(model(*args, **kwargs))
        program = torch.export.export(
            case.model.eval(), case.args, dict(case.kwargs), dynamic_shapes=case.dynamic_shapes
        )
        aoti_compile_and_package(program, package_path=str(folder / f"{name}.pt2"), inductor_configs=dict(case.options))
    inputs = [leaf for leaf in pytree.tree_leaves((case.args, dict(case.kwargs))) if isinstance(leaf, Tensor)]
    torch.save(inputs, folder / f"{name}.inputs.pt")
    torch.save(outputs, folder / f"{name}.outputs.pt")


def repack(source: Path, target: Path, edit: Callable[[str, bytes], bytes | None]) -> None:
    """Copies a package with some of its records changed, or left out if `edit` returns None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            content = edit(info.filename, old.read(info))
            if content is not None:
                new.writestr(info.filename, content)


def saying(**entries: str) -> Callable[[str, bytes], bytes]:
    """Returns an edit that makes a package claim something else about itself."""

    def edit(record: str, content: bytes) -> bytes:
        if not record.endswith("_metadata.json"):
            return content
        return json.dumps(json.loads(content) | entries).encode()

    return edit


def without_source(record: str, content: bytes) -> bytes | None:
    """Strips the wrapper's source, which states what the inputs must be. An edit for :func:`repack`."""
    return None if record.endswith(".wrapper.cpp") else content


class RunsCode:
    """A class whose pickle makes a file when something that runs code loads it."""

    def __init__(self, evidence: str) -> None:
        self.evidence = evidence

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.evidence,)


def export_wrong_files(folder: Path) -> None:
    """Writes files that must be refused."""
    affine = folder / "affine.pt2"
    repack(affine, folder / "says_cuda.pt2", saying(AOTI_DEVICE_KEY="cuda", AOTI_COMPUTE_CAPABILITY="80"))
    repack(affine, folder / "says_mps.pt2", saying(AOTI_DEVICE_KEY="mps"))
    repack(affine, folder / "stripped.pt2", without_source)
    torch.save([torch.tensor([0, 10, 5])], folder / "out_of_table.inputs.pt")
    torch.save((torch.ones(2), torch.zeros(3)), folder / "tuple.pt")
    torch.save({"x": torch.ones(2)}, folder / "dict.pt")
    torch.save([torch.ones(2), "text"], folder / "mixed.pt")
    torch.save(torch.ones(2), folder / "bare.pt")
    torch.save(OrderedDict(x=torch.ones(2)), folder / "ordered_dict.pt")
    torch.save([[torch.ones(2)]], folder / "nested.pt")
    torch.save([RunsCode("code_was_run")], folder / "code.pt")


def export_tensor_files(folder: Path) -> None:
    """Writes lists of tensors in every form that is read: the bytes 0 to 15 in every dtype, and shared memory."""
    numbers = torch.arange(16, dtype=torch.uint8)
    floats = [getattr(torch, name) for name in sorted(dir(torch)) if name.startswith("float8_")]
    others = [
        torch.uint16,
        torch.uint32,
        torch.uint64,
        torch.bool,
        torch.half,
        torch.bfloat16,
        torch.float,
        torch.double,
    ]
    others += [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.cfloat, torch.cdouble, torch.chalf]
    torch.save([numbers.clone().view(dtype) for dtype in floats + others], folder / "dtypes.pt")
    x = torch.arange(6.0).reshape(2, 3)
    viewed = [x, x[1], x.t(), torch.ones(1).expand(4), torch.empty(0, 3), torch.tensor(7.0), torch.complex(x, x).conj()]
    for protocol in (2, 3, 4, 5):
        torch.save([*viewed, torch.nn.Parameter(x)], folder / f"views_{protocol}.pt", pickle_protocol=protocol)


def export_all(folder: Path) -> None:
    """Makes everything in a folder beside the files, then moves it. The stamp is removed first and written last."""
    staging = folder / ".partial"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        for name, case in cases().items():
            export(name, case, staging)
        export_wrong_files(staging)
        export_tensor_files(staging)
        files = sorted(path.name for path in staging.iterdir())
        (staging / STAMP).write_text(json.dumps({"origin": origin(), "files": files}, indent=1) + "\n")
        (folder / STAMP).unlink(missing_ok=True)
        for file in (*files, STAMP):
            (staging / file).replace(folder / file)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(description="Compiles the models of the tests.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    # PyTorch warns of a CUDA toolkit without a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # the kernel lets go of it when this process ends
    if not is_up_to_date(folder):
        export_all(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""greenlane beside the real runtime libraries of Torch-TensorRT and Torch-TensorRT-RTX, without a GPU.

No engine can be made without a GPU.

Each order of loading is a process of its own, because the real runtime and the stand-in must never be in one process.
The process returns its findings as JSON.
"""

import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
from built import BUILD

from compat import stand_in

ROOT = Path(__file__).resolve().parents[2]
SHIMS = BUILD / "tests" / "compat"
FOLDERS = {"Torch-TensorRT": Path(sys.prefix) / "compat", "Torch-TensorRT-RTX": Path(sys.prefix) / "compat-rtx"}
RUNTIMES = {name: folder / "torch_tensorrt" / "lib" / "libtorchtrt_runtime.so" for name, folder in FOLDERS.items()}
# The order matters: the first runtime asks for the two shims by name, and they stand before the lean runtime.
BEFORE = {
    "Torch-TensorRT": (
        FOLDERS["Torch-TensorRT"] / "tensorrt_lean_libs" / "libnvinfer_lean.so.11",
        SHIMS / "libnvinfer.so.11",
        SHIMS / "libnvinfer_plugin.so.11",
    ),
    "Torch-TensorRT-RTX": (SHIMS / "libtensorrt_rtx.so.1",),
}
METHODS = ("set_external_stream", "clear_external_stream", "get_external_stream", "is_external_stream_set")

real = pytest.mark.parametrize(
    "library",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                not runtime.exists(),
                reason=f"{name}'s runtime is not in {FOLDERS[name]} (tools/setup.sh puts it there)",
            ),
        )
        for name, runtime in RUNTIMES.items()
    ],
)
both_orders = pytest.mark.parametrize("order", ["greenlane, stock", "stock, greenlane"])


def loading(name: str, library: str) -> str:
    """Returns the code that loads `name`; for stock Torch-TensorRT, `library` is the runtime's name in RUNTIMES."""
    if name == "greenlane":
        return "import greenlane"
    if name == "stand-in":
        return f"torch.ops.load_library({str(stand_in.LIBRARY)!r})"
    return (
        f"for each in {list(map(str, BEFORE[library]))}: ctypes.CDLL(each, ctypes.RTLD_GLOBAL)\n"
        f"torch.ops.load_library({str(RUNTIMES[library])!r})"
    )


# The instance was never initialised: it has the methods of its class, and no engine.
LOOK = """
op = torch.ops.tensorrt.execute_engine.default
engine = torch._C._create_object_with_type(op._schema.arguments[1].type)
def outcome(call, *arguments):
    try:
        return repr(call(*arguments))
    except Exception as error:
        return type(error).__name__ + ": " + str(error).splitlines()[0]
facts = {
    "schema": str(op._schema),
    "constants": {name: getattr(torch.ops.tensorrt, name)() for name in
        ("ABI_VERSION", "SERIALIZATION_LEN", "NAME_IDX", "DEVICE_IDX", "get_cudagraphs_mode")},
    "kernels": torch._C._dispatch_dump("tensorrt::execute_engine"),
    "methods": engine._method_names(),
    "schemas": {name: str(engine._get_method(name).schema) for name in engine._method_names()},
    "wrong strings": [outcome(torch.classes.tensorrt.Engine, fields) for fields in
        (["x"] * 13, ["10"] + ["x"] * 12, ["10", "name", "0%9%0%0%GPU"] + [""] * 10)],
    "calls": [outcome(op, inputs, engine) for inputs in
        ([torch.ones(2)], [], [torch.ones(2, device="meta")], [torch.ones(2), torch.ones(2)])],
    "wrong calls": [outcome(op, *arguments) for arguments in (([torch.ones(2)], 3), (3, engine), ([], None))],
}
if "greenlane" in sys.modules:
    facts["answers"] = [outcome(getattr(engine, name)) for name in METHODS[1:]]
    facts["set"] = [outcome(engine.set_external_stream, value) for value in (0, 0x1234, "stream")]
    facts["records"] = outcome(torch.ops.greenlane.binding_of, engine, False)
    facts["bindable"] = torch.ops.greenlane.is_bindable(engine)
    facts["mode after"] = torch.ops.tensorrt.get_cudagraphs_mode()
"""


@dataclass(frozen=True)
class Found:
    """A process's findings, and its other output."""

    facts: dict[str, Any]
    output: str


def run(code: str) -> Found:
    """Runs a process whose code makes `facts`; fails if the process fails."""
    whole = f"import ctypes, json, sys, torch\nMETHODS = {METHODS}\n{code}\nprint('FACTS', json.dumps(facts))"
    environment = {**os.environ, "PYTHONPATH": str(Path(gl.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = [line for line in done.stdout.splitlines() if line.startswith("FACTS ")]
    rest = [line for line in (done.stdout + done.stderr).splitlines() if line not in facts]
    return Found(json.loads(facts[0].removeprefix("FACTS ")), "\n".join(rest))


@functools.cache
def after(order: str, library: str = "") -> Found:
    """Returns what a process finds after it loads these names in order; `library` as in :func:`loading`."""
    return run("\n".join(loading(name, library) for name in order.split(", ")) + LOOK)


def kernels(found: Found) -> dict[str, tuple[str, str]]:
    """Returns the dispatch table: for each key, the file that registered its kernel, and how that can be called."""
    lines = re.findall(
        r"^(\w+)(?:\[alias\])?: registered at (\S+):\d+ :: .* \[ ([\w ]+) \]$", found.facts["kernels"], re.M
    )
    return {key: (Path(file).name, kind) for key, file, kind in lines}


@real
@both_orders
def test_the_real_library_has_the_expected_interface(order: str, library: str) -> None:
    facts = after(order, library).facts
    assert facts["schema"] == (
        "tensorrt::execute_engine(Tensor[] input_tensors, __torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]"
    )
    assert facts["constants"] == {
        "ABI_VERSION": "10",
        "SERIALIZATION_LEN": 13,
        "NAME_IDX": 1,
        "DEVICE_IDX": 2,
        "get_cudagraphs_mode": 0,
    }
    assert facts["mode after"] == 0


@real
@both_orders
def test_greenlanes_kernels_precede_stocks(order: str, library: str) -> None:
    stock = kernels(after("stock", library))
    assert list(stock) == ["CompositeExplicitAutograd"]
    ours = ("execute_engine.cpp", "boxed")
    assert kernels(after(order, library)) == stock | dict.fromkeys(("CUDA", "CPU", "BackendSelect"), ours)


@real
@both_orders
def test_loading_prints_no_warning(order: str, library: str) -> None:
    """PyTorch would warn of a kernel that replaces another one."""
    assert after(order, library).output == after("stock", library).output
    assert not re.search(r"greenlane|overrid|execute_engine", after(order, library).output, re.IGNORECASE)


@real
@both_orders
def test_the_class_gains_four_methods(order: str, library: str) -> None:
    facts, stock = after(order, library).facts, after("stock", library).facts
    assert facts["methods"] == [*stock["methods"], *METHODS]
    assert not set(METHODS) & set(stock["methods"])
    of_stock = {name: schema for name, schema in facts["schemas"].items() if name not in METHODS}
    assert of_stock == stock["schemas"]
    self = "__torch__.torch.classes.tensorrt.Engine self"
    assert [facts["schemas"][name] for name in METHODS] == [
        f"set_external_stream({self}, int stream) -> NoneType",
        f"clear_external_stream({self}) -> NoneType",
        f"get_external_stream({self}) -> int",
        f"is_external_stream_set({self}) -> bool",
    ]


@real
@both_orders
def test_the_methods_work_on_an_uninitialised_instance(order: str, library: str) -> None:
    facts = after(order, library).facts
    assert facts["answers"] == ["None", "0", "False"]
    assert (facts["bindable"], facts["records"]) == (True, "None")
    assert [each.split(":")[0] for each in facts["set"]] == ["RuntimeError"] * 3
    assert "Expected a value of type 'int'" in facts["set"][2]


@real
@both_orders
def test_stocks_exceptions_are_unchanged(order: str, library: str) -> None:
    facts, stock = after(order, library).facts, after("stock", library).facts
    assert stock["wrong strings"] == ["ValueError: stoi"] * 3
    for kind in ("wrong strings", "calls", "wrong calls"):
        assert facts[kind] == stock[kind]
        assert all("Error: " in each for each in stock[kind])


@real
def test_the_stand_in_matches_the_real_library(library: str) -> None:
    stock, ours = after("stock", library).facts, after("stand-in").facts
    assert ours["schema"] == stock["schema"]
    assert ours["constants"] == stock["constants"]
    assert set(ours["methods"]) <= set(stock["methods"])
    for name in ("serialize_metadata_only", "num_execution_contexts_created", "requires_native_multidevice_getter"):
        assert ours["schemas"][name] == stock["schemas"][name]
    assert {key: kind for key, (_, kind) in kernels(after("stand-in")).items()} == {
        key: kind for key, (_, kind) in kernels(after("stock", library)).items()
    }


def test_no_class_is_registered_without_torch_tensorrt() -> None:
    found = run(
        "import greenlane\nfacts = {'op': hasattr(torch.ops.tensorrt, 'execute_engine'), 'class': 'no error',"
        "'schemas': [str(each) for each in torch._C._jit_get_all_schemas() if each.name.startswith('tensorrt::')]}\n"
        "try: torch.classes.tensorrt.Engine\nexcept RuntimeError as error: facts['class'] = str(error)"
    )
    assert (found.facts["op"], found.facts["schemas"], found.output) == (False, [], "")
    assert "Engine" in found.facts["class"]
    assert "does not exist" in found.facts["class"]

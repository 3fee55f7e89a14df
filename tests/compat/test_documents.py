"""The snippets of the documents: those in C++ compile, and those in Python use only names that exist.

All Python of docs/torch-tensorrt.md runs, on GPUs of bookkeeping, over stand-ins for torch_tensorrt's compiler and for
its engines.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from compat.stand_in import FAKE_CUDA, ROOT, in_a_process

DOCUMENT = ROOT / "docs" / "torch-tensorrt.md"
ALL = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LIKE = ROOT / "examples" / "torch_tensorrt" / "bind_engines.cpp"
"""A program whose compiler command the snippets use, as a user's program would."""


def snippets(language: str, document: Path = DOCUMENT) -> list[str]:
    """Returns the fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.M | re.S)


@pytest.mark.parametrize("document", ALL, ids=lambda path: path.name)
def test_no_snippet_is_in_a_language_that_nothing_checks(document: Path) -> None:
    """Shell and TOML have their own tests (tests/cli, tests/runtime)."""
    fences = re.findall(r"^ *```(\w*)$", document.read_text(), re.M)
    begun, ends = fences[::2], fences[1::2]
    assert set(begun) <= {"python", "cpp", "sh", "toml", ""}  # no language: output
    assert ends == [""] * len(begun)
    for language in ("python", "cpp"):
        assert begun.count(language) == len(snippets(language, document))


BEGIN = """
import logging, sys, types, warnings
import torch
from torch import nn
from compat import stand_in
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
stand_in.load()

class Compiled(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("_run_on_acc_0", "_run_on_acc_2"):
            setattr(self, name, stand_in.Accelerated(stand_in.new_engine(f"{name}_engine", device="0")))
        self._run_on_gpu_1 = nn.ReLU()

    def forward(self, x):
        y, first = self._run_on_acc_0(x)
        y, second = self._run_on_acc_2(self._run_on_gpu_1(y))
        return y, first, second

def export(model, inputs):
    return torch.export.export(model, tuple(inputs), strict=False)

torch_tensorrt = types.ModuleType("torch_tensorrt")
torch_tensorrt.compile = lambda network, inputs, max_aux_streams: Compiled()
torch_tensorrt.save = lambda model, path, arg_inputs: torch.export.save(export(model, arg_inputs), path)
torch_tensorrt.load = torch.export.load
torch_tensorrt.runtime = types.ModuleType("torch_tensorrt.runtime")
sys.modules |= {"torch_tensorrt": torch_tensorrt, "torch_tensorrt.runtime": torch_tensorrt.runtime}
network, x = nn.ReLU(), torch.ones(3)
torch._inductor.aoti_compile_and_package(export(Compiled(), [x]), package_path="model.pt2")

def check(number, y):
    # Whether the engines of snippet `number`, if it ran some, ran where it says.
    if y is not None:
        assert torch.equal(y[0], torch.full((3,), 4.0)), y
    streams = {lane.stream: name for name, lane in lanes.items()}
    print(number, *([] if y is None else [streams.get(int(handle), "another") for handle in y[1:]]))
"""


@pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")
def test_the_snippets_in_python_run(tmp_path: Path) -> None:
    code = [f"import os\nos.chdir({str(tmp_path)!r})", BEGIN]
    for number, snippet in enumerate(snippets("python")):
        code += ["y = None", snippet, f"check({number}, y)"]
    lines = [line for line in in_a_process("\n".join(code), on_gpus=True) if line[0].isdigit()]
    assert lines == [
        "0 first second",  # compiled, bound in memory
        "1 first another",  # saved and loaded as a program
        "2",  # a package, loaded by greenlane
        "3 first second",  # a package, loaded by PyTorch
        "4",  # the methods of an engine
        "5 first second",  # the passthrough: bound engines stay where they are
        "6 first second",  # the aliases
    ]


# The names that the snippets leave to their reader.
GIVEN_IN_CPP = """
[[maybe_unused]] const greenlane::Lane& lane, [[maybe_unused]] const std::vector<at::Tensor>& inputs,
[[maybe_unused]] const at::Tensor& observation, [[maybe_unused]] cudaStream_t my_green_stream,
[[maybe_unused]] std::shared_ptr<const void> owner, [[maybe_unused]] std::shared_ptr<greenlane::StreamBinding> engine
"""
GIVEN_IN_PYTHON = """
from typing import Any
import torch
import greenlane as gl
encoder: Any; head: Any; model: Any; network: Any; observation: Any; picture: Any; state: Any; torch_tensorrt: Any
torch_stream: torch.cuda.Stream; vision: gl.Engine; x: torch.Tensor
policy: gl.Engine
"""


@pytest.mark.parametrize("document", [each for each in ALL if snippets("cpp", each)], ids=lambda path: path.name)
def test_the_snippets_in_cpp_compile(document: Path, tmp_path: Path) -> None:
    commands = json.loads((ROOT / "build" / "compile_commands.json").read_text())
    (command,) = [each for each in commands if Path(each["file"]) == LIKE]
    includes: list[str] = ["#include <cuda_runtime_api.h>", "#include <greenlane/torch/aoti.hpp>"]
    functions: list[str] = []
    for number, snippet in enumerate(snippets("cpp", document)):
        lines = snippet.splitlines()
        includes += [line for line in lines if line.startswith("#include")]
        body = "\n".join(line for line in lines if not line.startswith("#include"))
        functions.append(f"void snippet_{number}({GIVEN_IN_CPP}) {{ {{\n{body}\n}} }}")
    source = tmp_path / "snippets.cpp"
    source.write_text("\n".join([*dict.fromkeys(includes), *functions]))
    words = shlex.split(command["command"])
    del words[words.index("-o") : words.index("-o") + 2]
    words = [str(source) if word == str(LIKE) else word for word in words if word != "-c"]
    done = subprocess.run(
        [*words, "-fsyntax-only", "-Werror", "-Wno-shadow", "-Wno-unused-variable"],
        cwd=command["directory"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_snippets_in_python_name_what_is_there(tmp_path: Path) -> None:
    """Checks names, arguments and types with mypy, in one run, because PyTorch takes mypy a while."""
    pytest.importorskip("mypy")
    files = []
    for document in ALL:
        bodies = [snippet.replace("import torch_tensorrt\n", "") for snippet in snippets("python", document)]
        files.append(tmp_path / f"{document.stem.replace('-', '_')}.py")
        files[-1].write_text("\n".join([GIVEN_IN_PYTHON, *bodies]))
    command = [sys.executable, "-m", "mypy", "--allow-redefinition", "--allow-untyped-globals", *map(str, files)]
    done = subprocess.run(
        [*command, "--config-file", "/dev/null", "--cache-dir", str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT / "python",
    )
    assert done.returncode == 0, done.stdout + done.stderr

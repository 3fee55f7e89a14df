"""Every snippet of docs/torch-tensorrt.md: Python's run one after another, C++'s compile.

Python's run on GPUs of bookkeeping, over stand-ins for torch_tensorrt's compiler and for its engines.
"""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from compat.stand_in import FAKE_CUDA, ROOT, in_a_process

DOCUMENT = ROOT / "docs" / "torch-tensorrt.md"
LIKE = ROOT / "examples" / "torch_tensorrt" / "bind_engines.cpp"
"""A program that is compiled as a user's would be."""


def snippets(language: str) -> list[str]:
    """The fenced blocks in a language, in order."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    assert found
    return found


def test_no_snippet_is_in_another_language() -> None:
    fences = re.findall(r"^```(\w*)$", DOCUMENT.read_text(), re.M)
    assert set(fences) == {"python", "cpp", ""}
    assert fences.count("") == len(snippets("python")) + len(snippets("cpp"))  # their ends


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
        "3 first second",  # and by PyTorch
        "4",  # the methods of an engine
        "5 first second",  # the passthrough: nothing but what is bound changes
        "6 first second",  # the aliases
    ]


def test_the_snippets_in_cpp_compile(tmp_path: Path) -> None:
    commands = json.loads((ROOT / "build" / "compile_commands.json").read_text())
    (command,) = [each for each in commands if Path(each["file"]) == LIKE]
    includes: list[str] = ["#include <cuda_runtime_api.h>"]
    functions: list[str] = []
    for number, snippet in enumerate(snippets("cpp")):
        lines = snippet.splitlines()
        includes += [line for line in lines if line.startswith("#include")]
        body = "\n".join(line for line in lines if not line.startswith("#include"))
        functions.append(
            f"void snippet_{number}([[maybe_unused]] const greenlane::Lane& lane, "
            "[[maybe_unused]] const std::vector<at::Tensor>& inputs, "
            "[[maybe_unused]] cudaStream_t my_green_stream, "
            "[[maybe_unused]] std::shared_ptr<const void> owner, "
            f"[[maybe_unused]] std::shared_ptr<greenlane::StreamBinding> engine) {{ {{\n{body}\n}} }}"
        )
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

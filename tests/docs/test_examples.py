"""The examples of the documents: those in Python run and fit the package's types, and those in C++ compile.

CI has no GPU. So examples in Python run on GPUs of bookkeeping, where lanes, streams and bindings are real and nothing
computes. Engines there are those of a stand-in, which say on which stream they ran. What needs a GPU that computes is
stood in for by the functions of STAND_INS; tests/gpu has it on a real one. tests/python/test_public_names.py runs the
examples in docstrings that show a session (`>>>`).
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built import BUILD
from compat.stand_in import FAKE_CUDA, in_a_process

from docs.documents import DOCUMENTS, GUIDES, ROOT, blocks, literal_blocks

LIKE = "bind_engines.dir"
"""A program whose compiler command the examples use, as a user's program would."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_example_is_in_a_checked_language(document: Path) -> None:
    """Shell and TOML have their own tests (tests/cli, tests/runtime)."""
    fences = re.findall(r"^ *```(\w*)$", document.read_text(), re.M)
    begun, ends = fences[::2], fences[1::2]
    assert set(begun) <= {"python", "cpp", "sh", "toml", ""}  # no language: output
    assert ends == [""] * len(begun)
    for language in ("python", "cpp"):
        assert begun.count(language) == len(blocks(language, document))


BEGIN = """
import inspect, json, logging, sys, types, warnings
import torch
from torch import nn
from compat import stand_in
import greenlane as gl
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
stand_in.load()

def engine(name):
    return stand_in.Accelerated(stand_in.new_engine(name, device="0"))

def names_of(handles):
    streams = {lane.stream: name for name, lane in lanes.items()}
    return [streams.get(int(handle), "another") for handle in handles]
"""

STAND_INS = """
true_load, true_capture = gl.load, gl.capture

def load(path, **options):
    # A package for a GPU that does not compute: the engine that it names, on the same lane. Options are checked.
    inspect.signature(true_load).bind(path, **options)
    lane = options.pop("lane")
    plain = true_load("policy.pt2", **options)  # on the CPU, where lanes of a GPU are refused
    assert plain.name == "policy"
    loaded = engine(path.removesuffix(".pt2"))
    gl.set_external_stream(loaded, lane)
    return loaded

def capture(function, *inputs, **options):
    # A graph: the same calls, not recorded.
    inspect.signature(true_capture).bind(function, *inputs, **options)
    function(*inputs)
    return function

class Recording:
    # CUPTI's records: none.
    def stop(self):
        return self
    def json(self):
        return json.dumps({"engines": [], "others": [], "clean": True, "dropped": 0})
    def text(self):
        return "no kernels"

gl.load, gl.capture, gl._audit._begin = load, capture, Recording
"""

PIPELINE = """
def write_pipeline(file, engines):
    # Engines on lanes of this machine's CPU, and a plan with gates.
    tables = [f"[engine.{name}]\\n{keys}\\ninputs = 'policy.inputs.pt'\\n" for name, keys in engines.items()]
    open(file, "w").write("device = 'cpu'\\n" + "".join(tables))
    lanes = [{"name": name} for name in engines]
    engines = [{"name": name, "lane": name} for name in engines]
    json.dump({"mode": "gates", "lanes": lanes, "engines": engines}, open("plan.json", "w"))

(given,) = torch.load("policy.inputs.pt")
"""

README = (
    BEGIN
    + STAND_INS
    + PIPELINE
    + """
write_pipeline("robot.toml", dict.fromkeys(("policy", "vision"), "model = 'policy.pt2'\\nrate_hz = 1"))

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = engine("backbone"), engine("head")

    def forward(self, x):
        y, first = self.backbone(x)
        y, second = self.head(y)
        return y, first, second

class Vision(nn.Module):
    def forward(self, x):
        return x + torch.cuda.current_stream().cuda_stream

class Plain(nn.Module):
    def forward(self, *x):
        return torch.stack(x).sum()

model, x, torch_stream = Network(), torch.ones(3), torch.cuda.Stream()
observation = picture = given
state = torch.ones(3)
encoder = lambda picture: torch.cuda.current_stream().cuda_stream
action = features = y = None

def check(number):
    global action, features, observation, picture, y
    if number == 0:
        print(torch.equal(action, features))
        observation = picture = torch.ones(3)
    elif number == 1:
        print(*names_of([action[1], features]))
        # What the later examples take for granted: engines that give tensors.
        globals()["head"], globals()["vision"] = lambda *given: given, engine("vision")
        gl.set_external_stream(vision, lanes["vision"])
    elif number == 2:
        handles = y[1:]
        print(*["torch_stream" if int(each) == torch_stream.cuda_stream else "another" for each in handles])
        print(*names_of(model(x)[1:]))
    else:
        (_, first), (_, second) = action
        print(*names_of([first, second]))
"""
)

TORCH_TENSORRT = (
    BEGIN
    + """
class Compiled(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("_run_on_acc_0", "_run_on_acc_2"):
            setattr(self, name, engine(f"{name}_engine"))
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
y = None

def check(number):
    # Whether the engines of an example, if it ran some, ran where it says.
    global y
    if y is not None:
        assert torch.equal(y[0], torch.full((3,), 4.0)), y
    print(number, *([] if y is None else names_of(y[1:])))
    y = None
"""
)

ENGINES = (
    BEGIN
    + STAND_INS
    + """
policy, observation = engine("policy"), torch.ones(3)
encoder, picture, model = nn.ReLU(), torch.ones(3), nn.Module()
model._run_on_acc_0 = engine("first")

def check(number):
    if number == 1 and "report" in globals():
        print(torch.equal(features, picture), report.obstacle == "")
    elif "planner" in globals():
        for each in (detector, planner):
            assert gl.is_external_stream_set(each)
        print("bound")
    else:
        print(action[0].tolist(), audit.clean)
"""
)

PIPELINES = (
    BEGIN
    + PIPELINE
    + """
import asyncio
write_pipeline("robot.toml", {"policy": "model = 'policy.pt2'\\nrate_hz = 1"})
write_pipeline("detector.toml", {"detector": "module = 'detector'"})
write_pipeline("robot.toml", {"policy": "model = 'policy.pt2'\\nrate_hz = 1"})
observation = picture = image = given
detector = nn.ReLU()

def write_edges(file):
    # Engines that feed each other, with the names of the document and one input each.
    engine = "model = 'policy.pt2'\\nfrom = "
    write_pipeline(file, {
        "vision": engine + "'camera'\\non = 'camera'",
        "policy": engine + "'vision'\\nrate_hz = 200",
        "head": engine + "'state'\\non = 'state'",
    })
    with open(file, "a") as more:
        more.write("[source.camera]\\nrate_hz = 30\\n[source.state]\\nrate_hz = 200\\n")
        more.write("[path.act]\\nfrom = 'camera'\\nto = 'policy'\\ndeadline_ms = 60\\n")

def check(number):
    global pipeline
    if number == 0:
        print(torch.equal(action, policy_of_before(observation)))
    elif number == 1:
        print(sorted(file for file in os.listdir() if file.startswith("policy")))
        torch.save([given], "policy.inputs.pt")  # the example wrote another model's
    elif number == 2:
        pipeline = gl.Pipeline("detector.toml", modules={"detector": detector})
        try:
            asyncio.run(serve(pipeline, image))
        except KeyError:
            print("awaits an engine named policy")
        pipeline.close()
        write_edges("robot.toml")
    elif number == 3:
        print(torch.equal(action, policy_of_before(policy_of_before(picture))), age > 0)
        pipeline = gl.Pipeline("robot.toml", plan="plan.json")
        pipeline.start()
        pipeline.source("camera").publish(picture)
        pipeline.sink("policy").wait(timeout=60)
    elif number == 4:
        print(path.items, waiting)
        pipeline.close()
    elif number == 5:
        print(torch.equal(boxes, detector(image)))

def compile(program, package_path):
    # Leaves the package of the test as it is: nothing compiles beside GPUs of bookkeeping.
    assert isinstance(program, torch.export.ExportedProgram)
    assert os.path.exists(package_path)

torch._inductor.aoti_compile_and_package = compile
policy_of_before = gl.load("policy.pt2")
"""
)

LEAPP = (
    BEGIN
    + PIPELINE
    + """
from unittest.mock import MagicMock
sys.modules |= {"leapp": MagicMock()}  # tests/python/test_leapp.py has the true one
images, vision, policy, picture = [given], MagicMock(), MagicMock(), given
os.mkdir("pipeline")
engine = "model = '../policy.pt2'\\nfrom = "
write_pipeline("pipeline/robot.toml", {
    "vision": engine + "'vision/image'\\non = 'vision/image'",
    "policy": engine + "'vision.0'\\non = 'vision'",
})
with open("pipeline/robot.toml", "a") as more:
    more.write("[source.'vision/image']\\n")
os.link("policy.inputs.pt", "pipeline/policy.inputs.pt")

def check(number):
    if number == 0:
        leapp.compile_graph.assert_called_once_with()
    else:
        twice = gl.load("policy.pt2")
        print(torch.equal(action, twice(twice(picture))))
"""
)

CAPTURE = (
    BEGIN
    + STAND_INS
    + """
policy, vision, picture, state = engine("policy"), engine("vision"), torch.ones(3), torch.zeros(3)
head = lambda seen, action: seen[0] + action[0]

def check(number):
    print(graph(picture, state).tolist())
"""
)

# The client answers without a server, and `build` without Ray. tests/serve has both.
SERVING = """
import inspect, types
import numpy as np
import greenlane.serve
import tritonclient.http as triton

class Client:
    def __init__(self, url):
        self.url = url
    def get_model_metadata(self, model):
        return {"name": model}
    def infer(self, model, inputs, **options):
        inspect.signature(true_client.infer).bind(self, model, inputs, **options)
        options.pop("headers", None)
        body, _ = true_client.generate_request_body(inputs, **options)
        return types.SimpleNamespace(as_numpy=lambda name: (model, name, len(body) > 256))

def build(*args, **options):
    inspect.signature(true_build).bind(*args, **options)
    return args

true_client, triton.InferenceServerClient = triton.InferenceServerClient, Client
true_build, greenlane.serve.build = greenlane.serve.build, build

def check(number):
    print(app if number == 1 else action)
"""

EXAMPLES = {
    "README.md": (
        README,
        [
            "True",  # three steps: a pipeline serves
            "policy vision",  # lanes by hand: a package, and work of PyTorch's on another lane
            "torch_stream torch_stream",  # inside the block, the whole model on the stream
            "vision head",  # after it, each part on its lane again
            "vision policy",  # a graph of both
        ],
    ),
    "audit.md": (ENGINES, ["no kernels", "[2.0, 2.0, 2.0] True"]),
    "gates.md": (ENGINES, ["bound", "True True"]),  # packages; a module and an engine of Torch-TensorRT
    "leapp.md": (LEAPP, ["True"]),  # from a source to a sink
    "pipelines.md": (
        PIPELINES,
        [
            "True",  # a call and a request of a pipeline
            "['policy.inputs.pt', 'policy.pt2']",  # exported
            "awaits an engine named policy",
            "True True",  # from a source to a sink
            "1 {'vision': 0}",  # the figures of the flow
            "True",  # a module
            "detector: 0 deadlines missed, 0 requests wait",
        ],
    ),
    "serving.md": (
        SERVING,
        [
            "{'name': 'policy'}",
            "('policy', 'output_0', True)",
            "('robot.toml', 'plan.json')",
            "('policy', 'output_0', True)",  # a sequence
        ],
    ),
    "torch-tensorrt.md": (
        TORCH_TENSORRT,
        [
            "['_run_on_acc_0', '_run_on_acc_2', '_run_on_gpu_1']",
            "0 first second",  # compiled, bound in memory
            "1 first another",  # saved and loaded as a program
            "2",  # a package, loaded by greenlane
            "3 first second",  # a package, loaded by PyTorch
            "4",  # the methods of an engine
            "5 first second",  # the passthrough: bound engines stay where they are
            "6 first second",  # the aliases
            "7",  # graphs and gates of an engine
        ],
    ),
}
"""The beginning of each document's program, and the lines that it prints."""

DOCSTRINGS = {"audit": (ENGINES, ["no kernels", "[2.0, 2.0, 2.0] True"]), "capture": (CAPTURE, ["[2.0, 2.0, 2.0]"])}
"""The same of docstrings."""


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """The folder in which examples run, with a package of the CPU."""
    shutil.copy(models / "affine.pt2", tmp_path / "policy.pt2")
    shutil.copy(models / "affine.inputs.pt", tmp_path / "policy.inputs.pt")
    return tmp_path


on_fake_gpus = pytest.mark.skipif(not FAKE_CUDA.exists(), reason=f"{FAKE_CUDA} is not built")


def run(begin: str, examples: list[str], folder: Path) -> list[str]:
    """Returns the lines that examples print, each followed by a check."""
    code = [f"import os\nos.chdir({str(folder)!r})", begin]
    for number, example in enumerate(examples):
        code += [example, f"check({number})"]
    return in_a_process("\n".join(code), on_gpus=True)


def test_every_document_with_python_has_a_program() -> None:
    with_python = {document.name for document in DOCUMENTS if "```python" in document.read_text()}
    assert with_python == EXAMPLES.keys()


@on_fake_gpus
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_python_examples_run(name: str, folder: Path) -> None:
    (document,) = (each for each in DOCUMENTS if each.name == name)
    begin, lines = EXAMPLES[name]
    assert run(begin, blocks("python", document), folder) == lines


def test_every_docstring_with_a_block_has_a_program() -> None:
    assert literal_blocks().keys() == DOCSTRINGS.keys()


@on_fake_gpus
@pytest.mark.parametrize("name", DOCSTRINGS)
def test_the_blocks_in_docstrings_run(name: str, folder: Path) -> None:
    """Those in docstrings that are no sessions."""
    begin, lines = DOCSTRINGS[name]
    assert run(begin, [literal_blocks()[name]], folder) == lines


# The names that the examples leave to their reader.
GIVEN_IN_CPP = """
[[maybe_unused]] const greenlane::Lane& lane, [[maybe_unused]] const std::vector<at::Tensor>& inputs,
[[maybe_unused]] const at::Tensor& observation, [[maybe_unused]] const at::Tensor& picture,
[[maybe_unused]] const at::Tensor& image, [[maybe_unused]] cudaStream_t my_green_stream,
[[maybe_unused]] std::shared_ptr<const void> owner, [[maybe_unused]] std::shared_ptr<greenlane::StreamBinding> engine
"""
GIVEN_IN_PYTHON = """
from typing import Any
import torch
import greenlane as gl
encoder: Any; head: Any; model: Any; network: Any; observation: Any; picture: Any; state: Any; torch_tensorrt: Any
torch_stream: torch.cuda.Stream; vision: gl.Engine; x: torch.Tensor
policy: Any; detector: Any; image: Any; pipeline: Any; triton: Any; leapp: Any; annotate: Any; images: Any
"""


UNTYPED = "^(import torch_tensorrt|import tritonclient.http as triton|import leapp|from leapp import annotate)\n"


@pytest.mark.parametrize("document", [each for each in GUIDES if blocks("cpp", each)], ids=lambda path: path.name)
def test_the_cpp_examples_compile(document: Path, tmp_path: Path) -> None:
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    (command,) = [each for each in commands if LIKE in each["command"]]
    includes: list[str] = ["#include <cuda_runtime_api.h>", "#include <greenlane/torch/aoti.hpp>"]
    functions: list[str] = []
    for number, example in enumerate(blocks("cpp", document)):
        lines = example.splitlines()
        includes += [line for line in lines if line.startswith("#include")]
        body = "\n".join(line for line in lines if not line.startswith("#include"))
        functions.append(f"void example_{number}({GIVEN_IN_CPP}) {{ {{\n{body}\n}} }}")
    source = tmp_path / "examples.cpp"
    source.write_text("\n".join([*dict.fromkeys(includes), *functions]))
    words = shlex.split(command["command"])
    del words[words.index("-o") : words.index("-o") + 2]
    words = [str(source) if word == command["file"] else word for word in words if word != "-c"]
    done = subprocess.run(
        [*words, "-fsyntax-only", "-Werror", "-Wno-shadow", "-Wno-unused-variable"],
        cwd=command["directory"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_python_examples_have_correct_types(tmp_path: Path) -> None:
    """Checks names, arguments and types with mypy, in one run, because PyTorch takes mypy a while."""
    pytest.importorskip("mypy")
    files = []
    for document in GUIDES:
        bodies = [re.sub(UNTYPED, "", example, flags=re.M) for example in blocks("python", document)]
        files.append(tmp_path / f"{document.stem.replace('-', '_')}.py")
        files[-1].write_text("\n".join([GIVEN_IN_PYTHON, *bodies]))
    files.append(tmp_path / "docstrings.py")
    files[-1].write_text("\n".join([GIVEN_IN_PYTHON, *literal_blocks().values()]))
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

"""`python -m greenlane.leapp`: nodes of unusual kinds. Their programs are not compiled, because that takes its time."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from greenlane.leapp import convert
from greenlane.leapp._configuration import configuration
from greenlane.leapp._description import Description, describe
from greenlane.leapp._names import file_names
from greenlane.leapp._package import _difference
from greenlane.leapp._wiring import wire
from torch import Tensor, nn

X = torch.rand(2, 3)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is the exported program itself."""

    def save(program: torch.export.ExportedProgram, *, package_path: str, inductor_configs: object) -> None:
        torch.export.save(program, package_path)

    def load(package: str, *, device_index: int) -> nn.Module:
        return torch.export.load(package).module()

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", save)
    monkeypatch.setattr(torch._inductor, "aoti_load_package", load)


def tensor(name: str, value: Tensor) -> dict[str, Any]:
    dtype = str(value.dtype).removeprefix("torch.")
    return {"name": name, "dtype": dtype, "shape": list(value.shape), "type": "tensor"}


def content(models: dict[str, Any], **pipeline: Any) -> dict[str, Any]:
    return {
        "models": models,
        "pipeline": {"inputs": {}, "outputs": {}, **pipeline},
        "system information": {"leapp config version": "1.3"},
    }


def converted(folder: Path, model: nn.Module, given: Tensor) -> tuple[Path, str]:
    """Converts an export of one node with one input; returns the folder of its files and the text of the TOML file."""
    pytest.importorskip("yaml")
    source = folder / "export"
    source.mkdir()
    torch.export.save(torch.export.export(model.eval(), (given,)), source / "node.pt2")
    parameters = {
        "model_path": "node.pt2",
        "sha256sum": hashlib.sha256((source / "node.pt2").read_bytes()).hexdigest(),
        "backend": "pt2",
    }
    node = {"inputs": [tensor("x", given)], "outputs": [tensor("y", model(given))], "parameters": parameters}
    text = content({"node": node}, inputs={"node": ["x"]}, outputs={"node": ["y"]})
    (source / "one.yaml").write_text(json.dumps(text))  # JSON is YAML
    toml = convert(source, folder / "out", device="cpu")
    assert toml == folder / "out" / "one.toml"
    return toml.parent / "one", toml.read_text()


class Counts(nn.Module):
    """Adds the number of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = nn.Buffer(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sum."""
        self.calls.add_(1)
        return x + self.calls


class Noise(nn.Module):
    """Adds random numbers."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns the sum."""
        return x + torch.rand_like(x)


class Doubles(nn.Module):
    """Doubles its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns the double."""
        return 2 * x


@pytest.mark.usefixtures("interpreted")
def test_recorded_inputs_have_the_strides_of_the_program(tmp_path: Path) -> None:
    folder, _ = converted(tmp_path, Doubles(), torch.rand(3, 2).t())
    (given,) = torch.load(folder / "node.inputs.pt")
    assert (tuple(given.shape), given.stride()) == ((2, 3), (1, 2))
    assert 0 <= float(given.min()) < float(given.max()) < 1
    assert torch.equal(torch.load(folder / "node.outputs.pt")[0], 2 * given)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.uint8, torch.bool])
def test_recorded_inputs_have_any_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    folder, text = converted(tmp_path, nn.Identity() if dtype is torch.bool else Doubles(), torch.zeros(2, 3).to(dtype))
    (given,) = torch.load(folder / "node.inputs.pt")
    assert given.dtype == dtype
    assert bool((given != 0).any()) == dtype.is_floating_point
    assert f"# {str(dtype).removeprefix('torch.')} [2, 3]\n# rate_hz = ...  # how often" in text


@pytest.mark.usefixtures("interpreted")
def test_nodes_that_draw_random_numbers_have_no_expected_outputs(tmp_path: Path) -> None:
    folder, text = converted(tmp_path, Noise(), X)
    assert sorted(file.name for file in folder.iterdir()) == ["made.json", "node.inputs.pt", "node.pt2"]
    assert "# It draws random numbers, so that there are no expected outputs." in text


@pytest.mark.usefixtures("interpreted")
def test_dropout_in_an_exported_program_draws_nothing(tmp_path: Path) -> None:
    folder, text = converted(tmp_path, nn.Dropout(), X)
    assert (folder / "node.outputs.pt").exists()
    assert "random" not in text


@pytest.mark.usefixtures("interpreted")
def test_a_package_begins_with_the_state_of_its_program(tmp_path: Path) -> None:
    folder, _ = converted(tmp_path, Counts(), X)
    (given,), (wanted,) = (torch.load(folder / f"node.{kind}.pt") for kind in ("inputs", "outputs"))
    assert torch.equal(torch.export.load(folder / "node.pt2").module()(given), wanted)
    torch.testing.assert_close(wanted, given + 1)


def described(models: dict[str, tuple[int, int]], **pipeline: Any) -> Description:
    """Returns a description of nodes with numbers of inputs (`0`, `1` …) and outputs, and no programs."""
    parameters = {"model_path": "x.pt2", "sha256sum": "00", "backend": "pt2"}
    nodes = {
        name: {
            "inputs": [tensor(str(number), X) for number in range(inputs)],
            "outputs": [tensor(str(number), X) for number in range(outputs)],
            "parameters": parameters,
        }
        for name, (inputs, outputs) in models.items()
    }
    return describe(Path("/export/robot.yaml"), content(nodes, **pipeline))


def text_of(description: Description) -> str:
    names = file_names(description.nodes)
    return configuration(description, wire(description), torch.device("cpu"), names, set())


def test_an_engine_without_new_data_waits_for_the_program() -> None:
    clock = described(
        {"start": (0, 1), "clock": (1, 1), "use": (2, 1), "alone": (0, 1)},
        data_flow={"start/0": ["use/0"], "clock/0": ["use/1"]},
        feedback_flow={"clock/0": ["clock/0"]},
        outputs={"use": ["0"], "alone": ["0"]},
    )
    engines = text_of(clock).split("\n\n")[2:]
    assert [each.splitlines()[0] for each in engines] == [
        "[engine.start]",
        "[engine.clock]",
        "[engine.use]",
        "[engine.alone]",
    ]
    assert ["on = []  # your program calls trigger()" in each for each in engines] == [True, True, False, False]
    assert ["from = " in each for each in engines] == [False, True, True, False]
    assert '\non = ["start", "clock"]\n' in engines[2]
    assert "# Your program calls this engine; or write rate_hz = ..." in engines[3]
    assert "path" not in text_of(clock)
    assert ["# Its outputs feed other engines; pipeline.sink(" in each for each in engines] == [
        True,
        True,
        False,
        False,
    ]
    assert '# Its outputs feed other engines; pipeline.sink("clock") gives them, too.' in engines[1].splitlines()


def test_an_engine_that_feeds_only_itself_feeds_no_others() -> None:
    alone = described({"clock": (1, 1)}, feedback_flow={"clock/0": ["clock/0"]})
    assert "other engines" not in text_of(alone)


@pytest.mark.parametrize(("layers", "is_measured"), [(6, True), (7, False)])
def test_a_path_of_too_many_ways_is_left_out(layers: int, is_measured: bool) -> None:
    """Each layer of two nodes doubles the ways; greenlane takes 64."""
    models = {"begin": (1, 1)}
    flow: dict[str, list[str]] = {}
    before = ["begin"]
    for layer in range(layers):
        now = [f"left{layer}", f"right{layer}"]
        for name in now:
            models[name] = (len(before), 1)
            for number, producer in enumerate(before):
                flow.setdefault(f"{producer}/0", []).append(f"{name}/{number}")
        before = now
    models["end"] = (2, 1)
    for number, producer in enumerate(before):
        flow.setdefault(f"{producer}/0", []).append(f"end/{number}")
    text = text_of(described(models, data_flow=flow, inputs={"begin": ["0"]}, outputs={"end": ["0"]}))
    assert ('[path."begin/0 to end"]' in text) == is_measured
    assert (f"# {2**layers} ways lead from begin/0 to end, too many to measure." in text) != is_measured


@pytest.mark.parametrize(
    ("got", "want", "is_different"),
    [
        (torch.tensor([1.0005, float("nan")]), torch.tensor([1.0, float("nan")]), False),
        (torch.tensor([1.01]), torch.tensor([1.0]), True),
        (torch.tensor([1.01]).half(), torch.tensor([1.0]).half(), False),
        (torch.tensor([1.1]).half(), torch.tensor([1.0]).half(), True),
        (torch.tensor([1]), torch.tensor([2]), True),
        (torch.tensor([True]), torch.tensor([False]), True),
        (torch.tensor([True]), torch.tensor([True]), False),
        (torch.tensor([float("nan")]), torch.tensor([1.0]), True),
    ],
)
def test_outputs_are_compared_by_their_dtype(got: Tensor, want: Tensor, is_different: bool) -> None:
    assert bool(_difference(got, want, True)) == is_different
    assert _difference(got, want, False) == ""

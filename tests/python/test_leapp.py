"""`python -m greenlane.leapp`: a pipeline that the real LEAPP exported computes the same."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import pytest
import torch
from cli.program import engines, greenlane
from greenlane.leapp import convert
from greenlane.leapp._configuration import configuration
from greenlane.leapp._description import describe
from greenlane.leapp._find import read
from greenlane.leapp._names import file_names, initial_name
from greenlane.leapp._toml import comment, key, string, strings
from greenlane.leapp._wiring import wire
from hypothesis import given, settings
from hypothesis import strategies as st

from python.leapp_exports import HEAD, LONG, POLICY, VISION, copied, largest_difference, refusal


def test_outputs_equal_those_of_leapp_over_50_steps_and_again_after_a_reset(
    leapp_export: Path, leapp_pipeline: Path
) -> None:
    reference = torch.load(leapp_export / "reference.pt")
    assert len(reference["outputs"]) == 50
    assert set(reference["outputs"][0]) == {f"{VISION}/brightness", f"{HEAD}/chunk", f"{HEAD}/total"}
    last = reference["outputs"][-1][f"{HEAD}/chunk"]
    assert not torch.allclose(last, reference["outputs"][0][f"{HEAD}/chunk"], atol=1e-2)
    with gl.Pipeline(leapp_pipeline) as robot:
        sinks = {name: robot.sink(name) for name in robot.engines}
        robot.start()
        assert largest_difference(robot, sinks, reference) < 1e-5
        assert largest_difference(robot, sinks, reference) > 1e-3  # feedback goes on from where it is
        robot.reset()
        assert largest_difference(robot, sinks, reference) < 1e-5
        figures = [engine.figures for engine in robot.stats().engines.values()]
        assert [(each.not_ready, each.whole.count) for each in figures] == [(0, 150)] * 3


def test_one_published_set_runs_each_engine_once(leapp_export: Path, leapp_pipeline: Path) -> None:
    inputs = torch.load(leapp_export / "reference.pt")["inputs"]
    with gl.Pipeline(leapp_pipeline) as robot:
        sinks = {name: robot.sink(name) for name in robot.engines}
        robot.start()
        for step in inputs[:5]:
            for name, value in reversed(step.items()):
                robot.source(name).publish(value)
            results = [sink.wait(LONG).sequence for sink in sinks.values()]
        assert results == [5] * 3


def test_the_names_are_those_of_leapp(leapp_pipeline: Path) -> None:
    with gl.Pipeline(leapp_pipeline) as robot:
        assert robot.sources == (f"{POLICY}/joints", f"{POLICY}/mode", f"{VISION}/image")
        assert robot.engines == (VISION, POLICY, HEAD)
        assert list(robot.stats().paths) == [
            f"{POLICY}/joints to {HEAD}",
            f"{POLICY}/mode to {HEAD}",
            f"{VISION}/image to {VISION}",
            f"{VISION}/image to {HEAD}",
        ]


def test_the_file_says_what_leapp_noted(leapp_pipeline: Path) -> None:
    text = leapp_pipeline.read_text()
    source = '[source."policy/joints"]\n# float32 [1, 3]\n# kind: state/joint/position\n'
    assert source + "# element_names: [['a', 'b', 'c']]\n# rate_hz = 50  # how often" in text
    sink = '# Your program reads pipeline.sink("policy.1"):\n#   output 0 is "chunk", float32 [1, 2, 4]\n'
    assert sink + '#     kind: target/joint/position\n#   output 1 is "total", float32 [1]\n' in text
    assert '{ output = "policy.1.2", initial = "robot/policy.initial.policy_1.pt" },  # last' in text
    assert '{ output = "policy.01", initial = "robot/policy.initial.policy.pt" },  # hidden' in text
    assert 'on = ["policy/joints", "policy/mode", "vision \\"左\\""]' in text
    assert len(re.findall("^# deadline_ms", text, re.M)) == 7  # 3 engines and 4 paths
    assert re.findall("^(?:rate_hz|deadline_ms)", text, re.M) == []


def test_the_files_are_lists_of_tensors(leapp_pipeline: Path) -> None:
    names = {
        *(
            f"{name}{end}"
            for name in ("vision____", "policy", "policy_1")
            for end in (".pt2", ".inputs.pt", ".outputs.pt")
        ),
        *("policy.initial.policy.pt", "policy.initial.policy_1.pt", "policy_1.initial.policy_1.pt"),
    }
    assert sorted(file.name for file in leapp_pipeline.parent.iterdir()) == ["robot", "robot.toml"]
    folder = leapp_pipeline.parent / "robot"
    assert {file.name for file in folder.iterdir()} == {*names, "made.json"}
    assert set(json.loads((folder / "made.json").read_text())) == names
    inputs = torch.load(folder / "policy.inputs.pt")
    assert [tuple(each.shape) for each in inputs] == [(1, 6), (1, 3), (1, 1), (1, 4), (1, 8)]
    assert 0 <= float(inputs[1].min()) < float(inputs[1].max()) < 1
    assert inputs[2].dtype == torch.int64
    assert inputs[2].item() == 0
    assert torch.equal(inputs[3], torch.full((1, 4), 0.5))
    assert torch.equal(inputs[4], torch.full((1, 8), -0.25))
    assert torch.equal(inputs[0], torch.load(folder / "vision____.outputs.pt")[0])
    initial = torch.load(folder / "policy.initial.policy_1.pt")
    assert [tuple(each.shape) for each in initial] == [(1, 2, 4), (1,), (1, 4)]
    assert [float(each.sum()) for each in initial] == [0, 0, 2]


def test_the_rehearsal_finds_the_expected_outputs(leapp_pipeline: Path, tmp_path: Path) -> None:
    text = re.sub("^# rate_hz", "rate_hz", leapp_pipeline.read_text(), flags=re.M)
    rated = leapp_pipeline.with_name("rated.toml")
    rated.write_text(text)
    try:
        done = greenlane("run", rated, "--check", "--seconds", "0.3", "--json", tmp_path / "results.json")
    finally:
        rated.unlink()
    assert done.returncode == 0, done.stderr
    assert [each["checked"] for each in engines(tmp_path / "results.json").values()] == [True] * 3


def renamed(value: Any, name: str) -> Any:
    """Returns the content of a YAML with another name of the first node."""
    if isinstance(value, dict):
        return {renamed(key, name): renamed(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [renamed(each, name) for each in value]
    node, slash, rest = value.partition("/") if isinstance(value, str) else ("", "", "")
    return f"{name}{slash}{rest}" if node == VISION else value


@pytest.mark.parametrize("name", ["a.0", "\t\x7f\u202e\u2028\\\"'#", "[x] = {1}", "𝄞 …\u0085"])
def test_greenlane_reads_any_name_of_a_node(
    leapp_export: Path, leapp_pipeline: Path, tmp_path: Path, name: str
) -> None:
    def rename(content: dict[str, Any]) -> None:
        changed = renamed(content, name)
        content.clear()
        content |= changed

    file = copied(leapp_export, tmp_path, rename) / "robot.yaml"
    description = describe(file, read(file))
    assert list(description.nodes) == [name, POLICY, HEAD]
    names = dict(zip(description.nodes, file_names([VISION, POLICY, HEAD]).values(), strict=True))
    toml = leapp_pipeline.with_name("renamed.toml")
    toml.write_text(configuration(description, wire(description), torch.device("cpu"), names, {name}))
    try:
        with gl.Pipeline(toml, mode="shared") as robot:
            assert robot.engines[0] == name
            assert robot.sources[2] == f"{name}/image"
    finally:
        toml.unlink()


def contents(folder: Path) -> dict[str, bytes]:
    """Returns what is in the files of a folder, at any depth."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_pipeline_that_exists_is_kept_unless_it_may_be_replaced(
    leapp_export: Path, leapp_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(leapp_pipeline.parent, tmp_path / "out"))
    (out / "robot.toml").write_text("edited")
    assert "you may have edited it; name another folder with -o, or replace the pipeline (--overwrite)" in refusal(
        leapp_export / "robot", out, device="cpu"
    )
    assert (out / "robot.toml").read_text() == "edited"
    (out / "robot" / "notes").write_text("of the user")
    (out / "robot" / "arm.pt2").write_text("of a node that was")
    (out / "robot" / "leg.pt2").write_text("of the user, too")
    (out / "robot" / "made.json").write_text('["arm.pt2", "gone.pt2", "policy.pt2"]')
    (out / "robot" / "policy.pt2").write_text("of the node as it was")
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", already_compiled(leapp_pipeline.parent / "robot"))
    assert convert(str(leapp_export / "robot" / "robot.yaml"), out, device="cpu", overwrite=True) == out / "robot.toml"
    assert (out / "robot.toml").read_text() == leapp_pipeline.read_text()
    after, wanted = contents(out), contents(leapp_pipeline.parent)
    assert after.pop("robot/notes") == b"of the user"
    assert after.pop("robot/leg.pt2") == b"of the user, too"
    assert after.keys() == wanted.keys()
    assert after["robot/policy.pt2"] == wanted["robot/policy.pt2"]
    assert after["robot/made.json"] == wanted["robot/made.json"]


def test_two_exports_in_one_folder_keep_their_files(
    leapp_export: Path, leapp_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(leapp_pipeline.parent, tmp_path / "out"))
    (out / "policy.pt2").write_text("of the user")
    before = contents(out)
    copy = copied(leapp_export, tmp_path, lambda content: None)
    (copy / "robot.yaml").rename(copy / "arm.yaml")
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", already_compiled(out / "robot"))
    assert convert(copy, out, device="cpu") == out / "arm.toml"
    after = contents(out)
    assert before.items() <= after.items()
    new = {name.replace("robot", "arm", 1) for name in before if name.startswith("robot")}
    assert after.keys() == {*before, *new}
    with gl.Pipeline(out / "arm.toml") as arm:
        assert arm.engines == (VISION, POLICY, HEAD)


def already_compiled(folder: Path) -> Callable[..., None]:
    """Returns a compiler that takes the packages of a folder."""

    def compile_again(program: object, *, package_path: str, inductor_configs: dict[str, object]) -> None:
        assert inductor_configs == {"cpp.dynamic_threads": True}
        shutil.copy(folder / Path(package_path).name, package_path)

    return compile_again


# Names


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(st.text(CHARACTERS))
@settings(max_examples=300, deadline=None)
def test_keys_and_strings_are_read_as_they_were(text: str) -> None:
    tomllib = pytest.importorskip("tomllib")
    file = f"{comment(text)}\n[engine.{key(text)}]\non = {strings([text, 'x'])}  {comment(text)}\nx = {string(text)}\n"
    assert tomllib.loads(file) == {"engine": {text: {"on": [text, "x"], "x": text}}}


@given(st.lists(st.text(CHARACTERS, min_size=1), min_size=1, max_size=6, unique=True))
@settings(max_examples=200, deadline=None)
def test_names_of_files_are_plain_and_different(nodes: list[str]) -> None:
    names = file_names(nodes)
    assert list(names) == nodes
    assert all(re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]*", name) and len(name) < 90 for name in names.values())
    assert len({name.lower() for name in names.values()}) == len(nodes)
    pairs = {initial_name(names, one, other).lower() for one in nodes for other in nodes}
    assert len(pairs) == len(nodes) ** 2


def test_names_of_files_differ_where_upper_case_does_not_count() -> None:
    assert file_names(["a b", "A_B", "a_b-2", "-", "x" * 200]) == {
        "a b": "a_b",
        "A_B": "A_B-2",
        "a_b-2": "a_b-2-2",
        "-": "_-",
        "x" * 200: "x" * 80,
    }

"""`python -m greenlane.leapp`: what is refused, with one message each."""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import greenlane.leapp.__main__
import pytest
import torch
from greenlane.leapp import LeappError, convert
from greenlane.leapp._description import TensorType
from greenlane.leapp._error import shown
from greenlane.leapp._find import find
from greenlane.leapp._toml import comment

from python.leapp_exports import HEAD, POLICY, VISION, Change, copied, program, refusal


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be compiled: what is refused is refused before that takes its time."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("a model was compiled")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fail)


def node(content: dict[str, Any], name: str = POLICY) -> Any:
    return content["models"][name]


def flow(key: str, **values: Any) -> Change:
    return lambda content: content["pipeline"][key].update(values)


def newer(content: dict[str, Any], version: str) -> None:
    content["system information"]["leapp config version"] = version


def with_key(key: str, value: Any, part: str = "parameters") -> Change:
    def change(content: dict[str, Any]) -> None:
        table = node(content)[part]
        (table[0] if isinstance(table, list) else table)[key] = value

    return change


def unfed_feedback(content: dict[str, Any]) -> None:
    """The first node takes an output of the last one, without a cycle: the others take nothing from it."""
    content["pipeline"]["data_flow"] = {f"{POLICY}/action": [f"{HEAD}/action"]}
    content["pipeline"]["inputs"] = {POLICY: ["features", "joints", "mode"]}
    content["pipeline"]["feedback_flow"][f"{HEAD}/next"] = [f"{POLICY}/last", f"{HEAD}/previous", f"{VISION}/image"]
    node(content, VISION)["inputs"][0]["shape"] = [1, 4]


def cycle_of_feedback(content: dict[str, Any]) -> None:
    """A cycle that closes only through feedback: within a step the second node does not wait for the first one."""
    vision, policy, head = node(content, VISION), node(content, POLICY), node(content, HEAD)
    output = vision["outputs"][0]
    head["inputs"][0].update(shape=output["shape"], dtype=output["dtype"])
    vision["inputs"][0].update(shape=policy["outputs"][0]["shape"], dtype=policy["outputs"][0]["dtype"])
    content["pipeline"]["data_flow"] = {f"{VISION}/{output['name']}": [f"{HEAD}/action"]}
    content["pipeline"]["inputs"] = {POLICY: ["features", "joints", "mode"]}
    content["pipeline"]["feedback_flow"][f"{POLICY}/action"] = [f"{VISION}/image"]


def bomb(leaf: Any = "boom", depth: int = 40) -> Any:
    """Returns lists in lists, as a YAML of a few lines holds them with aliases. No memory holds all of them as text."""
    for _ in range(depth):
        leaf = [leaf] * 10
    return leaf


EDITS: dict[str, tuple[Change, str, str]] = {
    "jit": (with_key("backend", "jit"), "its backend is 'jit'", "export_with='exported-program'"),
    "onnx": (with_key("backend", "onnx"), "node 'policy': its backend is 'onnx'", "exported-program"),
    "no backend": (with_key("backend", None), "its backend is 'None'", "exported-program"),
    "Warp": (with_key("warp_segments", 2), "it has 2 Warp segments", "write this part of the node with PyTorch"),
    "a strange number": (with_key("warp_segments", "no"), "'warp_segments' of node 'policy' is 'no'", "again"),
    "a newer YAML": (
        lambda c: newer(c, "1.4"),
        "version' is 1.4, and this importer reads 1.0 to 1.3",
        "newer",
    ),
    "a newer major": (lambda c: newer(c, "2.0"), "version' is 2.0", "install a newer greenlane"),
    "a strange version": (lambda c: newer(c, "new"), "version' is 'new'", "again with LEAPP"),
    "no version": (lambda c: c["system information"].clear(), "no key 'leapp config version'", "again with LEAPP"),
    "no models": (lambda c: c.pop("models"), "the file has no key 'models'", "again with LEAPP"),
    "empty models": (lambda c: c["models"].clear(), "'models' is empty", "again with LEAPP"),
    "no pipeline": (lambda c: c.pop("pipeline"), "the file has no key 'pipeline'", "again with LEAPP"),
    "a list": (lambda c: c.update(pipeline=[1]), "'pipeline' is no table", "again with LEAPP"),
    "no parameters": (lambda c: node(c).pop("parameters"), "node 'policy' has no key 'parameters'", "again"),
    "no checksum": (lambda c: node(c)["parameters"].pop("sha256sum"), "no key 'sha256sum'", "again with LEAPP"),
    "no inputs": (lambda c: node(c).pop("inputs"), "node 'policy' has no key 'inputs'", "again with LEAPP"),
    "no shape": (lambda c: node(c)["inputs"][0].pop("shape"), "has no key 'shape'", "again with LEAPP"),
    "a strange shape": (with_key("shape", [1, "n"], "inputs"), "the shape of 'features' is '[1, 'n']'", "again"),
    "a strange dtype": (with_key("dtype", "float33", "inputs"), "the dtype of 'features' is 'float33'", "again"),
    "a strange type": (with_key("type", "int", "inputs"), "the type of 'features' is 'int'", "again with LEAPP"),
    "a name twice": (with_key("name", "joints", "inputs"), "has the name 'joints' twice", "again with LEAPP"),
    "a number": (lambda c: c["models"].update({1: {}}), "the name of a node is '1', and must be a text", "again"),
    "a slash": (lambda c: c["models"].update({"a/b": {}}), "the name of node 'a/b' has a '/'", "again"),
    "half a character": (lambda c: c["models"].update({"a\0": {}}), r"is 'a\x00', which holds a null", "again"),
    "a rate": (flow("configs", frequency="fast"), "'frequency' of 'configs' is 'fast'", "again with LEAPP"),
    "an unknown node": (flow("inputs", arm=["x"]), "names the node 'arm', which is not in 'models'", "again"),
    "an unknown input": (flow("inputs", policy=["x"]), "the input 'x', which node 'policy' does not have", "again"),
    "an unknown output": (flow("outputs", policy=["x"]), "the output 'x', which node 'policy' does not", "again"),
    "an unknown producer": (flow("data_flow", **{"arm/x": []}), "names the node 'arm'", "again with LEAPP"),
    "no slash": (flow("data_flow", policy=[]), "'data_flow' names 'policy', and must name a node, a '/'", "again"),
    "no list": (flow("data_flow", **{"policy/action": "x"}), "of 'data_flow' is no list", "again with LEAPP"),
    "an unfed input": (flow("inputs", policy=["mode"]), "nothing feeds the input 'policy/joints'", "again"),
    "a source beside an edge": (
        flow("inputs", policy=["joints", "mode", "last"]),
        "2 things feed the input 'policy/last'",
        "remove one",
    ),
    "two edges": (
        flow("data_flow", **{"policy/action": ["policy.1/action", "policy.1/action"]}),
        "2 things feed the input 'policy.1/action'",
        "remove one",
    ),
    "types on an edge": (
        with_key("shape", [1, 7], "inputs"),
        "/features' is float32 [1, 6], and the input 'policy/features' that it feeds is float32 [1, 7]",
        "again with LEAPP",
    ),
    "flow backwards": (
        lambda c: c["pipeline"]["data_flow"].update(c["pipeline"].pop("feedback_flow")),
        "'data_flow' feeds the input 'policy/last' from node 'policy.1', which must come before its consumer",
        "again with LEAPP",
    ),
    "feedback forwards": (
        lambda c: c["pipeline"]["feedback_flow"].update(c["pipeline"].pop("data_flow")),
        "'feedback_flow' feeds the input 'policy/features' from node 'vision",
        "again with LEAPP",
    ),
    "sorted keys": (
        lambda c: c.update(models=dict(sorted(c["models"].items()))),
        "which must come before its consumer in 'models'",
        "wrote the YAML again with sorted keys, let it keep their order (sort_keys=False), or export",
    ),
    "feedback without a cycle": (
        unfed_feedback,
        "LEAPP hands over the value of the last step, and greenlane the newest value",
        "run 'policy.1' before 'vision \"左\"', or keep the last output as a state of 'vision \"左\"' (annotate",
    ),
    "a cycle of feedback": (cycle_of_feedback, "LEAPP hands over the value of the last step", "annotate.state_tensors"),
    "no initial values": (lambda c: c["pipeline"].pop("initial_values"), "no file of 'initial_values'", "again"),
    "no file of values": (lambda c: c["pipeline"].update(initial_values="x"), "there is no such file", "copy"),
    "values of another input": (
        lambda c: (
            c["pipeline"]["feedback_flow"].update({"policy/action": ["policy/joints"]})
            or node(c)["inputs"][1].update(shape=[1, 4])
            or c["pipeline"].update(inputs={POLICY: ["mode"], VISION: ["image"]})
        ),
        "there is no initial value of the input 'policy/joints'",
        "again with LEAPP",
    ),
    "values that do not fit": (
        lambda c: node(c)["inputs"][4].update(dtype="float64") or node(c)["outputs"][1].update(dtype="float64"),
        "the initial value of the input 'policy/hidden' is float32 [1, 8], and must be float64 [1, 8]",
        "again with LEAPP",
    ),
    "a missing program": (with_key("model_path", "none.pt2"), "No such file", "copy the whole folder that LEAPP wrote"),
    "a folder": (with_key("model_path", "."), "'policy' cannot be read", "copy the whole folder that LEAPP wrote"),
    "another checksum": (with_key("sha256sum", "00"), "has changed since the export", "copy the whole folder"),
}
"""Edits of the YAML, and parts of the reason and of the remedy."""


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", EDITS)
def test_an_export_that_does_not_fit_is_refused(leapp_export: Path, tmp_path: Path, name: str) -> None:
    change, why, remedy = EDITS[name]
    message = refusal(copied(leapp_export, tmp_path, change), tmp_path / "out", device="cpu")
    assert why in message
    assert remedy in message.split("; ")[-1]


BOMBS: dict[str, Change] = {
    "a shape": with_key("shape", bomb(), "inputs"),
    "a dtype": with_key("dtype", bomb(), "inputs"),
    "a table": with_key("backend", {"a": bomb()}),
    "a text": with_key("backend", "x" * 10_000_000),
    "a number": with_key("warp_segments", 1 << 100_000),
    "a name": lambda c: c["pipeline"]["outputs"].update({POLICY: ["x" * 1_000_000]}),
    "a version": lambda c: newer(c, bomb()),
    "many sizes": with_key("shape", [1] * 1_000_000, "inputs"),
    "semantics": lambda c: (
        node(c)["inputs"][1].update(kind=bomb()) or node(c)["parameters"].update(torch_version=bomb(), sha256sum="0")
    ),
}
"""Values of a YAML that no message may hold as they are."""


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", BOMBS)
def test_values_in_messages_are_short(leapp_export: Path, tmp_path: Path, name: str) -> None:
    import yaml

    folder = copied(leapp_export, tmp_path, lambda content: None)
    read = yaml.safe_load((folder / "robot.yaml").read_bytes())
    BOMBS[name](read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "safe_load", lambda data: read)
        message = refusal(folder, tmp_path / "out", device="cpu")
    assert len(message) < 900
    assert ("…" in message or "..." in message) == (name not in ("a number", "semantics"))


def test_a_value_is_cut_at_200_characters_and_a_path_is_not() -> None:
    assert shown("x" * 200) == f"'{'x' * 200}'"
    assert shown("x" * 201) == f"'{'x' * 200}…'"
    assert shown(Path("x" * 201)) == f"'{'x' * 201}'"
    assert shown([1, "n"]) == "'[1, 'n']'"
    assert comment(str(TensorType("x", torch.float32, (1, 2), {}))) == "# float32 [1, 2]"


@pytest.mark.usefixtures("uncompiled")
def test_one_yaml_is_found_or_one_message_says_why_not(leapp_export: Path, tmp_path: Path) -> None:
    folder = leapp_export / "robot"
    assert find(folder) == find(folder / "robot.yaml") == folder / "robot.yaml"
    assert "there is no YAML in this folder; name the folder" in refusal(tmp_path, tmp_path / "out")
    assert "cannot be read: No such file or directory; name" in refusal(tmp_path / "none", tmp_path / "out")
    (tmp_path / "a.yaml").touch()
    (tmp_path / "b.yml").touch()
    assert "several YAMLs in this folder: 'a.yaml', 'b.yml'; name one of" in refusal(tmp_path, tmp_path / "out")


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    "data",
    [b"models: [", b"\xff\xfe\x00", b"a: 2026-99-99", b"!!python/object:os.x {}", b"", b"[" * 5000, b"? {}"],
)
def test_what_is_no_yaml_of_leapp_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "robot.yaml"
    file.write_bytes(data)
    assert "; export the pipeline again" in refusal(file, tmp_path / "out")


@pytest.mark.usefixtures("uncompiled")
def test_damaged_initial_values_are_refused(leapp_export: Path, tmp_path: Path) -> None:
    folder = copied(leapp_export, tmp_path, lambda content: None)
    (folder / "robot_initial_values.safetensors").write_bytes(b"no tensors")
    assert "robot_initial_values.safetensors' cannot be read: " in refusal(folder, tmp_path / "out", device="cpu")


def changed_program(export: Path, tmp_path: Path, data: bytes, version: str, name: str = VISION) -> Path:
    """Returns an export whose program of a node is other data, with the checksum of the data."""

    def change(content: dict[str, Any]) -> None:
        parameters = node(content, name)["parameters"]
        parameters |= {"model_path": "x.pt2", "sha256sum": hashlib.sha256(data).hexdigest(), "torch_version": version}

    folder = copied(export, tmp_path, change)
    (folder / "x.pt2").write_bytes(data)
    return folder


@pytest.mark.usefixtures("uncompiled")
def test_a_program_of_a_newer_pytorch_is_refused(leapp_export: Path, tmp_path: Path) -> None:
    message = refusal(changed_program(leapp_export, tmp_path, b"new", "99.1.0+cu130"), tmp_path / "out", device="cpu")
    assert f"cannot be loaded: PyTorch 99.1.0+cu130 exported it, and this is PyTorch {torch.__version__} (" in message
    assert "; install PyTorch 99.1, or export with PyTorch " in message


@pytest.mark.usefixtures("uncompiled")
def test_a_program_that_cannot_be_loaded_is_refused(leapp_export: Path, tmp_path: Path) -> None:
    message = refusal(changed_program(leapp_export, tmp_path, b"old", "2.1"), tmp_path / "out", device="cpu")
    assert "x.pt2' of node 'vision \"左\"' cannot be loaded: " in message
    assert "; export the pipeline again with PyTorch " in message


@pytest.mark.usefixtures("uncompiled")
def test_a_program_that_does_not_fit_its_description_is_refused(leapp_export: Path, tmp_path: Path) -> None:
    data = (leapp_export / "robot" / "policy.pt2").read_bytes()
    message = refusal(changed_program(leapp_export, tmp_path, data, "2.1"), tmp_path / "out", device="cpu")
    assert "it has 5 inputs, and the YAML has 1; export" in message


@pytest.mark.usefixtures("uncompiled")
def test_the_last_program_is_checked_before_the_first_is_compiled(leapp_export: Path, tmp_path: Path) -> None:
    data = (leapp_export / "robot" / "policy.pt2").read_bytes()
    message = refusal(changed_program(leapp_export, tmp_path, data, "2.1", HEAD), tmp_path / "out", device="cpu")
    assert "of node 'policy.1': it has 5 inputs, and the YAML has 2; export" in message


def test_a_model_that_does_not_compile_is_refused(
    leapp_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("no luck.\nException raised from compile at compile.cpp:1\n#1 0x7f")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fail)
    message = refusal(leapp_export / "robot", tmp_path / "out", device="cpu")
    assert message.startswith("node 'vision \"左\"' cannot be compiled for cpu: no luck; ")
    monkeypatch.setenv("CXX", "no-such-compiler")
    message = refusal(leapp_export / "robot", tmp_path / "out", device="cpu")
    assert "the C++ compiler 'no-such-compiler' is not on the PATH; install g++" in message


def test_a_wrong_package_is_not_kept(leapp_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[torch.Tensor] = []

    def compile_junk(program: object, *, package_path: str, inductor_configs: object) -> None:
        Path(package_path).write_bytes(b"junk")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", compile_junk)
    message = refusal(leapp_export / "robot", tmp_path / "out", device="cpu")
    assert message.startswith("the package of node 'vision \"左\"' fails on its recorded inputs: ")
    monkeypatch.setattr(torch._inductor, "aoti_load_package", lambda *given, **options: lambda *inputs: outputs)
    assert "it has 0 outputs, and its program has 2; run this again with TORCHINDUCTOR" in refusal(
        leapp_export / "robot", tmp_path / "out", device="cpu"
    )
    outputs += [torch.full((1, 6), 3.0), torch.zeros(1)]
    assert "its output 'features' differs from that of its program (by " in refusal(
        leapp_export / "robot", tmp_path / "out", device="cpu"
    )
    outputs[0] = torch.zeros(1, 6, dtype=torch.float64)
    assert "(torch.float64 [1, 6] for torch.float32 [1, 6])" in refusal(
        leapp_export / "robot", tmp_path / "out", device="cpu"
    )


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_the_export_are_never_replaced(leapp_export: Path, tmp_path: Path, overwrite: bool) -> None:
    folder = copied(leapp_export, tmp_path, lambda content: None)
    message = refusal(folder, tmp_path, device="cpu", overwrite=overwrite)
    assert message.startswith(f"'{folder}' cannot be replaced: the files of the export are in this folder; name ")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "robot").symlink_to(folder)
    message = refusal(folder, tmp_path / "out", device="cpu", overwrite=overwrite)
    assert "out/robot' cannot be replaced: the files of the export" in message
    (folder / "robot.yaml").rename(folder / "robot.toml")
    message = refusal(folder / "robot.toml", folder, device="cpu", overwrite=overwrite)
    assert "robot.toml' cannot be replaced: it is a file of the export; name another folder" in message


@pytest.mark.usefixtures("uncompiled")
def test_a_folder_of_the_pipelines_name_is_kept(leapp_export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "robot"
    folder.mkdir()
    message = refusal(leapp_export / "robot", tmp_path, device="cpu")
    assert message.startswith(f"'{folder}' exists: it may hold files of yours; name another folder with -o, or ")
    for text in ("[", "{}", "[1]", '["../x"]', '[""]'):
        (folder / "made.json").write_text(text)
        message = refusal(leapp_export / "robot", tmp_path, device="cpu", overwrite=True)
        assert f"made.json': this is no list of the files that the importer made; remove '{folder}'" in message


@pytest.mark.usefixtures("uncompiled")
def test_an_output_folder_that_is_none_is_refused(leapp_export: Path, tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path / "nowhere")
    for out in (file, file / "out"):
        message = refusal(leapp_export / "robot", out, device="cpu")
        assert message == f"'{file}' is no folder: it is a file; name another folder with -o"
    message = refusal(leapp_export / "robot", link, device="cpu")
    assert message == f"'{link}' is no folder: it is a link that leads nowhere; name another folder with -o"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    "name", ["robot.toml", "robot/policy.pt2", "robot/policy.initial.policy.pt", "robot/made.json"]
)
def test_a_folder_with_the_name_of_a_file_is_refused(leapp_export: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    message = refusal(leapp_export / "robot", tmp_path, device="cpu", overwrite=True)
    assert message.startswith(f"'{tmp_path / name}' is a folder: a file of the pipeline has this name; remove it, or ")


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["..yaml", "...yaml", "\udcff.yaml"])
def test_a_yaml_whose_name_fits_no_folder_is_refused(leapp_export: Path, tmp_path: Path, name: str) -> None:
    folder = copied(leapp_export, tmp_path, lambda content: None)
    (folder / "robot.yaml").rename(folder / name)
    message = refusal(folder / name, tmp_path / "out", device="cpu", overwrite=True)
    assert "the pipeline's folder cannot have this name; rename the YAML, as robot.yaml" in message


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("device", "why"),
    [("gpu", "there is no such device"), ("xpu", "greenlane runs on GPUs of NVIDIA"), ("cuda:99", " GPUs here")],
)
def test_devices_that_are_not_there_are_refused(leapp_export: Path, tmp_path: Path, device: str, why: str) -> None:
    message = refusal(leapp_export / "robot", tmp_path / "out", device=device)
    assert message.startswith(f"the device '{device}': ")
    assert why in message


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(("module", "package"), [("yaml", "yaml"), ("safetensors.torch", "safetensors")])
def test_missing_packages_are_reported_with_a_remedy(
    leapp_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = refusal(leapp_export / "robot", tmp_path / "out", device="cpu")
    assert f"{package} is not installed; install it with `pip install 'greenlane[leapp]'`" in message


def test_the_program_prints_one_message(leapp_export: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "robot.toml")
    done = program(leapp_export / "robot", "-o", tmp_path, "--device", "cpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"greenlane.leapp: '{tmp_path / 'robot.toml'}' exists: ")
    assert done.stderr.count("\n") == 1


def test_the_exit_status_says_how_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> Path:
        raise KeyboardInterrupt

    main = greenlane.leapp.__main__.main
    assert main([str(tmp_path), "-o", str(tmp_path)]) == 2
    monkeypatch.setattr(greenlane.leapp.__main__, "convert_with", interrupt)
    assert main([str(tmp_path), "-o", str(tmp_path)]) == 130
    monkeypatch.setattr(greenlane.leapp.__main__, "convert_with", lambda *given: tmp_path)
    assert main([str(tmp_path), "-o", str(tmp_path)]) == 0
    monkeypatch.setattr(sys, "stdout", None)
    assert main([str(tmp_path), "-o", str(tmp_path)]) == 1


def test_an_error_can_be_copied() -> None:
    import pickle

    with pytest.raises(LeappError) as refused:
        convert("/none", "/none")
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)

"""Values from the caller are checked where they enter: numbers, names, paths and devices."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import greenlane as gl
import numpy as np
import pytest
import torch


@pytest.mark.parametrize("units", [2**31, 2**32 + 1, 2**63 - 1])
def test_units_beyond_32_bits_are_refused(units: int) -> None:
    with pytest.raises(ValueError, match=f"cannot give {units} units to 'a': no device has so many"):
        gl.partition("cpu", {"a": units})


@pytest.mark.parametrize("units", [2**63, 2**64 + 1, -(2**63) - 1])
def test_units_beyond_64_bits_are_refused(units: int) -> None:
    with pytest.raises(ValueError, match=f"{units}"):
        gl.partition("cpu", {"a": units})


@pytest.mark.parametrize(
    "units",
    [1.9, 1.0, float("nan"), float("inf"), True, np.float64(1), np.True_, torch.tensor(1.9), torch.tensor(True), None],
)
def test_fractional_units_are_refused(units: Any) -> None:
    with pytest.raises(TypeError, match=r"the size of 'a' is .*: give a whole number"):
        gl.partition("cpu", {"a": units})


def test_an_unknown_word_for_units_is_refused() -> None:
    sizes: Any = {"a": "most"}
    with pytest.raises(ValueError, match="cannot give 'most' units to 'a'"):
        gl.partition("cpu", sizes)


@pytest.mark.parametrize("units", [np.int64(1), np.uint8(1), torch.tensor(1)])
def test_integers_of_other_libraries_are_accepted(units: Any) -> None:
    assert gl.partition("cpu", {"a": units})["a"].units == 1


@pytest.mark.parametrize("priority", [2**31, 2**32 + 5, -(2**32), 2**64])
def test_a_priority_out_of_range_is_refused(priority: int) -> None:
    with pytest.raises(ValueError, match=f"the priority is {priority}"):
        gl.lane("cpu", "b", priority=priority)


@pytest.mark.parametrize("priority", [1.5, True, "5"])
def test_a_priority_of_another_type_is_refused(priority: Any) -> None:
    with pytest.raises(TypeError, match=r"the priority is .*: give a whole number"):
        gl.lane("cpu", "b", priority=priority)


@pytest.mark.parametrize("runners", [1.5, True, 2**64])
def test_an_invalid_number_of_runners_is_refused(models: Path, runners: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="num_runners is"):
        gl.load(models / "affine.pt2", num_runners=runners)


@pytest.mark.parametrize("deadline", [float("inf"), float("nan"), 1e300, -1.0])
def test_an_invalid_deadline_is_refused(models: Path, deadline: float) -> None:
    with pytest.raises(ValueError, match="a deadline of"):
        gl.load(models / "affine.pt2").set_urgent(deadline)


@pytest.mark.parametrize("margin", [float("nan"), float("inf"), -1.0])
def test_an_invalid_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="a margin must be between 0 and 10"):
        gl.plan("nowhere.toml", margin=margin)


def test_a_pytorch_cpu_device_is_accepted() -> None:
    assert gl.lane(torch.device("cpu", 0)).device == torch.device("cpu")
    assert gl.partition(torch.device("cpu", 0), {"a": 1})["a"].units == 1


def test_an_engine_can_be_loaded_on_a_pytorch_cpu_device(models: Path) -> None:
    assert gl.load(models / "affine.pt2", device=torch.device("cpu", 0)).device == torch.device("cpu")


BAD = "caf\udce9"


@pytest.mark.parametrize(
    "call",
    [
        lambda: gl.load(BAD + ".pt2"),
        lambda: gl.load("a.pt2", name=BAD),
        lambda: gl.load("a.pt2", model=BAD),
        lambda: gl.lane("cpu", BAD),
        lambda: gl.partition("cpu", {BAD: 1}),
        lambda: gl.profile(BAD + ".toml"),
        lambda: gl.plan(BAD + ".toml"),
    ],
)
def test_a_name_outside_utf8_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="is not valid UTF-8") as error:
        call()
    assert "\n" not in str(error.value)
    assert r"caf\udce9" in str(error.value)


def test_a_lane_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="the lane's name is empty: give it one"):
        gl.partition("cpu", {"": 1})
    assert gl.lane("cpu", "").name == "cpu", "a lane on the whole device does not have its device's name"


@pytest.mark.parametrize("name", [1, None, b"policy", Path("policy"), ("a", "b")])
def test_a_name_of_another_type_is_refused(name: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: gl.partition("cpu", {name: 1}),
        lambda: gl.lane("cpu", name),
        lambda: gl.load("a.pt2", name=name),
        lambda: gl.load("a.pt2", model=name),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"name is .*: give a string"):
            call()


ODD_NAMES = ["a\nb", "\x1b[31mred", "a\0b", "\u202eab", "é" * 40, "'", " ", "a+b", "/", "%s{}"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_kept_and_escaped_in_messages(name: str) -> None:
    assert gl.partition("cpu", {name: 1})[name].name == name
    with pytest.raises(RuntimeError, match="cannot give 9999 cores") as error:
        gl.partition("cpu", {name: 9999})
    assert str(error.value).isprintable()


def test_an_empty_path_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="the path of the package is empty"):
        gl.load("")


def test_an_unloadable_path_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop.pt2").symlink_to("loop.pt2")
    paths = {
        tmp_path: "it is a folder",
        tmp_path / ("a" * 300): "cannot be reached",
        tmp_path / "loop.pt2": "cannot be reached",
        tmp_path / "nowhere.pt2": "there is no such file",
        Path("/dev/null"): "no plain file",
    }
    for path, why in paths.items():
        with pytest.raises(RuntimeError, match=why):
            gl.load(path)


def test_a_refusal_names_the_models_of_a_package(models: Path, tmp_path: Path) -> None:
    several = tmp_path / "several.pt2"
    with zipfile.ZipFile(models / "affine.pt2") as source, zipfile.ZipFile(several, "w") as target:
        for entry in source.namelist():
            for name in ("left", "right"):
                target.writestr(
                    entry.replace("data/aotinductor/model/", f"data/aotinductor/{name}/"), source.read(entry)
                )
                if "aotinductor/model/" not in entry:
                    break
    with pytest.raises(RuntimeError, match=r"no model named 'model', but 'left', 'right'.*`model`"):
        gl.load(several)


def test_a_missing_temporary_folder_is_named(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeError, match=r"TMPDIR=.*nowhere.*No such file"):
        gl.load(models / "affine.pt2")


@pytest.mark.parametrize("argument", [np.ones((4, 8), np.float32), 3, None])
def test_an_argument_that_is_no_tensor_is_named(models: Path, argument: Any) -> None:
    engine = gl.load(models / "affine.pt2")
    kind = {np.ndarray: "numpy.ndarray", int: "int"}.get(type(argument), "NoneType")
    with pytest.raises(
        RuntimeError, match=rf"'affine' was given 0 tensors.*args\[0\] is of type {kind}, and no tensor"
    ):
        engine(argument)


def test_names_in_messages_are_escaped() -> None:
    with pytest.raises(RuntimeError, match=r"to 'a\\x1b\[2J\\u202e'"):
        gl.partition("cpu", {"a\x1b[2J\u202e": 10_000})


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 1e7])
def test_invalid_seconds_are_refused_by_name(seconds: float) -> None:
    calls: list[tuple[str, Callable[[], object]]] = [
        ("seconds", lambda: gl.profile("nowhere.toml", seconds)),
        ("seconds", lambda: gl.plan("nowhere.toml", seconds=seconds)),
        ("budget", lambda: gl.plan("nowhere.toml", budget=seconds)),
    ]
    for what, call in calls:
        with pytest.raises(ValueError, match=rf"^{what} is .*: give a number of seconds from 0 to 1e6$"):
            call()


@pytest.mark.parametrize("given", ["1", None, True, [1.0], 1j, torch.ones(2)])
def test_an_argument_that_is_no_number_is_refused_by_name(given: Any) -> None:
    calls: list[tuple[str, Callable[[], object]]] = [
        ("seconds", lambda: gl.profile("nowhere.toml", given)),
        ("seconds", lambda: gl.plan("nowhere.toml", seconds=given)),
        ("budget", lambda: gl.plan("nowhere.toml", budget=given)),
        ("margin", lambda: gl.plan("nowhere.toml", margin=given)),
    ]
    for what, call in calls:
        with pytest.raises(TypeError, match=f"^{what} is .*: give a number$"):
            call()


@pytest.mark.parametrize("given", [1, 0.5, np.float32(1), np.int64(1), torch.tensor(1.0)])
def test_numbers_of_other_libraries_are_accepted(given: Any) -> None:
    yes: Any = np.True_
    with pytest.raises(RuntimeError, match="there is no such file"):
        gl.plan("nowhere.toml", seconds=given, verify=yes)


@pytest.mark.parametrize("given", ["x", 1, None])
def test_a_choice_must_be_true_or_false(given: Any) -> None:
    module = torch.nn.ReLU()
    calls: list[tuple[str, Callable[[], object]]] = [
        ("verify", lambda: gl.plan("nowhere.toml", verify=given)),
        ("tune_kernels", lambda: gl.load("a.pt2", tune_kernels=given)),
        ("stateful", lambda: gl.load("a.pt2", stateful=given)),
        ("tune_kernels", lambda: gl.set_external_stream(module, gl.lane("cpu", "a"), tune_kernels=given)),
        ("on", lambda: gl.set_engine_stream_passthrough(given)),
    ]
    for what, call in calls:
        with pytest.raises(TypeError, match=f"^{what} is .*: give True or False$"):
            call()


def test_invalid_options_of_an_engine_are_refused(models: Path) -> None:
    engine = gl.load(models / "affine.pt2")
    text: Any = "x"
    none: Any = None
    with pytest.raises(TypeError, match=r"^the deadline is 'x': give a number$"):
        engine.set_urgent(text)
    with pytest.raises(TypeError, match=r"^gates=None is invalid: use 'auto', 'off' or a time such as '50us'$"):
        engine.set_gates(none)
    refused: list[Any] = [None, torch.ones(4, 8), [1], ["x"]]
    for inputs in refused:
        with pytest.raises(TypeError, match=r"^inputs is .*: give a list of tensors$"):
            engine.run(inputs)

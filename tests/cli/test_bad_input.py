"""Bad input: exit status 2, one message that says where and why, and no output file."""

import json
from pathlib import Path

import pytest
import torch

from cli.program import config, engine, greenlane, refusal


@pytest.fixture
def affine(models: Path) -> Path:
    return models / "affine.pt2"


def refusal_leaving_no_file(file: Path, folder: Path) -> str:
    """Returns the message of a run that was to write results; checks that the folder is unchanged."""
    before = sorted(folder.iterdir())
    message = refusal("run", file, "--seconds", "0.1", "--json", folder / "out.json", "--trace", folder / "trace.json")
    assert sorted(folder.iterdir()) == before
    return message


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    message = refusal_leaving_no_file(tmp_path / "robot.toml", tmp_path)
    assert "robot.toml: there is no such file" in message


def test_malformed_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    message = refusal_leaving_no_file(config(tmp_path, "[engine.policy\n"), tmp_path)
    assert "pipeline.toml:2:" in message
    assert "no valid TOML" in message


def test_a_missing_model_is_refused_with_its_key(tmp_path: Path, affine: Path) -> None:
    file = config(tmp_path, engine("policy", tmp_path / "nowhere.pt2", affine.with_suffix(".inputs.pt")))
    message = refusal_leaving_no_file(file, tmp_path)
    assert "pipeline.toml:3: engine.policy.model" in message
    assert "nowhere.pt2' does not exist" in message


def test_an_unknown_key_is_refused_with_a_suggestion(tmp_path: Path, affine: Path) -> None:
    message = refusal_leaving_no_file(config(tmp_path, engine("policy", affine, rate_hx=5)), tmp_path)
    assert "pipeline.toml:5: engine.policy.rate_hx" in message
    assert "did you mean 'rate_hz'?" in message


def test_too_many_units_are_refused_with_the_free_ones(tmp_path: Path, affine: Path) -> None:
    file = config(tmp_path, engine("policy", affine), "[lane.policy]\nunits = 10000\n")
    message = refusal_leaving_no_file(file, tmp_path)
    assert "cannot give 10000 cores of cpu to 'policy'" in message
    assert "are free" in message
    assert "pipeline.toml" in message


def test_another_kind_of_file_is_refused_with_its_engine(tmp_path: Path, models: Path) -> None:
    file = config(tmp_path, engine("policy", models / "stamp.json", models / "affine.inputs.pt"))
    message = refusal_leaving_no_file(file, tmp_path)
    assert "pipeline.toml: engine.policy" in message
    assert "no AOTInductor package" in message


def test_a_model_of_another_device_is_refused(tmp_path: Path, models: Path) -> None:
    file = config(tmp_path, engine("policy", models / "says_cuda.pt2", models / "affine.inputs.pt"))
    message = refusal_leaving_no_file(file, tmp_path)
    assert "engine.policy" in message
    assert "compiled for cuda" in message


def test_invalid_inputs_are_refused(tmp_path: Path, affine: Path) -> None:
    torch.save([torch.ones(3, 8)], tmp_path / "three.pt")
    message = refusal_leaving_no_file(config(tmp_path, engine("policy", affine, tmp_path / "three.pt")), tmp_path)
    assert "engine.policy: input 0 does not fit" in message
    assert "[3, 8]" in message
    assert "float32 [4, 8]" in message


def test_inputs_without_tensors_are_refused(tmp_path: Path, affine: Path, models: Path) -> None:
    message = refusal_leaving_no_file(config(tmp_path, engine("policy", affine, models / "dict.pt")), tmp_path)
    assert "no list of tensors" in message


def test_code_in_an_inputs_file_is_not_run(tmp_path: Path, affine: Path, models: Path) -> None:
    message = refusal_leaving_no_file(config(tmp_path, engine("policy", affine, models / "code.pt")), tmp_path)
    assert "code.pt" in message
    assert not Path("code_was_run").exists()


def test_an_invalid_library_is_refused(tmp_path: Path, affine: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text("libraries = ['./nowhere.so']\n" + engine("policy", affine))
    assert "nowhere.so" in refusal_leaving_no_file(file, tmp_path)


def test_a_missing_device_is_refused(tmp_path: Path, affine: Path) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text("device = 'cuda:99'\n" + engine("policy", affine))
    assert "CUDA device" in refusal_leaving_no_file(file, tmp_path) or torch.cuda.is_available()


def test_an_unknown_mode_is_refused_with_the_known_ones(tmp_path: Path, affine: Path) -> None:
    message = refusal("run", config(tmp_path, engine("policy", affine)), "--mode", "fastest")
    assert "--mode fastest" in message
    for mode in ("lanes", "gates", "shared", "priority", "compare"):
        assert mode in message


def test_unreadable_paths_have_the_same_message(tmp_path: Path, affine: Path) -> None:
    file = config(tmp_path, engine("policy", affine))
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    for path, why in {
        tmp_path: "it is a folder",
        tmp_path / ("a" * 300): "cannot be reached",
        tmp_path / "loop.toml": "cannot be reached",
        Path("/dev/null"): "no plain file",
    }.items():
        assert why in refusal("run", path)
        if why != "no plain file":
            assert why in refusal("run", file, "--plan", path)
            assert why in refusal("plan", file, "--profile", path, "--out", tmp_path / "plan.json")


def test_an_unusable_temporary_folder_is_named(tmp_path: Path, affine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = config(tmp_path, engine("policy", affine))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    assert f"TMPDIR={tmp_path}/nowhere" in refusal("run", file)


def test_names_are_escaped_in_the_terminal(tmp_path: Path, affine: Path) -> None:
    name = r'"\u001b[31mRED\u001b]0;title\u0007\n\u202e"'
    shown = r"\x1b[31mRED\x1b]0;title\x07\n\u202e"
    file = config(tmp_path, engine(name, affine))
    out = tmp_path / "out.json"
    done = greenlane("run", file, "--seconds", "0.1", "--json", out)
    assert done.returncode == 0, done
    assert shown in done.stdout
    assert json.loads(out.read_text())["modes"][0]["engines"][0]["name"] == "\x1b[31mRED\x1b]0;title\x07\n\u202e"
    message = refusal("run", config(tmp_path, engine(name, affine, rate_hx=5)))
    for text in (done.stdout, message):
        assert shown in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_plan_for_another_device_needs_an_option(tmp_path: Path, affine: Path) -> None:
    file, plan = config(tmp_path, engine("policy", affine)), tmp_path / "plan.json"
    lanes_and_engines = {"lanes": [{"name": "a", "units": 1}], "engines": [{"name": "policy", "lane": "a"}]}
    device = {"id": "cuda:0", "name": "NVIDIA H200", "units": 132}
    plan.write_text(json.dumps({"device": device, "versions": {"torch": "2.1.0"}} | lanes_and_engines))
    message = refusal("run", file, "--plan", plan)
    assert "plan.json is no plan for this device: it is for NVIDIA H200 with 132 SMs" in message
    assert "--plan-of-another-device" in message
    done = greenlane("run", file, "--plan", plan, "--plan-of-another-device", "--seconds", "0.1")
    assert done.returncode == 0, done
    plan.write_text(json.dumps({"versions": {"torch": "2.1.0"}} | lanes_and_engines))
    done = greenlane("run", file, "--plan", plan, "--seconds", "0.1")
    assert done.returncode == 0, done
    (warning,) = [line for line in done.stderr.splitlines() if "was made with PyTorch 2.1.0" in line]
    assert warning.startswith("greenlane: warning: ")


@pytest.mark.parametrize("mode", ["compare", "turbo"])
def test_an_unknown_mode_in_a_plan_is_refused(tmp_path: Path, affine: Path, mode: str) -> None:
    file, plan = config(tmp_path, engine("policy", affine)), tmp_path / "plan.json"
    lanes_and_engines = {"lanes": [{"name": "a", "units": 1}], "engines": [{"name": "policy", "lane": "a"}]}
    plan.write_text(json.dumps({"mode": mode} | lanes_and_engines))
    message = refusal("run", file, "--plan", plan)
    assert "plan.json" in message
    assert f"'{mode}'" in message
    assert "--mode" not in message


@pytest.mark.parametrize("option", ["--json", "--trace"])
def test_an_unwritable_file_is_refused_before_the_run(tmp_path: Path, affine: Path, option: str) -> None:
    file = config(tmp_path, engine("policy", affine))
    message = refusal("run", file, "--seconds", "1000000", option, tmp_path / "missing" / "out.json")
    assert "missing/out.json' cannot be written" in message
    assert not (tmp_path / "missing").exists()


def test_a_missing_plan_is_refused(tmp_path: Path, affine: Path) -> None:
    message = refusal("run", config(tmp_path, engine("policy", affine)), "--plan", tmp_path / "plan.json")
    assert "plan.json" in message
    assert "no such file" in message

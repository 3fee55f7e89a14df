"""The command line, as far as it needs no Ray."""

from pathlib import Path

import pytest
from greenlane.serve.__main__ import main


def test_a_file_that_is_no_pipeline_is_refused_before_ray_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "robot.toml"
    for text, why in (("x = [", "robot.toml:1"), ("[engine.a]\n", "model"), ("nothing = 1\n", "nothing")):
        file.write_text(text)
        assert main([str(file)]) == 2
        message = capsys.readouterr().err
        assert message.startswith("greenlane.serve: ")
        assert why in message
        assert len(message.splitlines()) == 1


def test_a_pipeline_with_modules_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "robot.toml"
    file.write_text('device = "cpu"\n[engine.a]\nmodule = "a"\ninputs = "a.pt"\n')
    assert main([str(file)]) == 2
    assert "has modules, which only a program can give: serve packages" in capsys.readouterr().err


def test_a_file_that_is_missing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.toml")]) == 2
    assert "is no file" in capsys.readouterr().err

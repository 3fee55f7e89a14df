"""Audits on a report's page."""

from pathlib import Path

import pytest
from greenlane.report.__main__ import main

from python.report_files import audit, audited_engine, save, stray, trace

WHOLE = "all of cuda:0 (132 SMs)"


def page_of(folder: Path, *files: Path) -> str:
    """Returns the page's body, without Plotly's own script."""
    page = folder / "page.html"
    assert main([*map(str, files), "-o", str(page)]) == 0
    text = page.read_text()
    return text[text.index("<body>") :]


def test_lanes_with_strays_are_framed_in_the_map(tmp_path: Path) -> None:
    found = audit(
        audited_engine("policy", "fast", 16),
        audited_engine("vision", "wide", 48, stray("void fill<a>(int)", WHOLE, "a stream of PyTorch's pool", 12)),
        audited_engine("loose", None, 0, stray("relu", WHOLE, "the engine is not bound")),
        others=[stray("tanh", WHOLE, "no engine's work", 3), stray("sin", "partition 'fast' (16 SMs)", None)],
    )
    page = page_of(tmp_path, save(tmp_path, "audit.json", found))
    assert '<section id="audit">' in page
    assert "void fill&lt;a&gt;(int)" in page
    assert "a stream of PyTorch&#x27;s pool" in page
    assert "22 kernels ran outside of a partition." in page
    assert "<td>no engine</td>" in page
    assert "sin" not in page.split('<section id="map">')[0].split("tanh")[1], (
        "a kernel inside its partition is listed as a stray"
    )
    assert page.count('stroke="#b00020"') == 48
    assert "wide (vision): 48 SMs, 36.4 % – framed: its kernels ran elsewhere, too" in page
    assert "fast (policy): 16 SMs, 12.1 %</li>" in page
    assert "greenlane audit robot.toml --json audit.json" in page


def test_a_clean_audit_is_reported(tmp_path: Path) -> None:
    page = page_of(tmp_path, save(tmp_path, "audit.json", audit(audited_engine("policy", "fast", 16))))
    assert "No strays" in page
    assert "stroke=" not in page.split('<section id="map">')[1]
    assert "framed" not in page


def test_an_audit_without_partitions_has_no_map(tmp_path: Path) -> None:
    whole = [audited_engine(name, name, 132) for name in ("policy", "vision")]
    page = page_of(tmp_path, save(tmp_path, "audit.json", audit(*whole)))
    assert '<section id="audit">' in page
    assert '<section id="map">' not in page


def test_lost_records_are_reported(tmp_path: Path) -> None:
    found = audit(audited_engine("policy", "fast", 16))
    found["audit"] |= {"dropped": 9, "clean": False}
    assert "9 records were lost" in page_of(tmp_path, save(tmp_path, "audit.json", found))


def test_an_invalid_audit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = audit(audited_engine("policy", "fast", 16))
    broken["audit"]["engines"][0]["kernels"] = "many"
    assert main([str(save(tmp_path, "audit.json", broken)), "-o", str(tmp_path / "page.html")]) != 0
    assert "audit.engines[0].kernels" in capsys.readouterr().err


def test_an_audits_trace_is_refused_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    traced = trace(3)
    traced["traceEvents"][0]["args"]["name"] = "audit of mode lanes"
    traced["traceEvents"].append(
        {"ph": "X", "name": "matmul", "cat": "kernel", "pid": 1, "tid": 1, "ts": 1.0, "dur": 2.0, "args": {}}
    )
    assert main([str(save(tmp_path, "trace.json", traced)), "-o", str(tmp_path / "page.html")]) != 0
    assert "ui.perfetto.dev" in capsys.readouterr().err

"""Audits from Python, without a GPU."""

import json
from typing import Any

import greenlane as gl
import pytest
import torch

DOCUMENT: dict[str, Any] = {
    "engines": [
        {
            "name": "policy",
            "lane": "fast",
            "units": 16,
            "calls": 10,
            "kernels": 40,
            "copies": 20,
            "gpu_us": 1500.0,
            "judged": True,
            "strays": [
                {"kernel": "fill", "count": 10, "gpu_us": 30.0, "where": "all of cuda:0", "cause": "the default stream"}
            ],
        }
    ],
    "others": [
        {"kernel": "relu", "count": 2, "gpu_us": 5.0, "where": "partition 'fast'", "cause": None},
        {"kernel": "tanh", "count": 1, "gpu_us": 1.0, "where": "all of cuda:0", "cause": "no engine's work"},
    ],
    "clean": False,
    "dropped": 0,
}


class Recording:
    """A substitute for the library's class, which needs a GPU."""

    ended = ""

    def stop(self) -> "Recording":
        """Returns the result: this object."""
        Recording.ended = "stopped"
        return self

    def json(self) -> str:
        """Returns the audit's document."""
        return json.dumps(DOCUMENT)

    def text(self) -> str:
        """Returns the audit's table."""
        return "a table"

    def drop(self) -> None:
        """Ends the recording without a result."""
        Recording.ended = "dropped"


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> type[Recording]:
    Recording.ended = ""
    monkeypatch.setattr("greenlane._audit._begin", Recording)
    return Recording


def test_an_audit_without_a_gpu_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="it needs CUDA"), gl.audit():
            pass


def test_the_results_are_available_after_the_block(recording: type[Recording]) -> None:
    with gl.audit() as audit:
        assert str(audit) == "an audit without a result"
    assert recording.ended == "stopped"
    (policy,) = audit.engines
    assert (policy.name, policy.lane, policy.units, policy.calls) == ("policy", "fast", 16, 10)
    assert (policy.kernels, policy.copies, policy.gpu_us, policy.judged) == (40, 20, 1500.0, True)
    assert [kernel.kernel for kernel in audit.others] == ["relu", "tanh"]
    assert [(stray.engine, stray.kernel, stray.cause) for stray in audit.strays] == [
        ("policy", "fill", "the default stream"),
        (None, "tanh", "no engine's work"),
    ]
    assert policy.strays == audit.strays[:1]
    assert not audit.clean
    assert audit.dropped == 0
    assert str(audit) == "a table"
    assert json.loads(audit.json) == DOCUMENT


def test_check_raises_only_for_strays(recording: type[Recording], monkeypatch: pytest.MonkeyPatch) -> None:
    with gl.audit() as audit:
        pass
    with pytest.raises(gl.StrayError, match="a table"):
        audit.check()
    monkeypatch.setitem(DOCUMENT, "clean", True)
    with gl.audit() as audit:
        pass
    audit.check()
    assert recording.ended == "stopped"


def test_an_exception_ends_the_audit(recording: type[Recording]) -> None:
    with pytest.raises(KeyboardInterrupt), gl.audit() as audit:
        raise KeyboardInterrupt
    assert recording.ended == "dropped"
    with pytest.raises(RuntimeError, match="the audit has no result"):
        audit.check()


def test_a_running_audit_has_no_result(recording: type[Recording]) -> None:
    audit = gl.audit()
    with pytest.raises(RuntimeError, match="has no result"):
        _ = audit.clean
    with audit, pytest.raises(RuntimeError, match="has no result"):
        _ = audit.engines
    assert recording.ended == "stopped"


def test_an_audit_beside_the_profiler_is_refused(recording: type[Recording]) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        torch.ones(3).sum()
        with pytest.raises(RuntimeError, match="profiler is running"), gl.audit():
            pass
    assert recording.ended == ""
    assert len(profiler.events()) > 0, "the refused audit stopped the profiler"


def test_leaving_an_unentered_audit_is_refused() -> None:
    for kind in (None, ValueError):
        with pytest.raises(RuntimeError, match="the audit was exited without being entered: use `with"):
            gl.audit().__exit__(kind, None, None)

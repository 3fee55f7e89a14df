"""Audits: which engine every kernel is of, and which ran outside of their lanes."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch

import greenlane._native  # noqa: F401  (registers the class)


class StrayError(RuntimeError):
    """Kernels ran where they should not."""


@dataclass(frozen=True)
class AuditedKernel:
    """Runs of one kernel in one place."""

    engine: str | None
    """None: it is no engine's work."""
    kernel: str
    count: int
    gpu_us: float
    """Of all together; CUPTI makes it longer than it is."""
    where: str
    cause: str | None
    """The likely one, of a stray; None: it is none."""


@dataclass(frozen=True)
class AuditedEngine:
    """What an engine did on a lane."""

    name: str
    lane: str | None
    """None: it was not bound."""
    units: int
    """Of the lane; 0: unknown, or none."""
    calls: int
    kernels: int
    copies: int
    """And memsets; they take no units."""
    gpu_us: float
    """Of its kernels; CUPTI makes it longer than it is."""
    judged: bool
    """False: the driver does not say where its lane is, and no kernel could be told from a stray."""
    strays: tuple[AuditedKernel, ...]


def _begin() -> Any:
    return torch.classes.greenlane.Audit()


class Audit:
    """What the GPU did between the two ends of a ``with`` block; see :func:`audit`. Results are there after it."""

    def __init__(self) -> None:
        self._running: Any = None
        self._document: dict[str, Any] | None = None
        self._text = ""

    def __enter__(self) -> "Audit":
        # C++ sees the profilers of its own thread.
        if torch.autograd.profiler._is_profiler_enabled:
            raise RuntimeError(
                "an audit cannot begin: PyTorch's profiler is running, and CUPTI gives its records to one; "
                "end the profiler first, and profile in another run"
            )
        self._running = _begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running, self._running = self._running, None
        if kind is not None:
            running.drop()
            return
        text, self._text = running.stop()
        self._document = json.loads(text)

    @property
    def engines(self) -> tuple[AuditedEngine, ...]:
        """All that were called, in the order of their first calls; one that was bound anew is there once a lane."""
        return tuple(
            AuditedEngine(
                **{**each, "strays": tuple(AuditedKernel(engine=each["name"], **stray) for stray in each["strays"])}
            )
            for each in self._result()["engines"]
        )

    @property
    def others(self) -> tuple[AuditedKernel, ...]:
        """Kernels of no engine, strays among them."""
        return tuple(AuditedKernel(engine=None, **each) for each in self._result()["others"])

    @property
    def strays(self) -> tuple[AuditedKernel, ...]:
        """Kernels that ran outside of their engine's lane, or on undivided units while there are partitions."""
        of_engines = (stray for engine in self.engines for stray in engine.strays)
        return (*of_engines, *(kernel for kernel in self.others if kernel.cause is not None))

    @property
    def dropped(self) -> int:
        """Records that CUPTI lost: of those nothing is known."""
        return int(self._result()["dropped"])

    @property
    def clean(self) -> bool:
        """Whether there are no strays, and nothing was lost."""
        return bool(self._result()["clean"])

    @property
    def json(self) -> str:
        """All of it, as ``greenlane audit --json`` has it below ``"audit"``."""
        return json.dumps(self._result())

    def check(self) -> None:
        """Raises :class:`StrayError`, which lists them, unless :attr:`clean`."""
        if not self.clean:
            raise StrayError(f"the audit is not clean:\n{self}")

    def __str__(self) -> str:
        """A table."""
        return self._text if self._document is not None else "an audit without a result"

    def _result(self) -> dict[str, Any]:
        if self._document is None:
            raise RuntimeError(
                "the audit has no result: its block has not ended, or ended with an exception; "
                "ask after `with gl.audit() as audit: ...`"
            )
        return self._document


def audit() -> Audit:
    """Records which kernels the GPUs run during a ``with`` block, whose they are, and which are strays.

    ::

        with gl.audit() as audit:
            action = policy(observation)
        print(audit)
        audit.check()

    CUPTI, which records them, makes everything slower: measure nothing meanwhile. There is one audit at a time in a
    process, and none beside PyTorch's profiler. Where the block raises, recording ends and there is no result.

    :raises RuntimeError: on entering, where there is no GPU or no CUPTI, and beside another audit or profiler.
    """
    return Audit()

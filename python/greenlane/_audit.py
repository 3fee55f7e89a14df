"""Audits: the engine behind every kernel, and the kernels that ran outside of their engine's lane."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch

import greenlane._native  # noqa: F401  (registers the class)


class StrayError(RuntimeError):
    """Kernels ran outside of their lane's partition, or an audit lost records."""


@dataclass(frozen=True)
class AuditedKernel:
    """Runs of one kernel on one lane, or outside of lanes."""

    engine: str | None
    """The engine's name. None: no engine launched the kernel."""
    kernel: str
    """The kernel's name."""
    count: int
    """Number of runs."""
    gpu_us: float
    """Total GPU time of all runs, in microseconds. CUPTI makes it longer than it is."""
    where: str
    """The units that it ran on, such as "partition 'policy'"."""
    cause: str | None
    """The likely cause of a stray. None: the kernel is no stray."""


@dataclass(frozen=True)
class AuditedEngine:
    """An engine's work on one lane."""

    name: str
    """The engine's name."""
    lane: str | None
    """The lane's name. None: the engine was not bound."""
    units: int
    """Number of the lane's units. 0: unknown, or no lane."""
    calls: int
    """Number of calls."""
    kernels: int
    """Number of kernels."""
    copies: int
    """Number of copies and memsets; they take no units."""
    gpu_us: float
    """Total GPU time of its kernels, in microseconds. CUPTI makes it longer than it is."""
    judged: bool
    """False: the driver does not say where the lane is, so no kernel could be told from a stray."""
    strays: tuple[AuditedKernel, ...]
    """Its kernels that ran outside of the lane's partition."""


def _begin() -> Any:
    return torch.classes.greenlane.Audit()


class Audit:
    """A record of the GPU's work during a ``with`` block; see :func:`audit`.

    The results are available after the block. Before that, and after a block that raised, they raise RuntimeError.
    """

    def __init__(self) -> None:
        self._running: Any = None
        self._document: dict[str, Any] | None = None
        self._text = ""

    def __enter__(self) -> "Audit":
        # C++ sees only the profilers of its own thread.
        if torch.autograd.profiler._is_profiler_enabled:
            raise RuntimeError(
                "an audit cannot begin: PyTorch's profiler is running, and CUPTI supports one subscriber at a time; "
                "end the profiler first, and profile in another run"
            )
        self._running = _begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running, self._running = self._running, None
        if running is None:
            raise RuntimeError("the audit was exited without being entered: use `with gl.audit() as audit: ...`")
        if kind is not None:
            running.drop()
            return
        result = running.stop()
        self._text = result.text()
        self._document = json.loads(result.json())

    @property
    def engines(self) -> tuple[AuditedEngine, ...]:
        """All engines that were called, in the order of their first calls; an engine that was rebound appears once per
        lane."""
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
        """Number of records that CUPTI lost; nothing is known of their kernels."""
        return int(self._result()["dropped"])

    @property
    def clean(self) -> bool:
        """True if there are no strays and no record was lost."""
        return bool(self._result()["clean"])

    @property
    def json(self) -> str:
        """The whole result, in the form that ``greenlane audit --json`` writes below ``"audit"``."""
        return json.dumps(self._result())

    def check(self) -> None:
        """Raises :class:`StrayError`, which lists the strays, unless :attr:`clean` is true."""
        if not self.clean:
            raise StrayError(f"the audit is not clean:\n{self}")

    def __str__(self) -> str:
        """Returns the result as a table."""
        return self._text if self._document is not None else "an audit without a result"

    def _result(self) -> dict[str, Any]:
        if self._document is None:
            raise RuntimeError(
                "the audit has no result: its block has not ended, or ended with an exception; "
                "ask after `with gl.audit() as audit: ...`"
            )
        return self._document


def audit() -> Audit:
    """Records the kernels that the GPUs run during a ``with`` block, the engine of each kernel, and the strays.

    ::

        with gl.audit() as audit:
            action = policy(observation)
        print(audit)
        audit.check()

    CUPTI records the kernels and makes everything slower, so do not measure times during an audit. A process can have
    one audit at a time, and none while PyTorch's profiler runs. If the block raises, recording ends without a result.

    :raises RuntimeError: on entering the block: there is no GPU or no CUPTI, or another audit or profiler is running.
    """
    return Audit()

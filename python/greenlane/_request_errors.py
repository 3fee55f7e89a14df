"""Requests to a pipeline that were not run."""

from typing import Any, Literal, TypeAlias, cast

Reason: TypeAlias = Literal["queue_full", "too_many", "expired", "cancelled", "closed", "stopped"]


class RequestError(RuntimeError):
    """A request to a pipeline that ended without a run."""

    reason: Reason
    """The reason: ``"queue_full"``: the queue of its engine or its tenant had no room for it. ``"too_many"``: its
    tenant sent more than its rate allows. ``"expired"``: its deadline passed before it
    began. ``"cancelled"``: it was cancelled by its caller or by :meth:`Pipeline.close`. ``"closed"``: the pipeline was
    closed before it came. ``"stopped"``: its engine stopped after an error, or hangs."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return (RequestError, (str(self), self.reason))


def error_of(reason: str, message: str) -> RuntimeError | None:
    """Returns the error that C++ describes; None if it describes none."""
    if not reason:
        return None
    if reason == "failed":
        return RuntimeError(message)
    return RequestError(message, cast(Reason, reason))


def require(refusal: tuple[str, str]) -> None:
    """Raises the error that C++ describes, if it describes one."""
    error = error_of(*refusal)
    if error is not None:
        raise error

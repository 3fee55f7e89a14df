"""Refusals of requests, as the protocol has them."""


class ProtocolError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None, allowed: str = "") -> None:
        """Makes it of an HTTP status, a message, the seconds until another try may succeed, and allowed methods."""
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.allowed = allowed


def bad_request(message: str) -> ProtocolError:
    """Returns the refusal of a request that is wrong in itself."""
    return ProtocolError(400, message)

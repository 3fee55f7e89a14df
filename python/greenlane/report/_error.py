"""The one error of reports."""


class ReportError(Exception):
    """An error that prevents the page: what failed, why, and what to do about it."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}; {remedy}")

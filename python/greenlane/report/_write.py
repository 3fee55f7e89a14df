"""Writing a page: whole or not at all."""

from contextlib import suppress
from pathlib import Path

from greenlane.report._fields import ReportError


def write(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that whoever reads it never sees half of it.

    :raises ReportError: where a file cannot be made there; what was there before stays.
    """
    part = path.with_name(path.name + ".part")
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        part.write_text(text, encoding="utf-8", errors="replace")  # JSON can hold halves of characters
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ReportError(
            f"'{path}' cannot be written",
            error.strerror or str(error),
            "name a file in a folder that exists and is yours",
        ) from error

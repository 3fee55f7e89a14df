"""Writing a page: whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from greenlane.report._fields import ReportError


def write(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that whoever reads it never sees half of it.

    Devices and pipes are written in place. Where a link leads to a file, that file is replaced.

    :raises ReportError: where a file cannot be made there; what was there before stays.
    """
    data = text.encode("utf-8", errors="replace")  # JSON can hold halves of characters
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        if path.exists() and not _is_replaced(path):
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise ReportError(
            f"'{path}' cannot be written",
            error.strerror or str(error),
            "name a file in a folder that exists and is yours",
        ) from error


def _is_replaced(path: Path) -> bool:
    # "/dev/stdout" may lead to a regular file, which a rename would take away from what is printed after it.
    is_descriptor = str(path) in ("/dev/stdout", "/dev/stderr") or os.path.realpath(path.parent).startswith("/proc/")
    return path.is_file() and not is_descriptor


def _replace(path: Path, data: bytes) -> None:
    # No other process has this name.
    part = path.with_name(f".greenlane-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:
            if path.exists():
                os.fchmod(descriptor, path.stat().st_mode & 0o777)
            file.write(data)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise

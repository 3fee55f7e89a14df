"""Writes a page whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from greenlane.report._fields import ReportError


def write(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that a reader never sees half of a page.

    Devices and pipes are written in place. If a link leads to a file, that file is replaced.

    :raises ReportError: the file cannot be written; its former contents stay.
    """
    data = text.encode("utf-8", errors="replace")  # JSON can hold unpaired surrogates
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
    # "/dev/stdout" may lead to a regular file; a rename would separate it from the text that is printed afterwards.
    is_descriptor = str(path) in ("/dev/stdout", "/dev/stderr") or os.path.realpath(path.parent).startswith("/proc/")
    return path.is_file() and not is_descriptor


def _replace(path: Path, data: bytes) -> None:
    # No other process uses this name.
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

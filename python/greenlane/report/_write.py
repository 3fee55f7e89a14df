"""Writes a page whole or not at all."""

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from greenlane.report._error import ReportError


def write(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that a reader never sees half of a page.

    Devices and pipes are written directly, and descriptors of this process where they stand. If a link leads to a file,
    that file is replaced.

    :raises ReportError: the file cannot be written; its former contents stay.
    """
    data = text.encode("utf-8", errors="replace")  # JSON can hold unpaired surrogates
    try:
        descriptor = _descriptor_of(path)
        if descriptor is not None:
            if descriptor == 1 and sys.stdout is None:
                raise OSError("standard output is closed")
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            return
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        if _exists(path) and not _is_replaced(path):
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise ReportError(
            f"'{path}' cannot be written",
            error.strerror or str(error),
            "name a file in a folder that exists and is yours",
        ) from error


def is_standard_output(path: Path) -> bool:
    """Returns whether what is written to the path goes where standard output goes."""
    try:
        return _descriptor_of(path) == 1 or os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def _descriptor_of(path: Path) -> int | None:
    """Returns the descriptor of this process that the path names; None if it names none.

    A descriptor may lead to a file. Opening that file anew would overwrite what stands in it, and replacing it would
    separate it from what is printed afterwards.
    """
    named = {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))
    if named is not None or not re.fullmatch("[0-9]+", path.name):
        return named
    return int(path.name) if os.path.realpath(path.parent) == f"/proc/{os.getpid()}/fd" else None


def _exists(path: Path) -> bool:
    """Returns whether there is a file; raises OSError if that cannot be told, as for a link that leads to itself."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _is_replaced(path: Path) -> bool:
    return path.is_file() and not os.path.realpath(path.parent).startswith("/proc/")


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

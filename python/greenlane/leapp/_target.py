"""Where a pipeline goes: its TOML file, and a folder beside the file with its packages and data."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from greenlane.leapp._description import Description
from greenlane.leapp._error import LeappError, shown

_MADE = "made.json"
_ELSEWHERE = "name another folder with -o"


@dataclass(frozen=True)
class Target:
    """The places of a pipeline."""

    out: Path
    toml: Path
    folder: Path


def target(description: Description, out: Path) -> Target:
    """Returns the places of a pipeline, which are named after the YAML.

    :raises LeappError: the name of the YAML fits no folder, or no TOML file can hold it.
    """
    stem = description.file.stem
    if not stem.strip(".") or any(0xD800 <= ord(each) < 0xE000 for each in stem):
        raise LeappError(
            shown(description.file), "the pipeline's folder cannot have this name", "rename the YAML, as robot.yaml"
        )
    return Target(out, out / f"{stem}.toml", out / stem)


def check_target(description: Description, places: Target, files: Collection[str], overwrite: bool) -> None:
    """Finds out before the first compile whether the files can be written.

    :param files: the names of the files that the folder may get.
    :raises LeappError: something is in the way.
    """
    nearest = next(each for each in (places.out, *places.out.parents) if os.path.lexists(each) or each == each.parent)
    if not nearest.is_dir():
        why = "it is a link that leads nowhere" if not nearest.exists() else "it is a file"
        raise LeappError(f"{shown(nearest)} is no folder", why, _ELSEWHERE)
    _refuse_export(description, places)
    for file in (places.toml, *(places.folder / name for name in (*files, _MADE) if overwrite)):
        if file.is_dir():
            raise LeappError(
                f"{shown(file)} is a folder", "a file of the pipeline has this name", f"remove it, or {_ELSEWHERE}"
            )
    for path, why in ((places.toml, "you may have edited it"), (places.folder, "it may hold files of yours")):
        if os.path.lexists(path) and not overwrite:
            raise LeappError(f"{shown(path)} exists", why, f"{_ELSEWHERE}, or replace the pipeline (--overwrite)")
    if os.path.lexists(places.folder):
        if not places.folder.is_dir():
            raise LeappError(
                f"{shown(places.folder)} is no folder",
                "the pipeline's folder has this name",
                f"remove it, or {_ELSEWHERE}",
            )
        _made(places.folder)


@contextlib.contextmanager
def staging(places: Target) -> Iterator[Path]:
    """Yields a folder on the file system of the output folder, so that each rename is atomic."""
    is_new = not places.out.exists()
    places.out.mkdir(parents=True, exist_ok=True)
    stage = places.out / f".greenlane-{os.getpid()}-{secrets.token_hex(4)}"
    stage.mkdir()
    try:
        (stage / places.folder.name).mkdir()
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty if all went well
                places.out.rmdir()


def move(stage: Path, places: Target) -> None:
    """Moves all files to their places, and removes files of the last pipeline that this one does not have.

    Without a TOML file while they change, a crash in between is noticed.
    """
    new = stage / places.folder.name
    names = sorted(file.name for file in new.iterdir())
    (new / _MADE).write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
    places.toml.unlink(missing_ok=True)
    if not places.folder.exists():
        new.rename(places.folder)
    else:
        old = _made(places.folder)
        for name in names:
            (new / name).replace(places.folder / name)
        for name in old.difference(names):
            file = places.folder / name
            if file.is_file() or file.is_symlink():
                file.unlink()
        (new / _MADE).replace(places.folder / _MADE)
    (stage / places.toml.name).replace(places.toml)


def _refuse_export(description: Description, places: Target) -> None:
    """Refuses to write among the files of the export."""
    own = [description.file, *(node.program for node in description.nodes.values())]
    if description.initial_values is not None:
        own.append(description.initial_values)
    if places.toml.exists() and any(each.exists() and places.toml.samefile(each) for each in own):
        raise LeappError(f"{shown(places.toml)} cannot be replaced", "it is a file of the export", _ELSEWHERE)
    if not places.folder.is_dir():
        return
    around = {parent for each in own for path in (each.absolute(), each.resolve()) for parent in path.parents}
    if any(each.exists() and places.folder.samefile(each) for each in around):
        raise LeappError(
            f"{shown(places.folder)} cannot be replaced", "the files of the export are in this folder", _ELSEWHERE
        )


def _made(folder: Path) -> set[str]:
    """Returns the names of the files that the importer made in a folder."""
    file = folder / _MADE
    if not os.path.lexists(file):
        return set()
    try:
        names = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(each, str) and _is_plain(each) for each in names):
        raise LeappError(
            shown(file),
            "this is no list of the files that the importer made",
            f"remove {shown(folder)}, or {_ELSEWHERE}",
        )
    return set(names)


def _is_plain(name: str) -> bool:
    """Returns whether a name is one of a file in the folder, and not of one elsewhere."""
    return name not in ("", ".", "..") and not any(each in name for each in "/\\\0")

"""Writing what was asked for where it was asked for, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from imkit.stream import ImkitError


class ExportError(ImkitError):
    """A timeline cannot be exported. Says why and what to do."""


def write_file(path: Path, data: bytes, *, force: bool) -> None:
    """Writes one file. What is there already stays unless ``force``; a link is never followed."""
    if path.is_symlink():
        raise ExportError(f"{path}: is a link, which is never written through; name a file")
    if path.is_dir():
        raise ExportError(f"{path}: is a folder; this format is one file, so name one")
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(data)
    except FileExistsError:
        raise ExportError(f"{path}: exists; choose another name, or add --force (force=True)") from None
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_with(path: Path, data: bytes, media: Mapping[str, Callable[[BinaryIO], None]], *, force: bool) -> None:
    """Writes a file, and before it the media that it names, beside it. Nothing is left if any cannot be written."""
    beside = {path.with_name(name): write for name, write in media.items()}
    there = [
        place for place in (path, *beside) if place.is_symlink() or place.is_dir() or (place.exists() and not force)
    ]
    if there:
        write_file(there[0], b"", force=force)  # raises, and says why
    made: list[Path] = []
    try:
        for place, write in beside.items():
            with place.open("wb" if force else "xb") as file:
                made.append(place)
                write(file)
        write_file(path, data, force=force)
    except BaseException as error:
        for place in made:
            place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ExportError(f"{path}: its media cannot be written: {error.strerror or error}") from error
        raise


def write_folder(folder: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Writes files of plain names into ``folder``, made if need be. Nothing is written if any is in the way."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder}: is no folder; this format is a folder of {', '.join(files)}")
    there = [name for name in files if (folder / name).exists() or (folder / name).is_symlink()]
    if there and not force:
        raise ExportError(f"{folder}: holds {', '.join(there)}; choose another folder, or add --force (force=True)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be made: {error.strerror or error}") from error
    for name, data in files.items():
        write_file(folder / name, data, force=force)

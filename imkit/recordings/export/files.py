"""Writing what was asked for where it was asked for, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

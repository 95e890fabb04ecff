"""Where a model's files are: a folder, or a repository on the Hub, of which only what is no program is fetched.

Weights are safetensors. Pickle files (``.bin``, ``.pt``, ``.pth``, ``.ckpt``, ``.pkl``) can run code when they are
read: they are never fetched and never opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imkit.stream import ModelError

WANTED = ("*.safetensors", "*.json", "*.onnx", "*.flac")
ONLY_SAID = ("*.json",)  # what a repository says of itself, without its weights
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")


def folder_of(name: str | Path, revision: str | None = None, *, wanted: tuple[str, ...] = WANTED) -> Path:
    """The folder of ``name``: a folder itself, or ``owner/name`` on the Hub at ``revision``.

    What of a repository is in Hugging Face's cache is used as it is, without asking the network; else the files of
    ``wanted`` are fetched there: safetensors, JSON, ONNX and FLAC. Raises ModelError where nothing can be had.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ModelError(f"{path} is a folder and has no revision {revision!r}; leave it out, or give owner/name")
        return path
    if not HUB_ID.fullmatch(str(name)):
        raise ModelError(f"{name} is neither a folder nor a repository on the Hub; expected a path or owner/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = list(wanted)
    try:
        kept = Path(snapshot_download(str(name), revision=revision, allow_patterns=patterns, local_files_only=True))
        if whole(kept) or (wanted == ONLY_SAID and (kept / "config.json").is_file()):
            return kept
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(str(name), revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        at = f" at {revision}" if revision else ""
        raise ModelError(
            f"{name}{at} is not in the cache and cannot be fetched ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no reason given'}); "
            "check the name and the network, or give a folder"
        ) from error


def whole(folder: Path) -> bool:
    """Whether a folder has a configuration and all weights that its index names."""
    if not (folder / "config.json").is_file():
        return False
    for index in folder.glob("*.safetensors.index.json"):
        names = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        return all((folder / name).is_file() for name in names)
    return any(folder.glob("*.safetensors"))


def config_of(folder: Path) -> Mapping[str, Any]:
    """What config.json says. Raises ModelError where there is none, or it is no object."""
    path = folder / "config.json"
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no readable configuration ({error}); a model's folder has one") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds a {type(value).__name__}, expected an object")
    return value


def no_pickles(folder: Path) -> None:
    """Raises ModelError where weights are to be had as pickle only."""
    found = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES) if folder.is_dir() else []
    if found and not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: the weights are pickle files ({', '.join(found[:3])}), which can run code when they are read; "
            "imkit reads .safetensors only. Ask who made them for safetensors, or convert them where it is safe."
        )


def weights_here(folder: Path) -> None:
    """Raises ModelError where a folder has no safetensors."""
    no_pickles(folder)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder}: holds no .safetensors; it is no model, or was not fetched whole")

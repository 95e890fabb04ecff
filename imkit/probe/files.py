"""Activations on disk: tensors as safetensors, and a JSON index of what they are and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .cache import ActivationCache
from .errors import ProbeError
from .seen import Seen, Tokens

FORMAT = "imkit-activations"
VERSION = 1


def save_cache(cache: ActivationCache, path: Path) -> Path:
    """Writes the tensors to ``path`` and what they are to ``<path>.json``; gives ``path``. It may be loaded anywhere.

    One tensor ``<number>/<site>`` for each micro-turn and site, as it was kept, in its own dtype. Raises ProbeError
    where ``path`` does not end in ``.safetensors``.
    """
    from safetensors.torch import save_file

    if path.suffix != ".safetensors":
        raise ProbeError(f"{path}: activations are written as safetensors; call it {path.with_suffix('.safetensors')}")
    tensors = {f"{i}/{name}": kept.contiguous() for i, one in enumerate(cache.seen) for name, kept in one.at.items()}
    turns = [{"index": one.index, "tokens": _plain(one.tokens), "reach": _plain(one.reach)} for one in cache.seen]
    index = {"format": FORMAT, "version": VERSION, "axes": {k: list(v) for k, v in cache.axes.items()}, "turns": turns}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    index_of(path).write_text(json.dumps(index), encoding="utf-8")
    return path


def load_cache(path: Path | str, model: Any = None) -> ActivationCache:
    """Activations that ``cache.save`` wrote. Raises ProbeError where they cannot be read.

    With ``model`` (a name or a model), other names of sites are understood and residual streams can be taken apart.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    try:
        index = json.loads(index_of(path).read_text(encoding="utf-8"))
        if index["format"] != FORMAT or index["version"] != VERSION:
            raise ProbeError(
                f"{index_of(path)}: is {index['format']} of version {index['version']}, expected {FORMAT} {VERSION}"
            )
        tensors = load_file(path)
        seen = [Seen(int(one["index"]), {}, _read(one["tokens"]), _read(one["reach"])) for one in index["turns"]]
        axes = {str(name): tuple(map(str, names)) for name, names in index["axes"].items()}
        for key, tensor in tensors.items():
            number, _, name = key.partition("/")
            if name not in axes:
                raise ProbeError(f"{path}: holds {name!r}, which its index does not know")
            seen[int(number)].at[name] = tensor
    except ProbeError:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, SafetensorError) as error:
        raise ProbeError(f"{path}: no activations that can be read ({type(error).__name__}: {error})") from error
    points = None
    if model is not None:
        from .run import sites

        points = sites(model)
    return ActivationCache(seen, axes, points)


def index_of(path: Path) -> Path:
    """Where the index of a file of activations lies."""
    return path.with_name(path.name + ".json")


def _plain(tokens: Tokens | None) -> Any:
    if tokens is None:
        return None
    return {"place": tokens.place.tolist(), "stream": tokens.stream.tolist(), "ahead": int(tokens.ahead)}


def _read(plain: Any) -> Tokens | None:
    if plain is None:
        return None
    return Tokens(np.array(plain["place"], np.int64), np.array(plain["stream"], "<U10"), int(plain["ahead"]))

"""Activations on disk: tensors as safetensors, and a JSON index of what they are and when."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imkit.model.ring import STREAMS

from .cache import ATTENTION, ActivationCache
from .errors import ProbeError
from .seen import Seen, Tokens

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "imkit-activations"
VERSION = 1
MAX_INDEX_BYTES = 1 << 30
MAX_PLACE = 1 << 50


def save_cache(cache: ActivationCache, path: Path) -> Path:
    """Writes the tensors to ``path`` and what they are to ``<path>.json``; gives ``path``. It may be loaded anywhere.

    One tensor ``<number>/<site>`` for each micro-turn and site, as it was kept, in its own dtype. What is there is
    replaced. Raises ProbeError where ``path`` does not end in ``.safetensors`` or cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = path.expanduser()
    if path.suffix != ".safetensors":
        raise ProbeError(f"{path}: activations are written as safetensors; call it {path.with_suffix('.safetensors')}")
    tensors = {f"{i}/{name}": kept.contiguous() for i, one in enumerate(cache.seen) for name, kept in one.at.items()}
    turns = [{"index": one.index, "tokens": _plain(one.tokens), "reach": _plain(one.reach)} for one in cache.seen]
    pair = uuid.uuid4().hex
    index = {
        "format": FORMAT,
        "version": VERSION,
        "pair": pair,
        "streams": list(STREAMS),
        "axes": {name: list(axes) for name, axes in cache.axes.items()},
        "turns": turns,
    }
    told = index_of(path)
    half = path.with_name(f".{path.name}.{pair}"), told.with_name(f".{told.name}.{pair}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, half[0], {"format": FORMAT, "pair": pair})
        half[1].write_text(json.dumps(index), encoding="utf-8")
        os.replace(half[0], path)
        os.replace(half[1], told)
    except (OSError, SafetensorError) as error:
        raise ProbeError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        for left in half:
            with suppress(OSError):
                left.unlink(missing_ok=True)
    return path


def load_cache(path: Path | str, model: Any = None) -> ActivationCache:
    """Activations that ``cache.save`` wrote. Raises ProbeError where they cannot be read, or do not fit together.

    With ``model`` (a name or a model), residual streams can be taken apart and unknown sites are told from it.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path).expanduser()
    try:
        index = _index(index_of(path))
        axes = {str(name): tuple(map(str, names)) for name, names in index["axes"].items()}
        streams = [STREAMS.index(name) for name in index["streams"]]
        seen = [
            Seen(_whole(one["index"], MAX_PLACE), {}, _read(one["tokens"], streams), _read(one["reach"], streams))
            for one in index["turns"]
        ]
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("pair") != index["pair"]:
                raise ProbeError(f"{path}: is of another time than {index_of(path)}; keep the two files together")
            for key in file.keys():  # noqa: SIM118 (not a dict)
                number, _, name = key.partition("/")
                if name not in axes or not number.isdecimal():
                    raise ProbeError(f"{path}: holds {key!r:.80}, which its index does not know")
                seen[int(number)].at[name] = file.get_tensor(key)
        _check(seen, axes, path)
    except ProbeError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ProbeError(f"{path}: no activations that can be read ({type(error).__name__}: {error})") from error
    points = None
    if model is not None:
        from .run import sites

        points = sites(model)
    return ActivationCache(seen, axes, points)


def index_of(path: Path) -> Path:
    """Where the index of a file of activations lies."""
    return path.with_name(path.name + ".json")


def _index(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MAX_INDEX_BYTES:
        raise ProbeError(f"{path}: is {size / 1e9:.1f} GB, an index has {MAX_INDEX_BYTES / 1e9:.1f} GB at most")
    index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if index["format"] != FORMAT or index["version"] != VERSION:
        raise ProbeError(
            f"{path}: is {index['format']!r:.40} of version {index['version']!r:.40}, expected {FORMAT} {VERSION}"
        )
    return index


def _check(seen: list[Seen], axes: Mapping[str, tuple[str, ...]], path: Path) -> None:
    """Raises ProbeError where tensors are not of the shapes that the index says."""
    for before, one in zip([None, *seen], seen, strict=False):
        if before is not None and before.index >= one.index:
            raise ProbeError(f"{path}: has micro-turn {one.index} after {before.index}; expected rising ones")
        for name, tensor in one.at.items():
            if not _fits(tensor, axes[name], one):
                raise ProbeError(
                    f"{path}: {name} at micro-turn {one.index} is {tuple(tensor.shape)}, which does not fit the axes "
                    f"{' '.join(axes[name])} and the tokens that the index tells"
                )


def _fits(tensor: Tensor, axes: tuple[str, ...], one: Seen) -> bool:
    if not axes:
        return True
    if tensor.ndim != len(axes) or len(axes) < 2 or tensor.shape[0] != 1 or one.tokens is None or one.reach is None:
        return False
    rows = len(one.tokens.place)
    if ATTENTION in axes:
        return tuple(tensor.shape[2:]) == (rows, len(one.reach.place))
    return axes[1] != "pos" or tensor.shape[1] == rows


def _plain(tokens: Tokens | None) -> Any:
    return None if tokens is None else {"place": tokens.place.tolist(), "kind": tokens.kind.tolist()}


def _read(plain: Any, streams: list[int]) -> Tokens | None:
    if plain is None:
        return None
    place = [_whole(one, MAX_PLACE, -1) for one in plain["place"]]
    kind = [-1 if one == -1 else streams[_whole(one, len(streams))] for one in plain["kind"]]
    if len(place) != len(kind):
        raise ProbeError(f"its index has {len(place)} places of {len(kind)} tokens")
    return Tokens(np.array(place, np.int64), np.array(kind, np.int8))


def _whole(value: Any, below: int, low: int = 0) -> int:
    if type(value) is not int or not low <= value < below:
        raise ValueError(f"{value!r:.40} where a whole number from {low} to {below} was expected")
    return value

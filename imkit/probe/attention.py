"""Attention by stream: how much of it goes to sound, words, what was told and own acts, by layer and head, over time.

Weights are those after softmax. A large weight says that a head looked there, not that what it read there mattered
(Jain & Wallace 2019, "Attention is not Explanation"): for that there are attribution and patching. Microphone and own
voice are summed into one token, so attention cannot tell them apart; ``imkit.probe.attribute`` can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .cache import ActivationCache
from .errors import ProbeError
from .names import layer_of
from .positions import Positions
from .seen import Seen, Tokens

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
PATTERN = "attn.hook_pattern"
_NAMES = {"camera": "camera", "audio": "audio", "act": "acts", "heard": "words heard", "typed": "typed"}
_ALWAYS = ("audio now", "audio before", "words heard", "typed", "acts before", "act now")
_TOLD = ("background", "tool", "notebook", "ui", "file")
STREAMS = (
    "camera",
    "audio now",
    "audio before",
    "words heard",
    "typed",
    *(f"told by {one}" for one in _TOLD),
    "acts before",
    "act now",
)


@dataclass(frozen=True, slots=True, eq=False)
class StreamAttention:
    """Attention of some queries, summed by the stream of what it goes to.

    weights    [layer, head, row, stream]; over streams they sum to 1. NaN where nothing of a stream was in reach
    reach      [row, stream], how many tokens of it were in reach
    left       [row, stream], how many of it are known to have been and had left the ring
    streams    what a token is of, and for sound and acts whether it is of the query's own micro-turn ("now")
    layers     numbers of the layers
    positions  of the queries [row]
    """

    weights: Floats
    reach: Ints
    left: Ints
    streams: tuple[str, ...]
    layers: tuple[int, ...]
    positions: Positions

    def of(self, layer: int | None = None, head: int | None = None) -> Floats:
        """Weights [row, stream] of a head, or the mean over heads, over layers, or over both. Raises ProbeError."""
        found = self.weights
        if layer is not None:
            if layer not in self.layers:
                raise ProbeError(f"layer={layer}: of attention are kept here the layers {list(self.layers)}")
            found = found[self.layers.index(layer)][None]
        if head is not None:
            if not 0 <= head < found.shape[1]:
                raise ProbeError(f"head={head}: expected 0 to {found.shape[1] - 1}")
            found = found[:, head][:, None]
        mean: Floats = found.mean((0, 1))
        return mean

    def figure(self, layer: int | None = None, head: int | None = None, theme: str = "light", **more: Any) -> Any:
        """A strip for each stream over time, as a plotly figure; of one layer or head, or the mean of all.

        A reddish strip says that there was something and the ring let go of it, an empty one that there was nothing.
        ``more`` is ``width`` and ``live``, as for ``imkit.views.figure``.
        """
        from imkit.views.attention_figure import streams_figure

        gone = (self.reach == 0) & (self.left > 0)
        at, weights = self.positions, self.of(layer, head)
        of = " ".join(f"{name} {n}" for name, n in (("layer", layer), ("head", head)) if n is not None)
        return streams_figure(weights, gone, self.streams, at.start_s, at.end_s, of, theme, **more)

    def grid(self, theme: str = "light", *, width: int = 1000) -> Any:
        """Layers by heads, as a plotly figure: in each small field the shares of the streams over time."""
        from imkit.views.attention_grid import attention_grid

        return attention_grid(self.weights, self.streams, self.layers, self.positions.start_s, theme, width=width)

    def __repr__(self) -> str:
        layers, heads, rows, streams = self.weights.shape
        return f"StreamAttention({layers} layers, {heads} heads, {rows} queries, {streams} streams)"


def attention_by_stream(cache: ActivationCache, query: str = "act") -> StreamAttention:
    """How much attention goes to which stream, for every query of a kind in a cache.

    ``query`` is the stream of the queries: "act" (what floor, words said and calls are read from), "audio" (what words
    heard are read from), or another of ``cache.positions.stream``. The cache must hold ``attn.hook_pattern`` of the
    layers that are wanted: ``names_filter=lambda name: name.endswith("hook_pattern")``. Raises ProbeError.
    """
    sites = [name for name in cache if name.endswith(PATTERN)]
    if not sites or not cache.seen or any(name not in one.at for one in cache.seen for name in sites):
        raise ProbeError(
            f"{cache!r} does not hold attention all along; run with "
            "names_filter=lambda name: name.endswith('hook_pattern')"
        )
    if query not in cache.positions.stream:
        held = ", ".join(np.unique(cache.positions.stream).tolist())
        raise ProbeError(f"query={query!r}: no such token is held; expected one of {held}")
    parts = [_of_one(one, sites, query, cache._keys) for one in cache.seen]
    weights = np.concatenate([part[0] for part in parts], 2)
    reach, left = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    shown = [i for i, name in enumerate(STREAMS) if name in _ALWAYS or reach[:, i].any() or left[:, i].any()]
    layers = tuple(layer_of(name) or 0 for name in sites)
    positions = cache.positions[np.flatnonzero(cache.positions.stream == query)]
    streams = tuple(STREAMS[i] for i in shown)
    return StreamAttention(weights[..., shown], reach[:, shown], left[:, shown], streams, layers, positions)


def stream_names(tokens: Tokens, now: int | None) -> npt.NDArray[np.str_]:
    """What tokens are of [n], one of ``STREAMS``, seen from micro-turn ``now``; without one just "audio" and "acts"."""
    names = np.array([_NAMES.get(one, f"told by {one}") for one in tokens.stream.tolist()], "<U18")
    if now is not None:
        own = tokens.index == now
        for stream, before in (("audio", "audio before"), ("act", "acts before")):
            of_it = tokens.stream == stream
            names[of_it & own], names[of_it & ~own] = f"{stream} now", before
    return names


def _of_one(one: Seen, sites: list[str], query: str, known: Tokens) -> tuple[Floats, Ints, Ints]:
    """Weights [layer, head, row, stream], reach and left [row, stream] of the queries of one micro-turn."""
    if one.tokens is None or one.reach is None:
        raise ProbeError("the model does not say what its keys are, so attention cannot be told apart by stream")
    rows = np.flatnonzero(one.tokens.stream == query)
    places, count = one.reach.place, len(one.tokens.place)
    own = np.arange(len(places)) - (len(places) - count)  # of the micro-turn's own tokens their number, else negative
    seen = (places >= 0)[None] & (own[None] <= rows[:, None])  # [row, key]
    of = stream_names(one.reach, one.index)[:, None] == np.array(STREAMS)[None]  # [key, stream]
    reach = seen.astype(np.int64) @ of.astype(np.int64)
    before = known.place[None] <= one.tokens.place[rows][:, None]
    total = before.astype(np.int64) @ (stream_names(known, one.index)[:, None] == np.array(STREAMS)[None])
    found = []
    for site in sites:
        pattern = one.at[site][0].float().numpy()[:, rows]  # [head, row, key]
        found.append(np.where(seen[None], pattern, 0) @ of.astype(np.float32))
    weights = np.where(reach > 0, np.stack(found), np.nan).astype(np.float32)
    return weights, reach, np.maximum(total - reach, 0)


def attention_figure(
    cache: ActivationCache,
    layer: int,
    head: int | None = None,
    at_s: float | None = None,
    theme: str = "light",
    *,
    reach_s: float | None = None,
    width: int = 900,
    live: bool | None = None,
) -> Any:
    """The attention matrix of a layer as a plotly figure, with the sums by key above and by stream at the right.

    head     which one; None is the mean over all
    at_s     only the queries of that micro-turn; None is all in the cache: of a part take ``cache.between(...)``
    reach_s  only keys of so many seconds before the last query; None is all that were in reach
    live     a widget whose sums follow the zoom; as for ``imkit.views.attention_figure.attention_matrix``

    More than 160 queries or keys are drawn in groups, and the figure says so. Raises ProbeError, UnknownSite.
    """
    from imkit.views.attention_figure import attention_matrix

    part = cache if at_s is None else cache.at(at_s)
    pattern = part[f"blocks.{layer}.{PATTERN}"][0].float()
    if head is not None and not 0 <= head < len(pattern):
        raise ProbeError(f"head={head}: expected 0 to {len(pattern) - 1}, or None for the mean over heads")
    weights = (pattern.mean(0) if head is None else pattern[head]).numpy()
    queries, keys = part.positions, part.key_positions
    late = np.ones(len(keys), bool) if reach_s is None else keys.end_s > queries.end_s[-1] - reach_s
    names = stream_names(part._keys, int(part.index[-1]) if at_s is not None else None)
    weights, names = weights[:, late], names[late]
    of = f"layer {layer}, " + ("mean of heads" if head is None else f"head {head}")
    rows = (queries.stream.tolist(), queries.start_s)
    return attention_matrix(weights, rows, (names.tolist(), keys.start_s[late]), of, theme, width=width, live=live)

"""The sites of the network where one can look in: each has a name, axes and other names that people know it by.

Names are those of TransformerLens 3 (``blocks.0.attn.hook_pattern``), its older ones are understood too; what a
language model has not, the microphone, the camera, words that come in and decisions that go out, stands under roots of
our own. A site is an identity: the network computes the same with it and without it, and no weight is ever changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Site:
    """One site, or one for each layer where the name holds ``{i}``.

    axes   of its tensor; the second one is what rises with time, and ``counts`` says what it counts
    says   what is there
    known  other names for it
    """

    name: str
    axes: tuple[str, ...]
    says: str
    known: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """What the second axis counts: "pos" (tokens), "audio", "act", "word", "mel" and so on."""
        return self.axes[1]


def _site(name: str, axes: str, says: str, *known: str) -> Site:
    return Site(name, tuple(axes.split()), says, known)


BLOCK = "blocks.{i}."
SITES = (
    _site("clock.hook_out", "batch tick phase", "sines, then cosines, of the tick at periods of 2, 4, 8 ... ticks"),
    _site("vision.hook_in", "batch frame rgb height width", "the newest picture, 0 to 1"),
    _site("vision.hook_out", "batch frame d_model", "its token"),
    _site("text.hook_out", "batch word d_model", "tokens of words: heard before, typed, told by an event"),
    _site("audio.mic.hook_in", "batch mel bin", "mel levels of the microphone, whole numbers"),
    _site("audio.mic.hook_out", "batch mel bin d_level", "their embeddings"),
    _site("audio.own.hook_in", "batch mel bin", "mel levels of the model's own sound, whole numbers"),
    _site("audio.own.hook_out", "batch mel bin d_level", "their embeddings"),
    _site("audio.hook_out", "batch audio d_model", "audio tokens of 50 ms: microphone and own sound, summed"),
    _site("act.hook_out", "batch act d_model", "the token of what was done in the micro-turn before, and the clock"),
    _site("embed.hook_out", "batch pos d_model", "all tokens of a micro-turn, into the layers", "hook_embed"),
    _site(
        BLOCK + "hook_in",
        "batch pos d_model",
        "residual stream into the layer",
        BLOCK + "hook_resid_pre",
        BLOCK + "ln1.hook_in",
    ),
    _site(
        BLOCK + "ln1.hook_out",
        "batch pos d_model",
        "normed, into attention",
        BLOCK + "ln1.hook_normalized",
        BLOCK + "attn.hook_in",
        BLOCK + "hook_attn_in",
    ),
    _site(BLOCK + "attn.q.hook_out", "batch pos head_index d_head", "queries, before turning", BLOCK + "attn.hook_q"),
    _site(BLOCK + "attn.k.hook_out", "batch pos head_index d_head", "keys, before turning", BLOCK + "attn.hook_k"),
    _site(BLOCK + "attn.v.hook_out", "batch pos head_index d_head", "values", BLOCK + "attn.hook_v"),
    _site(BLOCK + "attn.hook_rot_q", "batch pos head_index d_head", "queries, turned by their position"),
    _site(BLOCK + "attn.hook_rot_k", "batch pos head_index d_head", "keys, turned by their position"),
    _site(BLOCK + "attn.hook_attn_scores", "batch head_index query_pos key_pos", "scores before softmax"),
    _site(BLOCK + "attn.hook_pattern", "batch head_index query_pos key_pos", "attention after softmax"),
    _site(BLOCK + "attn.o.hook_in", "batch pos head_index d_head", "what each head mixed", BLOCK + "attn.hook_z"),
    _site(BLOCK + "attn.hook_out", "batch pos d_model", "what attention adds", BLOCK + "hook_attn_out"),
    _site(
        BLOCK + "ln2.hook_in", "batch pos d_model", "residual stream between the two halves", BLOCK + "hook_resid_mid"
    ),
    _site(
        BLOCK + "ln2.hook_out",
        "batch pos d_model",
        "normed, into the perceptron",
        BLOCK + "ln2.hook_normalized",
        BLOCK + "mlp.hook_in",
        BLOCK + "hook_mlp_in",
    ),
    _site(BLOCK + "mlp.in.hook_out", "batch pos d_mlp", "before the nonlinearity", BLOCK + "mlp.hook_pre"),
    _site(BLOCK + "mlp.out.hook_in", "batch pos d_mlp", "after it", BLOCK + "mlp.hook_post"),
    _site(BLOCK + "mlp.hook_out", "batch pos d_model", "what the perceptron adds", BLOCK + "hook_mlp_out"),
    _site(BLOCK + "hook_out", "batch pos d_model", "residual stream out of the layer", BLOCK + "hook_resid_post"),
    _site(
        "ln_final.hook_out",
        "batch pos d_model",
        "the last residual stream, normed",
        "ln_final.hook_normalized",
        "unembed.hook_in",
    ),
    _site("heard.hook_out", "batch audio d_vocab", "logits of the words heard, from the audio tokens"),
    _site("voice.hook_out", "batch act d_vocab", "logits of the next word said, from the act token"),
    _site("floor.hook_out", "batch act d_floor", "logits of listen, backchannel, speak"),
    _site("call.hook_out", "batch act d_call", "logits of the calls"),
    _site("slots.hook_out", "batch act d_slots", "logits of what a call says more exactly, slot after slot"),
)


def all_sites(layers: int) -> Iterator[Site]:
    """Every site of a network of so many layers, in the order in which a micro-turn passes them."""
    inside = [site for site in SITES if site.name.startswith(BLOCK)]
    first = SITES.index(inside[0])
    yield from SITES[:first]
    for i in range(layers):
        for site in inside:
            known = tuple(name.format(i=i) for name in site.known)
            yield Site(site.name.format(i=i), site.axes, site.says, known)
    yield from SITES[first + len(inside) :]


class HookPoint(nn.Module):
    """An identity with a name; a forward hook on it sees, and may replace, what passes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """X as it is."""
        return x

    @property
    def used(self) -> bool:
        """Whether somebody looks in here."""
        return bool(self._forward_hooks)


class Sites(nn.Module):
    """The hook points of one part of the network: ``sites(name, x)`` passes x through the one of that name."""

    def __init__(self, root: str, names: Iterable[str]) -> None:
        super().__init__()
        self.points: dict[str, HookPoint] = {}
        for name in names:
            self.points[name] = HookPoint(root + name)
            self.add_module((root + name).replace(".", "/"), self.points[name])

    def forward(self, name: str, x: Tensor) -> Tensor:
        """X through the point of that name."""
        out: Tensor = self.points[name](x)
        return out

    def used(self, *names: str) -> bool:
        """Whether somebody looks in at any of these."""
        return any(self.points[name].used for name in names)


def below(root: str) -> list[str]:
    """Names of the sites under a root, without it: ``below("blocks.{i}.")``."""
    return [site.name.removeprefix(root) for site in SITES if site.name.startswith(root)]


def written_out(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, sites: Sites | None) -> Tensor:
    """Scaled dot-product attention in the open, all [batch, head, pos, width]: scores and pattern can be seen."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + bias.to(query.dtype)
    seen: Callable[[str, Tensor], Tensor] = (lambda _, x: x) if sites is None else sites
    pattern = seen("attn.hook_pattern", torch.softmax(seen("attn.hook_attn_scores", scores), -1))
    return pattern @ value


__all__ = ["BLOCK", "SITES", "HookPoint", "Site", "Sites", "all_sites", "below", "written_out"]

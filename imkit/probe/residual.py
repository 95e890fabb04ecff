"""The residual stream taken apart: by layer, by part, by head, and what each of them adds to a logit.

Names, axes and labels are those of TransformerLens. A final norm is not linear; where parts are normed here, each is
divided by the length of the *whole* stream, as it was, and multiplied by the norm's own weight: its scale is frozen
(Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; TransformerLens ``apply_ln_to_stack``). So
parts still sum to the whole. Weights are as they were trained: nothing is folded or centred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .decisions import Answer, Decision, decision_of, network_of
from .errors import ProbeError

if TYPE_CHECKING:
    from torch import Tensor

    from .cache import ActivationCache

EPSILON = 1e-6
"""Of the network's norms."""
Slice = int | tuple[int, ...] | slice | Sequence[int] | np.ndarray[Any, Any] | None
"""Which positions: one number takes the axis away, (start, stop) or a slice a stretch, a list or a mask some."""


def accumulated_resid(
    cache: ActivationCache,
    layer: int | None = None,
    incl_mid: bool = False,
    apply_ln: bool = False,
    pos_slice: Slice = None,
    mlp_input: bool = False,
    return_labels: bool = False,
) -> Any:
    """The residual stream before each layer up to ``layer``, and after the last; see ``ActivationCache``."""
    layers = _layers(cache)
    upto = _upto(layers, layer)
    sites: list[tuple[str, str]] = []
    for i in range(upto + 1):
        if i == layers:
            sites.append((f"blocks.{i - 1}.hook_out", "final_post"))
            continue
        sites.append((f"blocks.{i}.hook_in", f"{i}_pre"))
        if (incl_mid and i < upto) or (mlp_input and i == upto):
            sites.append((f"blocks.{i}.ln2.hook_in", f"{i}_mid"))
    return _stacked(cache, sites, layer, apply_ln, pos_slice, mlp_input, return_labels)


def decompose_resid(
    cache: ActivationCache,
    layer: int | None = None,
    mlp_input: bool = False,
    mode: Literal["all", "mlp", "attn"] = "all",
    apply_ln: bool = False,
    pos_slice: Slice = None,
    incl_embeds: bool = True,
    return_labels: bool = False,
) -> Any:
    """What was added to the residual stream before ``layer``, part by part; see ``ActivationCache``."""
    if mode not in ("all", "mlp", "attn"):
        raise ProbeError(f"mode={mode!r}; expected 'all', 'mlp' or 'attn'")
    layers = _layers(cache)
    upto = _upto(layers, layer)
    sites = [("embed.hook_out", "embed")] if incl_embeds else []
    for i in range(upto):
        if mode != "mlp":
            sites.append((f"blocks.{i}.attn.hook_out", f"{i}_attn_out"))
        if mode != "attn":
            sites.append((f"blocks.{i}.mlp.hook_out", f"{i}_mlp_out"))
    if mlp_input and mode != "mlp" and upto < layers:
        sites.append((f"blocks.{upto}.attn.hook_out", f"{upto}_attn_out"))
    return _stacked(cache, sites, layer, apply_ln, pos_slice, mlp_input, return_labels)


def stack_head_results(
    cache: ActivationCache,
    layer: int | None = -1,
    return_labels: bool = False,
    incl_remainder: bool = False,
    pos_slice: Slice = None,
    apply_ln: bool = False,
) -> Any:
    """What each attention head before ``layer`` adds to the residual stream; see ``ActivationCache``."""
    import torch

    network = network_of(cache.points)
    layers = _layers(cache)
    upto = _upto(layers, layer)
    found, labels = [], []
    for i in range(upto):
        z = _rows(cache[f"blocks.{i}.attn.o.hook_in"].float(), pos_slice)  # [batch, (pos,) head_index, d_head]
        heads, width = z.shape[-2:]
        rows = network.blocks[i].out.weight.detach().T.reshape(heads, width, -1)  # [head_index, d_head, d_model]
        found.append(torch.einsum("...hd,hdm->h...m", z, rows))
        labels += [f"L{i}H{head}" for head in range(heads)]
    if incl_remainder:
        whole = _rows(cache[_stream_before(layers, upto)].float(), pos_slice)
        found.append((whole - sum((part.sum(0) for part in found), torch.zeros_like(whole)))[None])
        labels.append("remainder")
    if not found:
        raise ProbeError(f"layer={layer}: there is no head before it; expected 1 to {layers}, or None for all")
    stack = torch.cat(found)
    if apply_ln:
        stack = apply_ln_to_stack(cache, stack, layer, pos_slice=pos_slice)
    return (stack, labels) if return_labels else stack


def apply_ln_to_stack(
    cache: ActivationCache,
    residual_stack: Tensor,
    layer: int | None = None,
    mlp_input: bool = False,
    pos_slice: Slice = None,
) -> Tensor:
    """A stack [component, batch, pos, d_model] through a norm whose scale is frozen; see ``ActivationCache``."""
    network = network_of(cache.points)
    layers = _layers(cache)
    upto = _upto(layers, layer)
    if upto == layers:
        norm = network.norm
    else:
        norm = network.blocks[upto].norm_mlp if mlp_input else network.blocks[upto].norm_attention
    site = f"blocks.{upto}.ln2.hook_in" if mlp_input and upto < layers else _stream_before(layers, upto)
    scale = (cache[site].float().pow(2).mean(-1, keepdim=True) + EPSILON).rsqrt()
    out: Tensor = residual_stack.float() * _rows(scale, pos_slice) * norm.weight.detach()
    return out


def logit_attrs(
    cache: ActivationCache,
    residual_stack: Tensor,
    output: str = "floor",
    answer: Answer | Sequence[Answer] = "speak",
    incorrect: Answer | Sequence[Answer] | None = None,
    pos_slice: Slice = None,
) -> Tensor:
    """What each part of a stack adds to a logit [component, batch, act or audio]; see ``ActivationCache``."""
    decision = decision_of(network_of(cache.points), output)
    read = decision.at(cache.positions.stream)
    if pos_slice is None:
        if residual_stack.ndim != 4 or residual_stack.shape[2] not in (len(read), int(read.sum())):
            raise ProbeError(
                f"residual_stack is {tuple(residual_stack.shape)}; expected [component, batch, pos, d_model] with "
                f"{len(read)} positions, or the {int(read.sum())} that {output!r} is read from; for others say the "
                "pos_slice that they were taken with"
            )
        pos_slice = np.flatnonzero(read)
        if residual_stack.shape[2] == len(read):
            residual_stack = residual_stack[:, :, pos_slice]
    elif not read[_taken(pos_slice)].all():
        raise ProbeError(
            f"pos_slice={pos_slice!r} holds tokens that {output!r} is not read from; it is read from {decision.rows} "
            "tokens: cache.positions.stream says which those are"
        )
    normed = apply_ln_to_stack(cache, residual_stack, pos_slice=pos_slice)
    direction = _directions(decision, answer)
    if incorrect is not None:
        direction = direction - _directions(decision, incorrect)
    return (normed * direction).sum(-1)


def _directions(decision: Decision, answer: Answer | Sequence[Answer]) -> Tensor:
    """Rows of a head's weight, [d_model] of one class or [pos, d_model] of one for each position."""
    if isinstance(answer, str | int):
        return decision.weight[decision.number(answer)].float()
    return decision.weight[[decision.number(one) for one in answer]].float()


def _layers(cache: ActivationCache) -> int:
    return len(network_of(cache.points).blocks)


def _upto(layers: int, layer: int | None) -> int:
    """The layer up to which is taken; None and -1 are all, as in TransformerLens."""
    if layer is None or layer == -1:
        return layers
    if not 0 <= layer <= layers:
        raise ProbeError(f"layer={layer}; expected 0 to {layers}, or None for all")
    return layer


def _stream_before(layers: int, upto: int) -> str:
    return f"blocks.{layers - 1}.hook_out" if upto == layers else f"blocks.{upto}.hook_in"


def _stacked(
    cache: ActivationCache,
    sites: Sequence[tuple[str, str]],
    layer: int | None,
    apply_ln: bool,
    pos_slice: Slice,
    mlp_input: bool,
    return_labels: bool,
) -> Any:
    import torch

    if not sites:
        raise ProbeError(f"layer={layer}: nothing was added before it; expected more than 0, or None for all")
    stack = torch.stack([_rows(cache[site].float(), pos_slice) for site, _ in sites])
    if apply_ln:
        stack = apply_ln_to_stack(cache, stack, layer, mlp_input, pos_slice)
    return (stack, [label for _, label in sites]) if return_labels else stack


def _rows(tensor: Tensor, pos_slice: Slice) -> Tensor:
    """Some of [batch, pos, ...]."""
    if pos_slice is None:
        return tensor
    taken = _taken(pos_slice)
    out: Tensor = tensor[:, taken]
    return out


def _taken(pos_slice: Slice) -> Any:
    """What positions are indexed with; a tuple is (start, stop), or (start, stop, step), as in TransformerLens."""
    if isinstance(pos_slice, tuple):
        return slice(*pos_slice)
    return pos_slice if isinstance(pos_slice, int | slice) else np.asarray(pos_slice)

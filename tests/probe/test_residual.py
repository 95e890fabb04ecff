"""The residual stream taken apart: parts sum to the whole, and it is what plain torch gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_talk import tiny_nano, tiny_talk

from imkit.probe import ActivationCache, ProbeError, UnknownSite, load_cache, run_with_cache


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory):
    return tiny_nano(tmp_path_factory.mktemp("nano"), layers=3)


@pytest.fixture(scope="module")
def cache(nano) -> ActivationCache:
    return run_with_cache(tiny_talk(nano), start_s=0.8)[1]


def final(cache: ActivationCache) -> torch.Tensor:
    return cache["resid_post", 2]


def test_accumulated_is_the_stream_before_each_layer_and_after_the_last(cache) -> None:
    stack, labels = cache.accumulated_resid(incl_mid=True, return_labels=True)
    assert labels == ["0_pre", "0_mid", "1_pre", "1_mid", "2_pre", "2_mid", "final_post"]
    assert stack.shape == (7, 1, len(cache.positions), 48)
    for row, site in ((0, ("resid_pre", 0)), (3, ("resid_mid", 1)), (4, ("resid_post", 1)), (6, ("resid_post", 2))):
        assert torch.equal(stack[row], cache[site])
    assert cache.accumulated_resid(2, return_labels=True)[1] == ["0_pre", "1_pre", "2_pre"]
    assert cache.accumulated_resid(1, mlp_input=True, return_labels=True)[1] == ["0_pre", "1_pre", "1_mid"]


@pytest.mark.parametrize("layer", [1, 2, None, -1])
def test_parts_sum_to_the_stream(cache, layer) -> None:
    stack, labels = cache.decompose_resid(layer, return_labels=True)
    whole = cache.accumulated_resid(layer)[-1]
    assert labels[:3] == ["embed", "0_attn_out", "0_mlp_out"]
    assert torch.allclose(stack.sum(0), whole, atol=1e-5)
    normed = cache.decompose_resid(layer, apply_ln=True).sum(0)
    site = ("ln_final.hook_out") if layer in (None, -1) else f"blocks.{layer}.ln1.hook_out"
    assert torch.allclose(normed, cache[site], atol=1e-5)


def test_parts_up_to_a_perceptron(cache) -> None:
    assert torch.allclose(cache.decompose_resid(1, mlp_input=True).sum(0), cache["resid_mid", 1], atol=1e-5)
    normed = cache.decompose_resid(1, mlp_input=True, apply_ln=True).sum(0)
    assert torch.allclose(normed, cache["blocks.1.ln2.hook_out"], atol=1e-5)
    halves = [cache.decompose_resid(mode=mode, incl_embeds=False).sum(0) for mode in ("attn", "mlp")]
    assert torch.allclose(cache["embed.hook_out"] + halves[0] + halves[1], final(cache), atol=1e-5)


def test_heads_sum_to_what_attention_adds(cache, nano) -> None:
    stack, labels = cache.stack_head_results(return_labels=True)
    assert labels == [f"L{layer}H{head}" for layer in range(3) for head in range(3)]
    for layer in range(3):
        assert torch.allclose(stack[3 * layer : 3 * layer + 3].sum(0), cache["attn_out", layer], atol=1e-5)
    weight = nano.module.network.blocks[1].out.weight.detach()
    one = cache["z", 1][0, 7, 2] @ weight[:, 2 * 16 : 3 * 16].T
    assert torch.allclose(stack[5, 0, 7], one, atol=1e-6)
    whole, labels = cache.stack_head_results(return_labels=True, incl_remainder=True)
    assert labels[-1] == "remainder"
    assert torch.allclose(whole.sum(0), final(cache), atol=1e-5)


@pytest.mark.parametrize(
    ("output", "site"), [("floor", "floor"), ("words", "voice"), ("heard", "heard"), ("call",) * 2]
)
def test_attributions_of_all_parts_sum_to_the_logit_less_its_bias(cache, nano, output, site) -> None:
    logits = cache[f"{site}.hook_out"]
    head = {"floor": "floor_head", "words": "word_head", "heard": "heard_head", "call": "call_head"}[output]
    bias = getattr(nano.module.network, head).bias.detach()
    for stack in (cache.decompose_resid(), cache.stack_head_results(incl_remainder=True)):
        found = cache.logit_attrs(stack, output, 1)
        assert found.shape == (len(stack), 1, logits.shape[1])
        assert torch.allclose(found.sum(0), logits[..., 1] - bias[1], atol=1e-4)
        apart = cache.logit_attrs(stack, output, 1, incorrect=0).sum(0)
        assert torch.allclose(apart, (logits[..., 1] - logits[..., 0]) - (bias[1] - bias[0]), atol=1e-4)


def test_attributions_are_what_plain_torch_gives(cache, nano) -> None:
    network = nano.module.network
    part = cache["attn_out", 1][:, cache.positions.stream == "act"]
    whole = final(cache)[:, cache.positions.stream == "act"]
    plain = part / (whole.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * network.norm.weight.detach()
    plain = plain @ network.floor_head.weight.detach()[2]
    assert torch.allclose(cache.logit_attrs(cache.decompose_resid())[3], plain, atol=1e-5)


def test_one_position_and_a_class_for_each(cache) -> None:
    last = cache.decompose_resid(pos_slice=-1)
    assert last.shape == (7, 1, 48)
    whole = cache.logit_attrs(cache.decompose_resid(), answer="listen")
    assert torch.allclose(cache.logit_attrs(last, answer="listen", pos_slice=-1), whole[..., -1], atol=1e-6)
    acts = int((cache.positions.stream == "act").sum())
    each = cache.logit_attrs(cache.decompose_resid(), answer=["speak", *["listen"] * (acts - 1)])
    assert torch.equal(each[..., 1:], whole[..., 1:])
    assert not torch.allclose(each[..., 0], whole[..., 0])


def test_what_was_kept_in_half_is_taken_apart_too(cache, nano) -> None:
    half = run_with_cache(tiny_talk(nano), start_s=0.8, dtype=torch.float16)[1]
    assert torch.allclose(half.decompose_resid().sum(0), final(cache), atol=2e-2)


def test_a_cache_from_a_file_says_what_it_lacks(cache, nano, tmp_path) -> None:
    path = cache.save(tmp_path / "one.safetensors")
    with pytest.raises(ProbeError, match="load_cache"):
        load_cache(path).decompose_resid()
    with_model = load_cache(path, nano).decompose_resid()
    assert torch.equal(with_model, cache.decompose_resid())


def test_what_cannot_be_is_said(cache, nano) -> None:
    few = run_with_cache(tiny_talk(nano), ["blocks.0.hook_in"], 0.8)[1]
    with pytest.raises(UnknownSite, match="names_filter"):
        few.decompose_resid()
    stack = cache.decompose_resid()
    for wrong, said in (
        (lambda: cache.accumulated_resid(4), "expected 0 to 3"),
        (lambda: cache.decompose_resid(mode="heads"), "'attn'"),
        (lambda: cache.decompose_resid(0, incl_embeds=False), "nothing was added"),
        (lambda: cache.stack_head_results(0), "no head"),
        (lambda: cache.logit_attrs(stack, "flor"), "'floor'"),
        (lambda: cache.logit_attrs(stack, "floor", "sing"), "listen, backchannel, speak"),
        (lambda: cache.logit_attrs(stack[:, :, :3]), "pos_slice"),
        (lambda: cache.logit_attrs(stack[:, :, :3], pos_slice=np.arange(3)), "act tokens"),
    ):
        with pytest.raises(ProbeError, match=said):
            wrong()

"""The logit lens: its last layer is what the model decides, the others what the heads would make of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_talk import tiny_nano, tiny_talk

from imkit.probe import ProbeError, logit_lens, run_with_cache


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory):
    return tiny_nano(tmp_path_factory.mktemp("nano"), layers=3)


@pytest.fixture(scope="module")
def talked(nano):
    timeline = tiny_talk(nano)
    return timeline, run_with_cache(timeline, start_s=0.8)[1]


@pytest.mark.parametrize(
    ("output", "site"), [("floor", "floor"), ("words", "voice"), ("heard", "heard"), ("call",) * 2]
)
def test_the_last_layer_is_what_the_model_decides(talked, output, site) -> None:
    _, cache = talked
    lens = logit_lens(cache, output)
    assert lens.labels == ("0_pre", "1_pre", "2_pre", "final_post")
    assert np.allclose(lens.logits[-1], cache[f"{site}.hook_out"][0].numpy(), atol=1e-5)
    assert np.allclose(lens.probs.sum(-1), 1, atol=1e-5)
    assert np.array_equal(lens.positions.start_s, cache.positions_of(f"{site}.hook_out").start_s)


def test_an_earlier_layer_goes_through_the_same_norm_and_head(talked, nano) -> None:
    _, cache = talked
    network = nano.module.network
    acts = torch.from_numpy(cache.positions.stream == "act")
    with torch.no_grad():
        plain = network.floor_head(network.norm(cache["resid_pre", 1][0, acts]))
    assert np.allclose(logit_lens(cache).logits[1], plain.numpy(), atol=1e-5)
    assert np.allclose(logit_lens(cache).of("speak")[1], torch.softmax(plain, -1)[:, 2].numpy(), atol=1e-5)


def test_where_a_decision_settles(talked) -> None:
    lens = logit_lens(talked[1], "words", incl_mid=True)
    top = lens.logits.argmax(-1)
    for row, layer in enumerate(lens.settled()):
        assert (top[layer:, row] == top[-1, row]).all()
        assert layer == 0 or top[layer - 1, row] != top[-1, row]
    assert lens.settled().max() > 0


def test_its_figure_has_a_strip_for_each_layer(talked) -> None:
    lens = logit_lens(talked[1])
    fig = lens.figure("speak", live=False)
    heat = [trace for trace in fig.data if trace.type == "heatmap"]
    assert len(heat) == 4
    assert np.allclose(heat[0].z[0], lens.of("speak")[-1])  # the last layer on top
    assert [note.text for note in fig.layout.annotations][-1] == "into layer 0"
    top = [trace for trace in lens.figure(theme="dark", live=False).data if trace.type == "heatmap"][:3]
    best = np.nanmax([trace.z[0] for trace in top], 0)
    assert np.allclose(best, lens.probs[-1].max(-1))
    assert sum(np.isfinite(np.asarray(trace.z[0], float)) for trace in top).tolist() == [1] * len(best)


def test_words_of_the_likeliest_class_stand_in_the_strips(talked) -> None:
    lens = logit_lens(talked[1], "words")
    texts = {
        text
        for trace in lens.figure(live=False).data
        if trace.type == "scatter" and trace.mode == "text"
        for text in trace.text
    }
    assert texts
    assert texts <= {word.replace("<", "&lt;") for word in lens.classes[1:]}


def test_what_cannot_be_is_said(talked) -> None:
    _, cache = talked
    with pytest.raises(ProbeError, match="'heard'"):
        logit_lens(cache, "hear")
    with pytest.raises(ProbeError, match="expected one of 3"):
        logit_lens(cache).of("shout")
    with pytest.raises(ProbeError, match="no micro-turn"):
        logit_lens(cache.between(50, 60))

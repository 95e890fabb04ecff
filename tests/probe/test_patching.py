"""Activation patching between two timelines of a small random model."""

import numpy as np
import pytest
import torch
from model.small import write_small

from imkit.capture import AudioArray
from imkit.model.nano import load_nano
from imkit.probe import ProbeError, first_speak, p_speak, patch_from, patch_sweep, run_with_cache, speak_logit
from imkit.probe.progress import printed
from imkit.session import Session
from imkit.stream import Act, Floor, Moment, Percept, Timeline

TICKS, AT_S = 7, 1.2


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    write_small(folder)
    return load_nano(folder, "eager")


def lived(nano, after):
    """Noise that is the same up to 0.6 s and another from there on."""
    sound = np.random.default_rng(0).standard_normal(TICKS * 3200) * 0.1
    sound[9600:] = np.random.default_rng(after).standard_normal(len(sound) - 9600) * 0.1
    with Session(nano) as session:
        return session.run(AudioArray(sound.astype(np.float32), 16_000), tail_s=0)


@pytest.fixture(scope="module")
def pair(nano):
    return lived(nano, 1), lived(nano, 2)


@pytest.fixture(scope="module")
def swept(pair):
    return patch_sweep(*pair, speak_logit(AT_S), progress=None)


def test_all_of_what_comes_in_is_everything_and_nothing_is_nothing(pair):
    whole = patch_sweep(*pair, speak_logit(AT_S), ["embed.hook_out"], width=TICKS, progress=None)
    assert whole.value.tolist() == [[1.0]]
    before = patch_sweep(*pair, speak_logit(AT_S), ["embed.hook_out"], end_s=0.6, progress=None)
    assert before.value.tolist() == [[0.0, 0.0, 0.0]]
    assert before.steps == 0


def test_rows_and_columns_are_what_they_say(swept):
    assert swept.names == ["blocks.0.hook_in", "blocks.0.hook_out", "blocks.1.hook_out"]
    assert swept.index.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert swept.value.shape == (3, 7)
    np.testing.assert_allclose(swept.value, (swept.raw - swept.corrupted) / (swept.clean - swept.corrupted))
    assert not swept.value[:, :3].any()  # the two are alike up to there
    assert swept.value[:, 3:].all(axis=1).any()
    assert swept.value[-1, -1] == pytest.approx(1.0)  # the last residual stream, in the micro-turn that is measured


def test_a_cell_is_what_running_the_whole_with_the_patch_gives(pair, swept):
    clean = run_with_cache(pair[0], ["blocks.0.hook_out"])[1]
    hook = ("blocks.0.hook_out", patch_from(clean, at=[4]))
    floor = run_with_cache(pair[1], ["floor.hook_out"], fwd_hooks=[hook])[1].at(AT_S)["floor.hook_out"][0, 0]
    assert swept.raw[1, 4] == pytest.approx((floor[2] - floor[0]).item(), rel=1e-5)
    assert abs(swept.value[1, 4]) > 1e-6


def test_the_past_of_a_patch_is_not_lived_through_again(swept):
    ticks = len(swept.index)
    patched = 3 * sum(ticks - column for column in range(3, ticks))  # three rows, columns from 3 on, each to the end
    assert swept.steps == patched + ticks - 1  # and once along


def test_heads_together_are_their_layer(pair):
    heads = patch_sweep(*pair, speak_logit(AT_S), ["blocks.1.attn.o.hook_in"], by="head", start_s=1.2, progress=None)
    assert heads.rows == tuple(("blocks.1.attn.o.hook_in", head) for head in range(3))
    assert heads.names[1] == "blocks.1.attn.o.hook_in head 1"
    assert heads.value.shape == (3, 1)
    assert (heads.value != 0).sum() >= 2
    assert heads.top(1)[0][3] == heads.value.flat[np.abs(heads.value).argmax()]


def test_only_the_rows_that_are_asked_for_are_patched(pair):
    at = {rows: patch_sweep(*pair, speak_logit(AT_S), ["blocks.1.hook_out"], start_s=1.2, rows=rows, progress=None)
          for rows in ("act", "audio")}  # fmt: skip
    assert at["act"].value[0, 0] == pytest.approx(1.0)
    assert at["audio"].value[0, 0] == 0.0


def test_a_metric_of_your_own_reads_acts_and_the_sites_it_asks_for(pair):
    seen = []

    def call(acts, cache):
        seen.append((len(acts), list(cache), cache["call.hook_out"].shape))
        return float(cache["call.hook_out"][0, -1, 0])

    result = patch_sweep(*pair, call, ["blocks.1.hook_out"], metric_sites=["call.hook_out"], start_s=1.0, progress=None)
    assert result.metric == "call"
    assert result.value[0, -1] == pytest.approx(1.0)
    assert {(acts, tuple(sites)) for acts, sites, _ in seen} == {(2, ("call.hook_out",))}


def test_named_metrics():
    acts = [Act(i, np.zeros(3200, np.float32), Floor.SPEAK if i in (2, 6) else Floor.LISTEN) for i in range(4, 9)]
    assert first_speak()(acts, None) == pytest.approx(1.2)
    assert first_speak(1.4)(acts, None) == pytest.approx(1.8)
    assert first_speak(1.4, 1.6)(acts, None) == pytest.approx(1.6)
    assert p_speak(1.25).needs_until_s == pytest.approx(1.4)


def test_p_speak_is_what_the_act_says(pair):
    acts, cache = run_with_cache(pair[0], ["floor.hook_out"])
    for k in (0, 3, 6):
        assert p_speak(k / 5)(acts, cache) == pytest.approx(acts[k].diagnostics["p_speak"], abs=1e-4)
    with pytest.raises(ProbeError, match="was not lived through"):
        p_speak(9)(acts, cache)


def moments(ticks, rate=16_000):
    timeline = Timeline(rate)
    for index in ticks:
        timeline.append(Moment(Percept(index), Act(index, np.zeros(rate // 5, np.float32))))
    return timeline


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c, d: (c, c), "the same timeline"),
        (lambda c, d: (c, d[0:1.0]), "must have the same ones"),
        (lambda c, d: (moments(range(3)), moments(range(3), 24_000)), "16000 Hz and corrupted at 24000 Hz"),
        (lambda c, d: (moments(()), moments(())), "hold no moment"),
    ],
)
def test_a_bad_pair_is_said(pair, change, told):
    with pytest.raises(ProbeError, match=told):
        patch_sweep(*change(*pair), speak_logit(AT_S), progress=None)


def test_a_pair_without_a_range_is_said(pair):
    with pytest.raises(ProbeError, match="nothing to bring back"):
        patch_sweep(*pair, speak_logit(0.4), progress=None)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"by": "neuron"}, "expected by 'layer' or 'head'"),
        ({"width": 0}, "width from 1 on"),
        ({"width": 9}, "only 7 micro-turns"),
        ({"sites": ["blocks.0.attn.hook_pattern"]}, "attn.o.hook_in"),
        ({"sites": ["blocks.0.hook_out"], "by": "head"}, "has no heads"),
    ],
)
def test_what_cannot_be_swept_is_said(pair, wrong, told):
    with pytest.raises(ProbeError, match=told):
        patch_sweep(*pair, speak_logit(AT_S), progress=None, **wrong)


def test_the_figure_and_the_table_hold_the_values(swept):
    heat = swept.figure().data[0]
    np.testing.assert_array_equal(heat.z, swept.value)
    assert list(heat.y) == swept.names
    assert heat.x[0] == pytest.approx(0.1)
    assert f"{swept.clean:.3g}" in swept.figure("dark").layout.annotations[0].text
    assert swept.to_pandas().loc["blocks.1.hook_out", 1.2] == swept.value[-1, -1]


def test_progress_counts_what_is_patched(pair, capsys):
    told = []

    def count(things, *, total, desc):
        for thing in things:
            told.append((thing, total, desc))
            yield thing

    patch_sweep(*pair, speak_logit(AT_S), ["blocks.1.hook_out"], start_s=1.0, progress=count)
    assert [place for place, _, _ in told] == [(0, 0), (0, 1)]
    assert {(total, desc) for _, total, desc in told} == {(2, "patching")}
    assert list(printed([1, 2], 2, "patching")) == [1, 2]
    assert capsys.readouterr().err.startswith("patching: 2 of 2 in ")


def test_hooks_are_gone_afterwards(nano, pair):
    patch_sweep(*pair, speak_logit(AT_S), ["blocks.1.hook_out"], start_s=1.2, progress=None)
    before = run_with_cache(pair[1], ["floor.hook_out"])[1]["floor.hook_out"]
    assert torch.equal(run_with_cache(pair[1], ["floor.hook_out"])[1]["floor.hook_out"], before)
    assert not any(module._forward_hooks for module in nano.module.modules())

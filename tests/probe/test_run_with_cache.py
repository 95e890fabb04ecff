"""Activations of a stretch of a stream: right by site and by time, the ring undone, and the same by every road."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from looking import GAP_TICKS, Guest, lived, percepts, small_nano, weights_sum
from recordings_of import recorded

from imkit.model.nano import Nano
from imkit.probe import ActivationCache, ProbeError, UnknownSite, change, run_with_cache, run_with_hooks
from imkit.session import Origin, Session, Snapshots
from imkit.stream import ModelSpec, OpenConfig, Percept, Timeline

GAP_AT = 24
TICKS = 30


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Nano:
    return small_nano(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def timeline(nano: Nano) -> Timeline:
    """Thirty micro-turns with a hole in them; the window of 40 tokens wraps and words are pinned."""
    return lived(nano, percepts(TICKS, gap_at=GAP_AT))[0]


@pytest.fixture(scope="module")
def whole(timeline: Timeline) -> ActivationCache:
    acts, cache = timeline.run_with_cache()
    assert [act.index for act in acts] == [moment.index for moment in timeline]
    return cache


# --- the ring undone


def reachable(positions: Any, window: int, pinned: int) -> np.ndarray[Any, Any]:
    """Which keys each query can reach [query, key], from nothing but the order of tokens and what they are."""
    order, total = list(range(len(positions))), len(positions)
    word = ~np.isin(positions.stream, ["audio", "act", "camera"])
    out = np.zeros((total, total), bool)
    ring: list[int] = []
    pins: list[int] = []
    for index in np.unique(positions.index):
        new = [one for one in order if positions.index[one] == index]
        for place, query in enumerate(new):
            out[query, [*pins, *ring, *new[: place + 1]]] = True
        for one in new:
            if len(ring) == window:
                gone = ring.pop(0)
                if word[gone]:
                    pins = [*pins, gone][-pinned:]
            ring.append(one)
    return out


@pytest.mark.parametrize("layer", [0, 1])
def test_attention_equals_plain_attention_over_the_whole_stream(nano: Nano, whole: ActivationCache, layer: int) -> None:
    query, key = whole[f"blocks.{layer}.attn.hook_rot_q"], whole[f"blocks.{layer}.attn.hook_rot_k"]
    value, pattern = whole["v", layer], whole["pattern", layer]
    reach = torch.from_numpy(reachable(whole.positions, nano.config.window, nano.config.pinned))
    assert len(whole.positions) > 4 * nano.config.window
    assert (np.diff(np.flatnonzero(reach[-1])) > 1).any()  # pinned words, then what the window still holds
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(nano.config.head_width)
    plain = torch.softmax(scores.masked_fill(~reach, float("-inf")), -1)
    assert pattern.shape == plain.shape
    assert torch.equal(~pattern.isnan(), reach.expand_as(pattern))
    assert torch.allclose(pattern.nan_to_num(0), plain, atol=1e-5)
    assert torch.allclose(pattern.nansum(-1), torch.ones(pattern.shape[:3]), atol=1e-5)
    assert torch.allclose(whole["attn_scores", layer][:, :, reach], scores[:, :, reach], atol=1e-4)
    mixed = torch.einsum("bhqk,bkhd->bqhd", pattern.nan_to_num(0), value)
    assert torch.allclose(mixed, whole["z", layer], atol=1e-4)


def test_a_part_of_a_cache_has_the_same_attention(whole: ActivationCache) -> None:
    late = whole.between(4.0, 5.0)
    pattern, keys = late["pattern", 1], late.key_positions
    rows = np.flatnonzero((whole.positions.start_s >= 4.0 - 1e-9) & (whole.positions.end_s <= 5.0 + 1e-9))
    both = whole["pattern", 1][:, :, rows]
    held = np.flatnonzero(~both.isnan().all(2).all(1)[0].numpy())
    assert torch.equal(pattern.nan_to_num(-1), both[..., held].nan_to_num(-1))
    np.testing.assert_array_equal(keys.slot, whole.positions.slot[held])
    np.testing.assert_array_equal(keys.index, whole.positions.index[held])
    assert keys.stream.tolist() == whole.positions.stream[held].tolist()
    assert (np.diff(keys.index * 16 + keys.slot) > 0).all()


def test_keys_from_before_a_hole_keep_their_own_time(timeline: Timeline, whole: ActivationCache) -> None:
    """Only micro-turns after the hole are looked at; what they reach from before it was never held itself."""
    after_s = (GAP_AT + GAP_TICKS) / 5
    _, late = timeline.run_with_cache("blocks.0.attn.hook_pattern", start_s=after_s)
    keys = late.key_positions
    assert (keys.index < GAP_AT).sum() > 20
    assert not ((keys.index >= GAP_AT) & (keys.index < GAP_AT + GAP_TICKS)).any()
    known = {(int(i), int(s)): str(n) for i, s, n in zip(*_columns(whole.positions), strict=True)}
    assert all(known[int(i), int(s)] == n for i, s, n in zip(*_columns(keys), strict=True))


def _columns(positions: Any) -> tuple[Any, Any, Any]:
    return positions.index, positions.slot, positions.stream


# --- which moment and stream each row is of


def test_positions_of_every_kind_of_site(timeline: Timeline, whole: ActivationCache) -> None:
    for name in whole:
        table = whole.positions_of(name)
        rows = whole[name].shape[2 if "query_pos" in whole.axes[name] else 1]
        assert len(table) == rows, name
        assert (np.diff(table.index * 64 + table.slot) > 0).all(), name
        assert (table.end_s > table.start_s).all(), name
        assert (np.floor(table.start_s * 5 + 1e-6) == table.index).all(), name


def test_every_token_is_what_came_in(timeline: Timeline, whole: ActivationCache) -> None:
    table = whole.positions
    index = [moment.index for moment in timeline]
    assert set(table.index.tolist()) == set(index)
    pictures = [moment.index for moment in timeline if moment.frame_count]
    assert whole.positions_of("vision.hook_out").index.tolist() == pictures
    assert table.index[table.stream == "camera"].tolist() == pictures
    assert table.index[table.stream == "act"].tolist() == index
    assert table.index[table.stream == "audio"].tolist() == np.repeat(index, 4).tolist()
    assert sorted(set(table.index[table.stream == "typed"].tolist())) == [5, 6, 7, 20, 21]  # as room allows
    assert table.index[table.stream == "background"].tolist() == [9, 9]  # "done", and of what
    words = [moment.index + 1 for moment in timeline for _ in moment.act.heard]
    heard = table.index[table.stream == "heard"].tolist()
    assert all(one in {*words, *(word + GAP_TICKS for word in words)} for one in heard)
    assert [one for one in heard if one < GAP_AT] == [one for one in words if one < GAP_AT]


def test_times_of_tokens_and_of_pieces(whole: ActivationCache) -> None:
    now = whole.at(1.0)
    audio = now.positions_of("audio.hook_out")
    np.testing.assert_allclose(audio.start_s, [1.0, 1.05, 1.1, 1.15])
    np.testing.assert_allclose(audio.end_s, [1.05, 1.1, 1.15, 1.2])
    act = now.positions_of("floor.hook_out")
    np.testing.assert_allclose([*act.start_s, *act.end_s], [1.0, 1.2])
    typed = now.positions[now.positions.stream == "typed"]
    np.testing.assert_allclose(typed.start_s, 1.0)
    mel = now.positions_of("audio.mic.hook_in")
    assert len(mel) == now["audio.mic.hook_in"].shape[1]
    np.testing.assert_allclose(np.diff(mel.start_s), 0.2 / len(mel))
    np.testing.assert_allclose([mel.start_s[0], mel.end_s[-1]], [1.0, 1.2])
    assert list(now.positions.to_pandas().columns) == ["index", "stream", "slot", "start_s", "end_s"]
    assert len(now.positions[0]) == 1
    assert "4 audio" in repr(now.positions)


def test_rows_are_those_of_the_tokens(whole: ActivationCache) -> None:
    """The same tokens stand at the same rows in the part of the network that makes them and in the layers."""
    embedded, table = whole["embed.hook_out"][0], whole.positions
    for name in ("audio.hook_out", "act.hook_out", "vision.hook_out", "text.hook_out"):
        part = whole.positions_of(name)
        place = {(int(i), int(s)): row for row, (i, s) in enumerate(zip(table.index, table.slot, strict=True))}
        rows = [place[int(i), int(s)] for i, s in zip(part.index, part.slot, strict=True)]
        assert torch.equal(embedded[rows], whole[name][0]), name
    last = whole["blocks.1.hook_out"]
    assert torch.equal(whole["blocks.0.hook_out"], whole["blocks.1.hook_in"])
    added = whole["resid_mid", 1] + whole["mlp_out", 1]
    assert torch.allclose(added, last, atol=1e-5)


# --- the same by every road


def test_the_same_as_a_recording_of_it(nano: Nano, tmp_path: Path) -> None:
    recording, cache = recorded(nano, tmp_path / "talk", percepts(12))
    acts, again = run_with_cache(recording, model=nano, dtype=torch.float16)
    assert list(cache) == list(again)
    np.testing.assert_array_equal(cache.index, again.index)
    for name in cache:
        assert torch.equal(cache[name].nan_to_num(7), again[name].nan_to_num(7)), name
    assert [act.text for act in acts] == [moment.act.text for moment in recording.timeline()]


def test_from_a_state_that_was_kept(nano: Nano) -> None:
    with Session(nano, namespace={}, snapshots=Snapshots(every_s=1.0)) as session:
        session.say("what is 1 + 2")
        timeline = session.run(seconds=4.0, tail_s=0)
    _, all_of_it = timeline.run_with_cache(["embed.hook_out", "blocks.1.hook_out"])
    steps: list[str] = []
    _, late = timeline.run_with_cache("blocks.1.hook_out", 3.4, 3.8, progress=steps.append)
    assert late.index.tolist() == [17, 18]
    assert steps == []
    assert torch.allclose(late["blocks.1.hook_out"], all_of_it.between(3.4, 3.8)["blocks.1.hook_out"], atol=1e-5)


def test_the_past_is_lived_through_unseen_and_that_is_told(nano: Nano) -> None:
    timeline, _ = lived(nano, [Percept(index) for index in range(105)])
    told: list[str] = []
    _, cache = timeline.run_with_cache("floor.hook_out", start_s=20.6, progress=told.append)
    assert cache.index.tolist() == [103, 104]
    assert told == ["Living through 20.6 s of the past first."]


def test_no_weight_is_changed_and_what_is_kept_can_be_learned_from(nano: Nano, timeline: Timeline) -> None:
    before = weights_sum(nano)
    _, cache = timeline.run_with_cache("blocks.0.hook_out", 0, 1.0)
    probe = torch.nn.Linear(48, 2)
    probe(cache["blocks.0.hook_out"]).sum().backward()
    assert probe.weight.grad is not None
    assert weights_sum(nano) == before


def test_hooks_on_the_way_change_what_is_seen_from_start_s_on(timeline: Timeline) -> None:
    zero = lambda tensor, hook: torch.zeros_like(tensor)  # noqa: E731
    _, plain = timeline.run_with_cache("blocks.1.hook_out", 2.0, 3.0)
    _, cache = timeline.run_with_cache(
        ["blocks.0.hook_out", "blocks.1.hook_out"], 2.0, 3.0, fwd_hooks=[("blocks.0.hook_out", zero)]
    )
    assert not cache["blocks.0.hook_out"].any()
    assert not torch.equal(cache["blocks.1.hook_out"], plain["blocks.1.hook_out"])


def test_with_hooks_a_timeline_comes_out(timeline: Timeline) -> None:
    same = run_with_hooks(timeline, [(None, lambda tensor, hook: None)])
    assert [m.act.text for m in same] == [m.act.text for m in timeline]
    speak = lambda tensor, hook: torch.tensor([[[0.0, 0.0, 9.0]]])  # noqa: E731
    other = timeline.run_with_hooks([("floor.hook_out", speak)], 1.0, 2.0)
    assert [m.index for m in other] == [5, 6, 7, 8, 9]
    assert {str(m.act.floor) for m in other} == {"speak"}
    assert [m.epoch for m in other] == sorted(m.epoch for m in other)


def test_a_guest_with_a_module_of_its_own() -> None:
    guest = Guest()
    timeline, _ = lived(guest, percepts(4))
    _, cache = timeline.run_with_cache()
    assert cache["cell.inner.hook_out"].shape == (1, 32, 8)
    assert cache.positions_of("ears.hook_out").index.tolist() == np.repeat(range(4), 8).tolist()
    assert cache.shape_of("ears.hook_out") == "batch=1 row=32 axis2=8"
    sound = torch.from_numpy(timeline[2].percept.audio.reshape(1, 8, 400))
    assert torch.equal(cache.at(0.4)["ears.hook_out"], guest.module.ears(sound))


# --- what cannot be


def test_a_fresh_state_within_is_opened_again(nano: Nano) -> None:
    incoming = percepts(10)
    first, _ = lived(nano, incoming[:6])
    second, _ = lived(nano, incoming[6:])
    timeline = Timeline(16_000)
    timeline.origin = Origin(nano, OpenConfig(), None, (0, 6))
    for moment in (*first, *second):
        timeline.append(moment)
    _, cache = timeline.run_with_cache(["blocks.0.attn.hook_pattern", "blocks.1.hook_out"])
    pattern, keys = cache["pattern", 0], cache.key_positions
    late = cache.positions.index >= 6
    assert pattern[:, :, late][..., keys.index < 6].isnan().all()  # nothing of before is in reach
    assert torch.allclose(pattern.nansum(-1), torch.ones(pattern.shape[:3]), atol=1e-5)


@pytest.mark.parametrize(
    ("named", "error", "why"),
    [
        ({"start_s": 99.0}, ProbeError, "there is no moment"),
        ({"names_filter": "floor.hook_uot"}, UnknownSite, r"did you mean 'floor\.hook_out'"),
        ({"dtype": "float16"}, ProbeError, "expected one of floating numbers"),
        ({"dtype": torch.int8}, ProbeError, "expected one of floating numbers"),
    ],
)
def test_errors_say_what_to_do(timeline: Timeline, named: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        run_with_cache(timeline, **named)


def test_what_is_no_timeline_or_of_nobody(timeline: Timeline) -> None:
    with pytest.raises(ProbeError, match=r"is no timeline; expected session\.timeline"):
        run_with_cache("a path")
    lost = Timeline(16_000)
    lost.append(timeline[0])
    with pytest.raises(ProbeError, match="say which: model='nano'"):
        run_with_cache(lost)


def test_a_past_that_was_let_go_is_told(nano: Nano) -> None:
    timeline = Timeline(16_000, keep_media_s=1.0, keep_frames_s=1.0)
    for moment in lived(nano, percepts(12))[0]:
        timeline.append(moment)
    timeline.origin = Origin(nano, OpenConfig())
    with pytest.raises(ProbeError, match=r"only from 1\.4 s on; say start_s=1\.4 where a state was kept"):
        timeline.run_with_cache("floor.hook_out")
    with pytest.raises(ProbeError, match="only from"):
        timeline.between(1.6).run_with_cache("floor.hook_out")


def test_hooks_that_were_on_then_are_told(nano: Nano) -> None:
    said: list[str] = []
    look = lambda tensor, hook: None  # noqa: E731
    with Session(nano, namespace={}) as session, change(session, [("floor.hook_out", look)], "steer"):
        timeline = session.run(seconds=1.0, tail_s=0)
    timeline.run_with_cache("floor.hook_out", progress=said.append)
    assert said == ["The model was changed then: steer from 0.0 s on. They are not on now."]


def test_another_model_lives_through_all_of_it(nano: Nano, timeline: Timeline, tmp_path: Path) -> None:
    other = small_nano(tmp_path, width=24)
    _, cache = timeline.run_with_cache("embed.hook_out", 1.0, 1.4, model=other)
    assert cache["embed.hook_out"].shape[-1] == 24
    assert cache.index.tolist() == [5, 6]


def test_a_model_without_a_module_is_told(timeline: Timeline) -> None:
    class Closed:
        spec = ModelSpec("closed", 16_000)
        open = step = lambda *_: None

    with pytest.raises(ProbeError, match="cannot be looked into"):
        run_with_cache(timeline, model=Closed())  # type: ignore[arg-type]

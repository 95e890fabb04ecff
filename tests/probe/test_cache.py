"""A cache by itself: made of tensors by hand, without a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imkit.model.ring import STREAMS
from imkit.probe import ActivationCache, ProbeError, Seen, UnknownSite
from imkit.probe.seen import Steps, Tokens

AUDIO, ACT, TYPED = (STREAMS.index(name) for name in ("audio", "act", "typed"))
RESID, PATTERN = "blocks.0.hook_out", "blocks.0.attn.hook_pattern"
AXES = {
    RESID: ("batch", "pos", "d_model"),
    PATTERN: ("batch", "head_index", "query_pos", "key_pos"),
    "floor.hook_out": ("batch", "act", "d_floor"),
}


def tokens(index: int, *kinds: int) -> Tokens:
    slots = {AUDIO: 9, ACT: 15, TYPED: 1}
    place = [16 * index + slots[kind] + kinds[:number].count(kind) for number, kind in enumerate(kinds)]
    return Tokens(np.array(place, np.int64), np.array(kinds, np.int8))


def joined(*parts: Tokens) -> Tokens:
    return Tokens(np.concatenate([one.place for one in parts]), np.concatenate([one.kind for one in parts]))


EMPTY = Tokens(np.array([-1], np.int64), np.array([0], np.int8))


@pytest.fixture
def cache() -> ActivationCache:
    """Two micro-turns with one between them that was lost; in the second the ring has come round."""
    first, second = tokens(4, TYPED, ACT), tokens(6, AUDIO, ACT)
    pattern = torch.tensor([[[[0.9, 0.1, 0.0], [0.5, 0.3, 0.2]]]])
    later = torch.tensor([[[[0.2, 0.7, 0.1, 0.0], [0.1, 0.2, 0.3, 0.4]]]])
    ring = Tokens(first.place[::-1].copy(), first.kind[::-1].copy())
    return ActivationCache(
        [
            Seen(4, {RESID: torch.ones(1, 2, 3), PATTERN: pattern}, first, joined(EMPTY, first)),
            Seen(6, {RESID: torch.zeros(1, 2, 3), PATTERN: later}, second, joined(ring, second)),
        ],
        AXES,
    )


def test_keys_are_in_the_order_of_time_and_what_was_out_of_reach_is_nan(cache: ActivationCache) -> None:
    nan = float("nan")
    wanted = [
        [0.1, nan, nan, nan],  # the first may see itself alone
        [0.3, 0.2, nan, nan],
        [0.7, 0.2, 0.1, nan],
        [0.2, 0.1, 0.3, 0.4],
    ]
    assert torch.equal(cache[PATTERN][0, 0].nan_to_num(9), torch.tensor(wanted).nan_to_num(9))
    assert cache.key_positions.index.tolist() == [4, 4, 6, 6]
    assert cache.key_positions.stream.tolist() == ["typed", "act", "audio", "act"]
    now = cache.at(1.2)
    assert now.key_positions.index.tolist() == [4, 4, 6, 6]
    assert now[PATTERN].shape == (1, 1, 2, 4)


def test_by_name_and_by_time(cache: ActivationCache) -> None:
    assert torch.equal(cache["resid_post", 0], cache["blocks.0.hook_resid_post"])
    assert cache.shape_of(("pattern", 0)) == "batch=1 head_index=1 query_pos=4 key_pos=4"
    assert cache[RESID].shape == (1, 4, 3)
    assert cache.between(0.8, 1.0).index.tolist() == [4]
    assert cache.between(1.0).index.tolist() == [6]
    assert cache.between(end_s=0.8).index.tolist() == []
    assert cache.at(0.99).index.tolist() == [4]
    assert ("resid_post", 0) in cache
    assert ("resid_post", 1) not in cache
    assert "floor" not in cache
    assert 3 not in cache
    assert "0.8 to 1.4 s, 2 micro-turns, 3 sites" in repr(cache)
    assert "no micro-turn" in repr(cache.between(9.0))


def test_bytes_count_the_tables_too(cache: ActivationCache) -> None:
    tensors = sum(tensor.nbytes for one in cache.seen for tensor in one.at.values())
    assert cache.nbytes == tensors + 9 * (2 + 3 + 2 + 4)


@pytest.mark.parametrize(
    ("what", "error", "why"),
    [
        (lambda cache: cache["floor.hook_out"], ProbeError, "nothing passed floor.hook_out in the 2 micro-turns"),
        (lambda cache: cache["blocks.1.hook_out"], UnknownSite, "was not kept; this cache has 3 sites"),
        (lambda cache: cache.at(1.0), ProbeError, "no micro-turn at 1.0 s is held"),
        (lambda cache: cache["resid_pots", 0], UnknownSite, "resid_post"),
    ],
)
def test_errors_say_what_there_is(cache: ActivationCache, what: object, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        what(cache)  # type: ignore[operator]


def test_attention_of_an_hour_is_not_laid_out(cache: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imkit.probe.cache.MAX_BYTES", 63)
    with pytest.raises(ProbeError, match=r"1 x 4 x 4.*cache\.between"):
        cache[PATTERN]
    assert cache.at(0.8)[PATTERN].shape == (1, 1, 2, 2)


def test_a_site_that_did_not_pass_in_every_micro_turn_has_its_own_rows(cache: ActivationCache) -> None:
    del cache.seen[0].at[RESID]
    assert cache[RESID].shape == (1, 2, 3)
    assert cache.positions_of(RESID).stream.tolist() == ["audio", "act"]
    assert len(cache.positions) == 4


def test_a_model_that_does_not_say_what_its_rows_are() -> None:
    axes: dict[str, tuple[str, ...]] = {"part.hook_out": (), "odd.hook_out": (), "one.hook_out": ()}
    seen = [
        Seen(index, {"part.hook_out": torch.ones(1, 4, 2), "odd.hook_out": odd, "one.hook_out": torch.ones(3)})
        for index, odd in ((2, torch.ones(1, 2, 3)), (3, torch.ones(1, 2, 4)))
    ]
    cache = ActivationCache(seen, axes)
    np.testing.assert_allclose(cache.positions_of("part.hook_out").start_s[:5], [0.4, 0.45, 0.5, 0.55, 0.6])
    assert cache["one.hook_out"].shape == (1, 6)
    assert set(cache.positions.stream) == {""}
    assert not len(cache.key_positions)
    with pytest.raises(ProbeError, match=r"other shapes in other micro-turns \(\(1, 2, 3\), \(1, 2, 4\)\)"):
        cache["odd.hook_out"]


# --- which micro-turn each step was


def test_steps_know_their_micro_turns_across_holes() -> None:
    steps = Steps(lambda: [0, 1, 2, 7, 8])
    for step, index in ((5, 9), (6, 20), (7, 21)):
        steps.note(step, index)
    assert steps.index_of(np.arange(8)).tolist() == [0, 1, 2, 7, 8, 9, 20, 21]


def test_of_a_longer_past_only_the_steps_of_this_state_count() -> None:
    steps = Steps(lambda: [0, 1, 2, 50, 53])
    steps.note(2, 54)
    assert steps.index_of(np.array([0, 1, 2])).tolist() == [50, 53, 54]


def test_a_fresh_state_begins_to_count_again() -> None:
    steps = Steps(lambda: [10, 11])
    steps.note(2, 12)
    steps.note(0, 40)
    steps.note(1, 41)
    assert steps.index_of(np.array([0, 1])).tolist() == [40, 41]


def test_what_nobody_knows_is_counted_back() -> None:
    steps = Steps()
    steps.note(5, 15)
    steps.note(6, 18)
    assert steps.index_of(np.array([3, 5, 6])).tolist() == [13, 15, 18]

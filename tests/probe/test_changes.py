"""Ready hooks: what is taken out, put in and pushed; and a push on a session that runs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from model.small import write_small

from imkit.capture import AudioArray
from imkit.model.nano import load_nano
from imkit.notebook.live import LiveSession
from imkit.probe import Hook, ProbeError, UnknownSite, ablate, during, hooks, patch_from, run_with_cache, steer
from imkit.session import Session
from imkit.stream import OpenConfig, Percept
from imkit.views import figure

SECONDS = 2.0
FLOOR, Z = "floor.hook_out", "blocks.1.attn.o.hook_in"


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    write_small(folder)
    return load_nano(folder, "eager")


def sound(seed, seconds=SECONDS):
    return (np.random.default_rng(seed).standard_normal(round(seconds * 16_000)) * 0.1).astype(np.float32)


def lived(nano, seed, frames=()):
    """A timeline of noise, with a typed line in its middle where the seed is odd."""
    with Session(nano) as session:
        if seed % 2:
            session.say("one plus two")
        return session.run(AudioArray(sound(seed), 16_000), tail_s=0)


@pytest.fixture(scope="module")
def pair(nano):
    return lived(nano, 0), lived(nano, 1)


def looked(timeline, sites, *fwd_hooks):
    return run_with_cache(timeline, sites, fwd_hooks=fwd_hooks)[1]


# --- ablating


def test_what_is_ablated_is_zero_in_the_chosen_rows_and_heads_only(pair):
    before = looked(pair[1], [Z])
    for rows, stream in (("act", ["act"]), ("audio", ["audio"]), ("before", ["heard", "typed"]), (None, None)):
        after = looked(pair[1], [Z], (Z, ablate(rows=rows, head=2)))
        mine = np.ones(len(after.positions), bool) if stream is None else np.isin(after.positions.stream, stream)
        assert mine.any()
        assert not after[Z][0, mine, 2].any()
        kept = [name for name in ("rows", "heads") if name == "heads" or not mine.all()]
        for name in kept:
            same = (slice(None), ~mine) if name == "rows" else (slice(None), slice(None), slice(0, 2))
            first = after.positions.index == 0  # later micro-turns remember what was taken out
            assert torch.equal(after.at(0.1)[Z][same if name == "heads" else (0, ~mine[first])],
                               before.at(0.1)[Z][same if name == "heads" else (0, ~mine[first])])  # fmt: skip


def test_the_mean_is_that_of_the_same_stream_in_other_micro_turns(pair):
    other = looked(pair[0], ["blocks.0.hook_out"])
    after = looked(pair[1], ["blocks.0.hook_out"], ("blocks.0.hook_out", ablate("mean", over=other)))
    for stream in ("act", "audio"):
        mean = other["blocks.0.hook_out"][0, other.positions.stream == stream].mean(0)
        rows = after["blocks.0.hook_out"][0, after.positions.stream == stream]
        torch.testing.assert_close(rows, mean.expand_as(rows))


@pytest.mark.parametrize(
    ("site", "hook", "told"),
    [
        ("blocks.0.hook_out", lambda: ablate(head=0), "has no heads"),
        (Z, lambda: ablate(head=3), "heads 0 to 2"),
        ("audio.hook_out", lambda: ablate(rows="act"), "counts 'audio'"),
        (FLOOR, lambda: ablate(rows=[4]), "has 1 of them"),
        (FLOOR, lambda: ablate(rows="first"), "expected 'act', 'audio', 'before'"),
        (FLOOR, lambda: ablate("mode"), "expected 'zero' or 'mean'"),
        (FLOOR, lambda: ablate("mean"), "needs over=cache"),
    ],
)
def test_what_cannot_be_ablated_is_said(pair, site, hook, told):
    with pytest.raises(ProbeError, match=told):
        looked(pair[0], [site], (site, hook()))


def test_a_hook_rests_outside_its_seconds(pair):
    floor = looked(pair[0], [FLOOR], (FLOOR, during(ablate(), 0.6, 1.0)))[FLOOR][0]
    assert np.flatnonzero(~floor.any(1).numpy()).tolist() == [3, 4]


# --- patching


def test_a_run_s_own_activations_change_nothing_and_another_s_make_it_the_other(pair):
    clean = looked(pair[0], [FLOOR, "embed.hook_out"])
    corrupted = looked(pair[1], [FLOOR, "embed.hook_out"])
    own = looked(pair[1], [FLOOR], ("embed.hook_out", patch_from(corrupted)))
    assert torch.equal(own[FLOOR], corrupted[FLOOR])
    same = lived_like(pair, clean)
    assert not torch.equal(corrupted[FLOOR], clean[FLOOR])
    assert torch.equal(same, clean[FLOOR])


def lived_like(pair, clean):
    """The floor of the second timeline, nothing typed in it, when its tokens are those of the first."""
    from dataclasses import replace

    from imkit.stream import Moment, Timeline

    silent = Timeline(pair[1].output_rate)
    silent.origin = pair[0].origin
    for moment in pair[1]:
        silent.append(Moment(replace(moment.percept, text=""), moment.act, moment.epoch))
    return looked(silent, [FLOOR], ("embed.hook_out", patch_from(clean)))[FLOOR]


def test_tokens_are_aligned_by_slot_and_what_only_one_run_has_stays(pair):
    site = "blocks.0.hook_in"
    clean, corrupted = looked(pair[0], [site]), looked(pair[1], [site])
    patched = looked(pair[1], [site], (site, patch_from(clean, at=[0])))
    at = [one.at(0.1) for one in (clean, corrupted, patched)]
    assert "typed" in at[1].positions.stream
    assert "typed" not in at[0].positions.stream
    tail = slice(-5, None)
    assert torch.equal(at[2][site][0, tail], at[0][site][0, tail])
    assert torch.equal(at[2][site][0, :-5], at[1][site][0, :-5])


def test_the_slots_of_what_passes_know_of_a_picture(nano):
    from imkit.probe.changes import slots_of

    picture = np.zeros((8, 8, 3), np.uint8)
    assert slots_of(Hook("embed.hook_out", 0, Percept(0)), 7) == [1, 2, 9, 10, 11, 12, 15]
    assert slots_of(Hook("embed.hook_out", 0, Percept(0, frames=(picture,))), 7) == [0, 1, 9, 10, 11, 12, 15]


def test_a_patch_that_does_not_fit_is_said(pair):
    cache = looked(pair[0], [FLOOR, "blocks.0.attn.hook_pattern"])
    for site, told in (("call.hook_out", "does not hold call.hook_out"), ("blocks.0.attn.hook_pattern", "keys lie")):
        with pytest.raises(ProbeError, match=told):
            looked(pair[1], [FLOOR], (site, patch_from(cache)))


# --- steering


def test_pushing_along_the_floor_s_own_row_makes_speaking_likelier(nano, pair):
    heads = nano.eager().module.network.floor_head.weight.detach()
    row = heads[2] - (heads[0] + heads[1]) / 2
    speak = []
    for scale in (-0.05, -0.02, 0.0, 0.02, 0.05):
        acts, cache = run_with_cache(pair[0], [FLOOR], 0.0, 0.2, fwd_hooks=[("ln_final.hook_out", steer(row, scale))])
        speak.append(torch.softmax(cache[FLOOR][0, 0].double(), -1)[2].item())
        assert acts[0].diagnostics["p_speak"] == pytest.approx(speak[-1], abs=1e-4)
    assert (np.diff(speak) > 0).all()
    assert speak[-1] - speak[0] > 0.01


def test_a_scale_of_nothing_changes_nothing_and_units_are_what_they_say(nano):
    site = "blocks.1.hook_out"
    direction = torch.arange(48.0)
    rows = {}

    def keep(tensor, hook):
        rows[hook.ctx.setdefault("name", len(rows))] = tensor

    for fn in (None, steer(direction, 0), steer(direction, 2), steer(direction, 2, unit="norm"),
               steer(direction, 0.2, unit="row", rows=None)):  # fmt: skip
        with hooks(nano, [(site, keep)] if fn is None else [(site, fn), (site, keep)]) as chair:
            chair.step(chair.open(OpenConfig()), Percept(0))
    plain, none, given, norm, row = (rows[i][0] for i in range(5))
    assert torch.equal(plain, none)
    torch.testing.assert_close(given[-1] - plain[-1], 2 * direction)
    assert torch.equal(given[:-1], plain[:-1])
    torch.testing.assert_close((norm - plain)[-1].norm(), torch.tensor(2.0))
    torch.testing.assert_close((row - plain).norm(dim=-1), 0.2 * plain.norm(dim=-1))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: steer(np.zeros(4)), "length 0"),
        (lambda: steer(np.ones((2, 2))), "expected one axis"),
        (lambda: steer(np.ones(2), float("nan")), "finite number"),
        (lambda: steer(np.ones(2), unit="metre"), "expected one of given, norm, row"),
    ],
)
def test_no_direction_is_an_error(make, told):
    with pytest.raises(ProbeError, match=told):
        make()


# --- live


def test_a_session_is_steered_while_it_runs_and_the_figure_shows_it(nano):
    row = nano.eager().module.network.floor_head.weight.detach()[2]
    with LiveSession(nano, source=AudioArray(sound(0), 16_000)) as session:
        plain = session.run(AudioArray(sound(0), 16_000), tail_s=0)
        push = session.steer("ln_final.hook_out", row, 3.0)
        turned = Turning(AudioArray(sound(0), 16_000), {4: lambda: setattr(push, "scale", 0.5), 7: push.remove})
        steered = session.run(turned, tail_s=0)
        assert (push.on, push.dropped, session.stand_in) == (False, "", None)
    told = [tuple(moment.act.diagnostics.get("hooks", ())) for moment in steered]
    first, second = ("steer ln_final.hook_out × 3",), ("steer ln_final.hook_out × 0.5",)
    assert told == [first] * 4 + [second] * 3 + [()] * 3
    p = [[m.act.diagnostics["p_speak"] for m in one] for one in (plain, steered)]
    assert p[1][0] > p[0][0]
    lanes = [note.text for note in figure(steered, live=False).layout.annotations]
    assert "hooks" in lanes
    assert "hooks" not in [note.text for note in figure(plain, live=False).layout.annotations]


class Turning:
    """A source that does something before some micro-turns."""

    def __init__(self, source, what):
        self.source, self.what = source, what

    def read(self, index):
        self.what.get(index, lambda: None)()
        return self.source.read(index)

    def __getattr__(self, name):
        return getattr(self.source, name)


def test_a_push_that_does_not_fit_is_an_error_and_the_session_is_as_before(nano):
    with LiveSession(nano, source=AudioArray(sound(0), 16_000)) as session:
        for site, direction, error in (
            ("ln_final.hook_out", np.ones(3), ProbeError),
            ("ln_final.hook", np.ones(48), UnknownSite),
            ("clock.hook_out", np.ones(20), ProbeError),
            (["ln_final.hook_out"], np.ones(48), ProbeError),
        ):
            with pytest.raises(error):
                session.steer(site, direction)
        assert session.stand_in is None
        push = session.steer("ln_final.hook_out", np.ones(48), name="up")
        with pytest.raises(ProbeError, match="finite number"):
            push.scale = "much"
        assert push.name == "up × 1"
        assert push.on


def test_the_lane_has_a_row_for_each_change_that_is_on_at_once():
    from imkit.views.lanes import Span, _hooks

    def moment(index, *names):
        return SimpleNamespace(act=SimpleNamespace(diagnostics={"hooks": list(names)}), start_s=index / 5)

    runs = _hooks([moment(0, "a"), moment(1, "a", "b"), moment(2, "b"), moment(4, "b"), moment(5)])
    assert [(r.text, round(r.start_s, 3), round(r.end_s, 3)) for r in runs] == [
        ("a", 0.0, 0.4), ("b", 0.2, 0.6), ("b", 0.8, 1.0)]  # fmt: skip
    assert Span("a", 0.0, runs[0].end_s) == runs[0]

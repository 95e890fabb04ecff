"""The microphone, the user's side and a trial, heard and seen from the model's chair."""

import itertools

import numpy as np
import pytest

from imkit.scenes import SuiteError, load_suite
from imkit.scenes.policies import Oracle, Silent
from imkit.scenes.scoring import Verdict
from imkit.scenes.suite import Settings
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.scenes.world import World
from imkit.stream import Act, Call, Event, Floor, ModelSpec, Provenance, Word, heard_from_s

RATE, TICK = 16_000, 3_200
PLAIN = {"level_db": -20, "snr_db": 90, "reverb": 0, "echo": 0, "echo_db": 0}


def world_of(seed=0, number=0, **microphone):
    suite = load_suite("dev")
    suite = type(suite)(**{**vars(suite), "microphone": {**PLAIN, **microphone}})
    return World(suite, Settings("[scene.x]", {"wait_s": [1, 2]}), Prompter(suite), np.random.default_rng(seed), number)


def listen(world, ticks):
    """All that the microphone gives, as one sound, while the model does nothing."""
    return np.concatenate([world.percept().audio for _ in range(ticks)])


def rms_db(sound):
    return 10 * np.log10(np.mean(sound.astype(float) ** 2) + 1e-12)


def beep(world, index, amplitude=0.3):
    """The model sounds for one micro-turn."""
    audio = (amplitude * np.sin(np.arange(TICK) * 0.2)).astype(np.float32)
    world.hear(Act(index, audio, Floor.SPEAK, (Word("okay", heard_from_s(index), heard_from_s(index) + 0.2),)))


# --- the microphone


@pytest.mark.parametrize("level_db", [-30, -18])
def test_speech_arrives_when_and_as_loud_as_it_should(level_db):
    world = world_of(level_db=level_db)
    said = world.say("one two three", 1.0)
    heard = listen(world, 20)
    assert said.start_s == pytest.approx(1.0)
    during = heard[round(1.05 * RATE) : round((said.end_s - 0.05) * RATE)]
    assert rms_db(during) == pytest.approx(level_db, abs=6)  # a filter colours it
    assert rms_db(heard[: round(0.9 * RATE)]) < level_db - 60
    assert rms_db(heard[round((said.end_s + 0.1) * RATE) :]) < level_db - 60


def test_noise_is_as_far_below_speech_as_the_suite_says():
    assert rms_db(listen(world_of(snr_db=20), 20)) == pytest.approx(-40, abs=1)


def test_a_room_rings_on():
    def after(reverb):
        world = world_of(seed=3, reverb=reverb)
        said = world.say("one", 0.4)
        return rms_db(listen(world, 10)[round((said.end_s + 0.05) * RATE) :][:1600])

    assert after(1) > after(0) + 10


def test_pauses_move_later_words_and_keep_the_loudness_between_them():
    plain, paused = world_of(), world_of()
    whole = plain.say("one two three", 0.6)
    parts = paused.say("one two three", 0.6, pauses=[(2, 1.0)])
    moved = [b - a for (_, a, _), (_, b, _) in zip(whole.words, parts.words, strict=True)]
    assert moved == pytest.approx([0, 0, 1.0])
    a, b = listen(plain, 16), listen(paused, 16)
    cut = round((parts.words[1][2] - 0.05) * RATE)
    assert np.allclose(a[:cut], b[:cut], atol=1e-4)
    gap = b[round((parts.words[1][2] + 0.1) * RATE) : round((parts.words[2][1] - 0.1) * RATE)]
    assert rms_db(gap) < -75
    inside = slice(400, 4800)  # the filter of the microphone needs 256 samples to forget the cut
    third = b[round(parts.words[2][1] * RATE) :][inside]
    assert np.allclose(third, a[round(whole.words[2][1] * RATE) :][inside], atol=1e-3)


def test_the_model_hears_itself_later_and_softer_and_its_soft_sounds_softer_still():
    world = world_of(echo=1, echo_db=-20)
    pieces = []
    for index in range(6):
        pieces.append(world.percept().audio)
        beep(world, index, 0.3 if index == 1 else 0.003 if index == 3 else 0.0)
    heard = np.concatenate(pieces)
    loud = np.flatnonzero(np.abs(heard) > 0.003)  # act 1 sounds from 0.4 s on
    assert 0.43 <= loud[0] / RATE <= 0.53
    assert rms_db(heard[round(0.53 * RATE) : round(0.6 * RATE)]) == pytest.approx(-40, abs=5)
    assert rms_db(heard[round(0.95 * RATE) : round(1.0 * RATE)]) == pytest.approx(-80, abs=6)


def test_without_echo_the_model_does_not_hear_itself():
    world = world_of()
    beep(world, 0)
    assert rms_db(listen(world, 4)) < -80


def test_a_world_is_the_same_again_and_another_with_another_number():
    suite = load_suite("dev")

    def sound(number):
        world = make_world(suite, Prompter(suite), "pause_handling", number, RATE)
        world.say("one two", 0.5)
        return listen(world, 6)

    assert np.array_equal(sound(3), sound(3))
    assert not np.array_equal(sound(3), sound(4))


# --- the user's side


def test_nothing_is_said_in_the_past():
    world = world_of()
    listen(world, 5)
    world.say("one", 1.0)
    with pytest.raises(AssertionError, match=r"it is 1\.00 s"):
        world.say("one", 0.9)


def test_typed_lines_and_events_arrive_in_their_micro_turn_or_now():
    world = world_of()
    event = Event("result", Provenance.TOOL, "done")
    world.type("hello", 0.4)
    world.type("again", 0.4)
    world.tell(event, 0.41)
    got = [world.percept() for _ in range(4)]
    assert [p.text for p in got] == ["", "", "hello\nagain", ""]
    assert [p.events for p in got] == [(), (), (), (event,)]
    world.type("late", 0.1)
    world.tell(event, 0.1)
    now = world.percept()
    assert (now.text, now.events) == ("late", (event,))


def test_pictures_are_painted_for_whoever_looks():
    world = world_of()
    world.painter = lambda time_s: np.full((4, 4, 3), round(10 * time_s), np.uint8)
    assert [int(world.percept().frames[0][0, 0, 0]) for _ in range(3)] == [0, 2, 4]
    world.looked_at = False
    assert world.percept().frames == ()


def test_calls_reach_the_scene():
    world, called = world_of(), []
    world.on_call = called.append
    call = Call("tool", "1", "light")
    world.hear(Act(0, np.zeros(TICK, np.float32), calls=(call,)))
    assert called == [call]


def test_falling_silent_withdraws_what_was_due_later():
    world = world_of()
    soon, later = world.expect("one", 1.0, due_s=2.0), world.expect("two", 1.0, due_s=4.0)
    undated = world.expect("three", 3.5)
    world.expect_quiet(3.0)
    assert [w.withdrawn for w in (soon, later, undated)] == [False, True, False]
    assert world.expected[-1].words == ()


# --- looking


def spoken(*words):
    """A world in which the model said words, each a tone of one micro-turn, at these acts."""
    world = world_of()
    for index in range(15):
        audio = np.zeros(TICK, np.float32)
        own = tuple(Word(text, heard_from_s(index), heard_from_s(index) + 0.2) for text, at in words if at == index)
        if own:
            audio = (0.3 * np.sin(np.arange(TICK) * 0.2)).astype(np.float32)
        world.percept()
        world.hear(Act(index, audio, words=own))
    return world


@pytest.mark.parametrize(
    ("words", "passed", "why"),
    [
        ([("five", 5)], True, ""),
        ([], False, "no answer"),
        ([("five", 11)], False, "too late"),
        ([("four", 5)], False, "said 'four', expected 'five'"),
        ([("five", 5), ("okay", 8)], False, "said 'five okay'"),
        ([("um", 1), ("five", 5)], False, "spoke for 0.20 s before the end"),
    ],
)
def test_an_answer_is_these_words_alone_in_time(words, passed, why):
    check = spoken(*words).answer(["five"], 1.0, (-0.25, 1.0))
    assert check.kind == "act"
    assert check.passed is passed
    assert why in check.why
    if passed:
        assert check.latency_s == pytest.approx(0.2, abs=0.011)


def test_quiet_is_broken_by_more_than_a_blip():
    world = spoken(("um", 1))
    assert not world.quiet(0.0, 1.0, "early").passed
    assert world.quiet(0.0, 1.0, "early").why == "spoke 0.20 s early"
    assert world.quiet(0.0, 0.45, "early").passed
    assert world.quiet(0.7, 3.0, "late").passed


# --- a trial


def echoing(world):
    """Says something as soon as the model has started to sound."""
    world.expect("yes", 0.4)
    onset = yield from world.onset(0.0, 2.0)
    if onset is None:
        return Verdict((), {"waited_s": world.now_s})
    said = world.say("right", world.now_s + 0.2)
    yield from world.until(said.end_s + 0.4)
    return Verdict((world.answer(["yes"], 0.4, (0.0, 1.0)),), {"onset_s": onset})


def play(scene, policy):
    world = world_of()
    verdict, timeline = play_trial(scene, world, policy(world))
    return world, verdict, timeline


def test_the_world_answers_to_what_is_heard():
    world, verdict, timeline = play(echoing, Oracle)
    assert verdict.checks[0].passed
    assert verdict.measures["onset_s"] == pytest.approx(0.6, abs=0.021)
    assert world.said[0].start_s == pytest.approx(0.8)  # act 2 sounds at 0.6 s, when micro-turn 3 is being written
    assert timeline.duration_s == pytest.approx(world.now_s)
    assert timeline.words()[0].text == "yes"


def test_waiting_for_a_model_that_never_starts_ends():
    world, verdict, _ = play(echoing, Silent)
    assert verdict.measures["waited_s"] == pytest.approx(2.2)
    assert world.said == []


def test_a_scene_must_end():
    def endless(world):
        while True:
            yield

    with pytest.raises(SuiteError, match="endless 0: still going after 150 s"):
        play(endless, Silent)


def test_a_trial_is_measured_only_with_a_clock():
    world = world_of()
    ticks = itertools.count()
    _, timeline = play_trial(echoing, world, Oracle(world), lambda: next(ticks) * 0.004)
    assert {moment.compute_ms for moment in timeline} == {4.0}
    _, _, timed_by_none = play(echoing, Oracle)
    assert {moment.compute_ms for moment in timed_by_none} == {0.0}
    assert [m.to_json() for m in timeline] == [m.to_json() for m in timed_by_none]


def test_a_model_speaks_at_its_own_rate():
    class Fast(Oracle):
        @property
        def spec(self):
            return ModelSpec("fast", 24_000)

        def step(self, state, percept):
            act, state = super().step(state, percept)
            return Act(act.index, np.repeat(act.audio, 3)[::2].copy(), act.floor, act.words), state

    world = world_of()
    world.agent.__init__(24_000)
    world.output_rate = 24_000
    verdict, _ = play_trial(echoing, world, Fast(world))
    assert verdict.checks[0].passed

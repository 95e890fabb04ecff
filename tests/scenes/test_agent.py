from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.scenes.agent import Agent, segments_of
from imkit.stream import Act, Call, Word


def levels(*stretches):
    """Frames of 10 ms from (seconds, dBFS)."""
    return np.concatenate([np.full(round(seconds * 100), float(db)) for seconds, db in stretches])


def agent_of(sound, rate=16_000, words=()):
    """An agent that heard ``sound`` in acts of one micro-turn; words are given to the act that they begin in."""
    agent, size = Agent(rate), rate // 5
    for index in range(-(-len(sound) // size)):
        audio = np.zeros(size, np.float32)
        part = sound[index * size : (index + 1) * size]
        audio[: len(part)] = part
        own = tuple(w for w in words if (index + 1) / 5 <= w.start_s < (index + 2) / 5 - 1e-9)
        agent.add(Act(index, audio, words=own))
    return agent


def tone(*spans, seconds=3.0, rate=16_000, gain=0.3):
    time_s = np.arange(round(seconds * rate)) / rate
    on = np.zeros(len(time_s), bool)
    for start, end in spans:
        on |= (time_s >= start) & (time_s < end)
    return (gain * np.sin(2 * np.pi * 300 * time_s) * on).astype(np.float32)


def test_short_sounds_are_dropped_and_short_gaps_bridged():
    assert segments_of(levels((1, -90), (0.07, -20), (1, -90))) == []
    assert segments_of(levels((1, -90), (0.08, -20), (1, -90))) == [(1.0, 1.08)]
    bridged = levels((0.5, -20), (0.2, -90), (0.5, -20))
    apart = levels((0.5, -20), (0.21, -90), (0.5, -20))
    assert segments_of(bridged) == [(0.0, 1.2)]
    assert segments_of(apart) == [(0.0, 0.5), (0.71, 1.21)]


def test_a_frame_sounds_above_the_floor_and_above_the_peak_less_35_db():
    assert segments_of(levels((1, -46))) == []
    assert segments_of(levels((1, -44))) == [(0.0, 1.0)]
    assert segments_of(levels((0.5, -6), (0.5, -42))) == [(0.0, 0.5)]
    assert segments_of(levels((0.5, -6), (0.5, -40))) == [(0.0, 1.0)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([-100.0, -60.0, -44.0, -30.0, -10.0])), max_size=30))
def test_segments_are_in_order_long_enough_and_far_enough_apart(stretches):
    found = segments_of(levels(*((frames / 100, db) for frames, db in stretches)) if stretches else np.zeros(0))
    length = sum(frames for frames, _ in stretches) / 100
    assert all(start >= 0 and end <= length + 1e-9 and end - start >= 0.08 - 1e-9 for start, end in found)
    assert all(right[0] - left[1] > 0.2 + 1e-9 for left, right in pairwise(found))


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from([8_000, 16_000, 22_050, 24_000, 44_100, 48_000]))
def test_sound_is_found_where_it_is_at_every_rate(data, rate):
    start = data.draw(st.floats(0.0, 1.0))
    end = start + data.draw(st.floats(0.15, 1.5))
    agent = agent_of(tone((start, end), rate=rate), rate)
    # act 0 sounds one micro-turn in; a frame at the edge may be half filled
    assert agent.segments == [(pytest.approx(start + 0.2, abs=0.021), pytest.approx(end + 0.2, abs=0.021))]
    assert agent.until_s == pytest.approx(3.2)
    assert agent.speaking(0, 10) == pytest.approx(end - start, abs=0.04)


def test_onset_is_that_of_a_stretch_which_starts_in_the_window():
    agent = agent_of(tone((0.3, 0.8), (1.5, 2.0)))  # heard from 0.5 and from 1.7
    assert agent.onset(0.0) == pytest.approx(0.5, abs=0.011)
    assert agent.onset(0.6) == pytest.approx(1.7, abs=0.011)
    assert agent.onset(0.6, 1.6) is None
    assert agent.speaking(0.7, 1.8) == pytest.approx(0.4, abs=0.03)


def test_answers_follow_what_is_added():
    agent = agent_of(tone((0.0, 0.2), seconds=0.2))
    assert len(agent.segments) == 1
    for index in range(1, 400):
        agent.add(Act(index, tone((0.0, 0.2), seconds=0.2) if index == 300 else np.zeros(3200, np.float32)))
    assert [round(start, 1) for start, _ in agent.segments] == [0.2, 60.2]


def test_only_words_that_sound_count():
    words = [Word("yes", 0.6, 0.9), Word("no", 2.0, 2.3)]
    agent = agent_of(tone((0.4, 0.7)), words=words)
    assert agent.texts() == ["yes"]
    assert agent.texts(0.7) == []
    assert agent.mismatches == 1  # "no" is silent


def test_sound_without_a_word_is_a_mismatch():
    assert agent_of(tone((0.4, 0.7))).mismatches == 1
    assert agent_of(tone((0.4, 0.7)), words=[Word("yes", 0.6, 0.9)]).mismatches == 0
    assert agent_of(np.zeros(16_000, np.float32)).mismatches == 0


def test_calls_and_what_was_heard_are_kept():
    agent = Agent(16_000)
    call, word = Call("tool", "1", "light"), Word("on", 0.1, 0.2)
    agent.add(Act(0, np.zeros(3200, np.float32), heard=(word,), calls=(call,)))
    assert (agent.calls, agent.heard) == ([call], [word])

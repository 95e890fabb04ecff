"""The card of a micro-turn, distributions, and two timelines over each other."""

from dataclasses import replace

import numpy as np
import pytest
from example_timeline import example_timeline

from imkit.stream import Act, Floor, Moment, Percept, Timeline
from imkit.views import compare, differences, latency_figure, moment_figure, turn_taking_figure
from imkit.views.card import Card, Text, wrapped
from imkit.views.letters import text_px
from imkit.views.palette import LIGHT

TIMELINE = example_timeline()


def notes(fig):
    return [note.text for note in fig.layout.annotations]


def test_the_card_tells_percept_and_act():
    told = " | ".join(notes(moment_figure(TIMELINE, 10.05)))
    assert "Percept 50, 10.0 to 10.2 s" in told
    assert "Act, heard 10.2 to 10.4 s" in told
    assert "Here is &lt;/script> the chart" in told
    assert "[surface:" in told
    assert "nothing new" in told
    assert len(moment_figure(TIMELINE, 10.05).layout.images) == 1
    assert "plot(request='plot &lt;price>" in " ".join(notes(moment_figure(TIMELINE, 4.6)))


def test_the_card_shows_diagnostics_by_kind():
    timeline = Timeline(16_000)
    told = {"tokens": 14, "p_speak": 0.25, "why": "because"}
    timeline.append(Moment(Percept(0), Act(0, np.zeros(3200, np.float32), diagnostics=told)))
    fig = moment_figure(timeline, 0.1)
    assert {"tokens in: 14", "p_speak 0.25", "why", "because"} <= set(notes(fig))
    squares = next(trace for trace in fig.data if trace.type == "scatter" and trace.marker.symbol == "square")
    assert len(squares.x) == 14
    gauge = [trace.x[0] for trace in fig.data if trace.type == "bar" and len(trace.x) == 1]
    assert gauge[:2] == [1.0, 0.25]


def test_the_card_of_nothing_is_an_error_that_says_what_there_is():
    with pytest.raises(ValueError, match=r"no micro-turn 500 is kept; this timeline runs from 0.0 to 18.0 s"):
        moment_figure(TIMELINE, 100)


def test_the_card_of_a_moment_without_sound_says_so():
    bare = Timeline(16_000)
    bare.append(TIMELINE[40].without_media())
    told = " ".join(notes(moment_figure(bare, 8.0)))
    assert "its samples were let go" in told
    assert "1, let go" in told


@pytest.mark.parametrize("width", [400, 560, 960])
def test_a_card_keeps_its_words_inside(width):
    card = Card({name: [Text("a name", "many words " * 60)] for name in "abc"}, LIGHT, width)
    fig = card.figure()
    for note in fig.layout.annotations:
        assert note.x * width + text_px(note.text.replace("<b>", "").replace("</b>", "")) <= width
        assert 0 < note.y <= 1
    assert wrapped("", 50) == [""]
    assert len(wrapped("many words " * 60, 100)) == 4


def test_offsets_are_counted_into_gaps_and_overlaps():
    fig = turn_taking_figure({"you → model": [0.25, 0.22, -0.31, 9.0], "model → you": []})
    overlap, gap = fig.data[0], fig.data[1]
    assert sum(overlap.y) == 1
    assert dict(zip(np.round(gap.x, 2), gap.y, strict=True))[0.25] == 2
    assert gap.y[-1] == 1  # 9 s stands in the outermost bin
    told = " ".join(notes(fig))
    assert "n = 4, median 0.23 s" in told
    assert "25 % overlap" in told
    assert "Stivers" in told
    assert "none" in told


def test_turn_taking_of_a_timeline_and_of_a_list():
    named = notes(turn_taking_figure(TIMELINE))
    assert any("you → model" in text and "n = 1" in text for text in named)
    assert "<b>all</b>" in notes(turn_taking_figure([0.1, 0.2]))[0]
    with pytest.raises(ValueError, match="hold NaN"):
        turn_taking_figure([0.1, float("nan")])
    with pytest.raises(ValueError, match="at least one"):
        turn_taking_figure({})


def test_latency_counts_late_micro_turns_and_keeps_the_slowest():
    fig = latency_figure(TIMELINE)
    assert "1 of 90 late" in notes(fig)[0]
    assert max(fig.data[0].y) == max(m.compute_ms for m in TIMELINE)
    assert list(fig.data[2].x) == [8.9]
    assert sum(fig.data[3].x) == 90
    assert "n = 1" in notes(fig)[1]
    long = Timeline(16_000)
    for index in range(3000):
        long.append(Moment(Percept(index), Act(index, np.zeros(3200, np.float32)), compute_ms=250.0 * (index == 1234)))
    drawn = latency_figure(long)
    assert len(drawn.data[0].x) <= 400
    assert max(drawn.data[0].y) == 250
    assert len(latency_figure(Timeline(16_000)).data[0].x) == 0


def changed(timeline, index, **values):
    other = Timeline(timeline.output_rate)
    for m in timeline:
        other.append(replace(m, act=replace(m.act, **values), fingerprint=-1) if m.index == index else m)
    return other


def test_equal_timelines_do_not_differ():
    assert differences(TIMELINE, example_timeline()) == []
    fig = compare(TIMELINE, example_timeline(), live=False)
    assert notes(fig)[0] == "nothing differs in 90 micro-turns"
    assert "microphone" in notes(fig)
    assert not [shape for shape in fig.layout.shapes if shape.type == "line"]


def test_what_differs_is_named_and_marked_where_it_is_heard():
    other = changed(TIMELINE, 30, floor=Floor.SPEAK, audio=np.full(3200, 0.1, np.float32))
    found = differences(TIMELINE, other)
    assert [(one.tick, one.what) for one in found] == [(30, ("floor", "own sound"))]
    fig = compare(TIMELINE, other, ("before", "after"), live=False)
    assert notes(fig)[0] == "1 of 90 micro-turns differ, first at 6.2 s (floor 1, own sound 1)"
    assert {"microphone", "floor, before", "floor, after"} <= set(notes(fig))
    (line,) = [shape for shape in fig.layout.shapes if shape.type == "line"]
    assert line.x0 == pytest.approx(6.2)


def test_other_input_is_shown_twice_and_missing_ticks_are_told():
    other = Timeline(16_000)
    for m in list(TIMELINE)[:80]:
        noisy = m.percept.audio + np.float32(0.01) if m.index == 3 else m.percept.audio
        other.append(replace(m, percept=replace(m.percept, audio=noisy), fingerprint=-1, level_db=m.level_db))
    found = differences(TIMELINE, other)
    assert found[0].what == ("microphone",)
    assert [one.what for one in found[1:]] == [("presence",)] * 10
    assert {"microphone, a", "microphone, b"} <= set(notes(compare(TIMELINE, other, live=False)))

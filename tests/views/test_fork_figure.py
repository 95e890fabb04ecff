"""The picture of a fork: the past once, branches from where they begin, differences set off."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeModel, loud_audio

from imkit.capture import Script
from imkit.probe import fork
from imkit.session import Session
from imkit.stream import Act, Floor, Moment, Percept, Timeline, Word
from imkit.views.fork_figure import _pieces, fork_figure
from imkit.views.palette import DARK, LIGHT
from imkit.views.parting import parting


def parent() -> Timeline:
    with Session(FakeModel(), namespace={}) as session:
        return session.run(Script([{"t": 1.0, "text": "one two three four five six"}, {"t": 4.0, "text": "plot it"}]))


PARENT = parent()
STOPPED = fork(PARENT, 1.4).with_audio(loud_audio(), 2.0).run()
SAME = fork(PARENT, 2.0).run()


def notes(figure: object) -> list[str]:
    return [note.text for note in figure.layout.annotations]  # type: ignore[attr-defined]


def test_where_two_timelines_part_is_known() -> None:
    one = parting(PARENT, STOPPED)
    assert (one.at_s, one.parted_s) == (1.4, 2.2)  # the act of tick 10 is heard in tick 11
    assert one.input == (2.0,)
    assert one.floor == (2.2,)
    assert [word.text for word in one.missing] == ["six"]
    assert [word.text for word in one.heard] == ["loud"]
    assert one.words == ()
    same = parting(PARENT, SAME)
    assert (same.at_s, same.parted_s, same.input, same.words, same.missing) == (2.0, None, (), (), ())


def test_a_call_parts_in_its_own_tick() -> None:
    branch = fork(PARENT, 2.0).without("typed", 4.0).run()
    assert parting(PARENT, branch).parted_s == 4.0


def test_timelines_that_nobody_forked_part_where_moments_are_not_shared() -> None:
    branch = PARENT.between()
    branch.origin = None
    assert parting(PARENT, branch).at_s == pytest.approx(PARENT[-1].start_s + 0.2)
    other = parent()
    other.origin = None
    assert parting(PARENT, other).at_s == 0.0


def test_the_past_is_drawn_once_and_what_differs_is_set_off() -> None:
    figure = fork_figure(PARENT, STOPPED, SAME)
    shown = notes(figure)
    assert [shown.count(word) for word in ("one", "two", "four")] == [1, 1, 2]  # heard from 1.2, 1.4 and 1.8 s on
    assert "<b>six</b>" in shown
    assert "<b>as it was</b>" in shown
    assert any("1600" not in text and "parts at 2.2 s" in text for text in shown)
    assert any("nothing changed  ·  never parts" in text for text in shown)
    assert {"fork at 1.4 s", "fork at 2.0 s", "plot it", "▲ plot"} <= set(shown)
    dotted = [shape for shape in figure.layout.shapes if shape.type == "line" and shape.line.dash == "dot"]
    assert [shape.x0 for shape in dotted] == [2.2]
    changed = [shape for shape in figure.layout.shapes if shape.fillcolor and "rgba(194" in shape.fillcolor]
    assert [(shape.x0, round(shape.x1, 3)) for shape in changed] == [(2.0, 2.2)]


def test_names_range_and_theme() -> None:
    figure = fork_figure(PARENT, STOPPED, names=("before", "<after>"), start_s=1.0, end_s=3.0, theme="dark", width=600)
    assert any("&lt;after&gt;" in text for text in notes(figure))
    assert (figure.layout.xaxis.range, figure.layout.width) == ((1.0, 3.0), 600)
    assert (figure.layout.paper_bgcolor, LIGHT.paper) == (DARK.paper, "#ffffff")
    waves = [trace for trace in figure.data if trace.fill == "toself"]
    assert all(np.asarray(trace.x).min() >= 1.0 for trace in waves)
    with pytest.raises(ValueError, match="shows nothing"):
        fork_figure(PARENT, start_s=3.0, end_s=3.0)
    with pytest.raises(ValueError, match="theme"):
        fork_figure(PARENT, theme="pink")
    fork_figure(Timeline())


def bursts(change: str = "") -> Timeline:
    """Five words within one second, every three seconds; the third of each burst may be another."""
    timeline = Timeline(16_000)
    for index in range(60):
        burst, number = divmod(index, 15)
        text = f"say{burst}{number}" if number != 2 or not change else f"{change}{burst}"
        words = (Word(text, index / 5, index / 5 + 0.1),) if number < 5 else ()
        timeline.append(Moment(Percept(index), Act(index, np.zeros(3200, np.float32), Floor.SPEAK, words)))
    return timeline


def test_crowded_words_stand_behind_one_another_and_what_differs_stays_set_off() -> None:
    figure = fork_figure(bursts(), bursts("else"), start_s=0.0, width=700)
    spoken = [note for note in figure.layout.annotations if "say" in note.text or "else" in note.text]
    told = " ".join(note.text for note in spoken)
    for burst in range(3):  # the last is cut at the edge
        assert f"say{burst}0 say{burst}1 <b>else{burst}</b> say{burst}3 say{burst}4" in told
    at_s = {note.text: note.x for note in spoken}
    assert at_s["say10 say11"] < at_s["<b>else1</b>"] < at_s["say13 say14"]
    crowded = " ".join(notes(fork_figure(bursts(), bursts("else"), start_s=0.0, width=330)))
    assert "…" in crowded


def test_pieces_are_marked_where_a_word_of_them_is() -> None:
    words = [("one", False), ("two", True), ("three", True), ("four", False)]
    assert _pieces("one two three four", words) == [("one", False), ("two three", True), ("four", False)]
    assert _pieces("one…", words) == [("one…", True)]
    assert _pieces("one tw…", words) == [("one", False), ("tw…", True)]
    assert _pieces("one two three fo…", words) == [("one", False), ("two three", True), ("fo…", False)]
    assert _pieces("two…", words[1:2]) == [("two…", True)]

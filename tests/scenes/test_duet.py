import copy
import json

import numpy as np
import pytest

from imkit.scenes import SuiteError, duet
from imkit.scenes.cast import Cast
from imkit.scenes.duet import SHOWN, Duet, chairs, duet_suite
from imkit.scenes.policies import Oracle, Silent
from imkit.scenes.trial import make_world
from imkit.stream import Act, Floor, ModelError, ModelSpec, Word


class Answers:
    """Says a word at set times, whatever it hears."""

    spec = ModelSpec("answers", 8000)

    def __init__(self, *ticks):
        self.ticks = ticks

    def open(self, config):
        return None

    def step(self, state, percept):
        k = percept.index
        if k not in self.ticks:
            return Act(k, np.zeros(1600, np.float32)), state
        start_s = (k + 1) / 5
        word = Word("<now>", start_s, start_s + 0.2)
        return Act(k, np.full(1600, 0.3, np.float32), Floor.SPEAK, (word,)), state


@pytest.fixture(scope="module")
def played() -> Duet:
    return duet.duet("smooth_turn_taking", 0, {"early": Answers(2), "silent": Answers()})


@pytest.mark.parametrize(("scene", "number"), SHOWN)
def test_all_that_is_said_was_recorded_and_the_oracle_does_it_right(monkeypatch, scene, number):
    def no_engine(*_):
        raise AssertionError("a speech engine was asked")

    monkeypatch.setattr("imkit.voices.FreshSpeaker.speak", no_engine)

    class Seated(Oracle):
        """An oracle that finds its world by itself."""

        def __init__(self):
            pass

    def known(*of):
        oracle.world = make_world(*of)
        return oracle.world

    oracle = Seated()
    monkeypatch.setattr(duet, "make_world", known)
    (only,) = duet.duet(scene, number, {"oracle": oracle}).plays.values()
    assert only.told == "as it should be"
    assert only.marks_s
    assert [said.text for said in only.said][-1]


def test_somebody_talks_when_the_timer_is_due():
    with Cast(duet_suite()) as cast:
        world = make_world(duet_suite(), cast, "timespeak_synth", 0, 16_000)
        silent = Silent(world)
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(duet, "make_world", lambda *_: world)
            (only,) = duet.duet("timespeak_synth", 0, {"silent": silent}).plays.values()
    assert only.said[1].start_s + 1 < only.marks_s[-1] < only.said[1].end_s - 1
    assert "missed 'now'" in only.told


def test_each_model_has_two_lanes_of_words_and_what_was_wrong(played):
    figure = json.loads(played.figure().to_json())
    texts = [trace["text"] for trace in figure["data"] if "text" in trace]
    assert texts == [["what", "is", "six", "times", "six"], ["&lt;now>"], ["what", "is", "six", "times", "six"], []]
    notes = [note["text"] for note in figure["layout"]["annotations"]]
    assert notes[0] == "user"
    assert notes[1].startswith("<b>early: spoke for 0.20 s before the end")
    assert notes[2:] == ["early", "user", "<b>silent: no answer</b>", "silent"]
    ends = {shape["x0"] for shape in figure["layout"]["shapes"]}
    assert ends == set(played.plays["silent"].marks_s) == {round(played.plays["early"].said[0].end_s, 3)}
    assert figure["layout"]["xaxis"]["range"][1] == pytest.approx(played.plays["early"].timeline.end_s + 0.2)


def test_the_user_is_left_and_the_model_right_on_one_clock(played):
    left, right = played.sound("early")
    said = played.plays["early"].said[0]
    before, during = slice(0, int(16_000 * (said.start_s - 0.1))), slice(*(int(16_000 * t) for t in said.words[0][1:]))
    assert np.abs(left[during]).mean() > 5 * np.abs(left[before]).mean()
    loud = np.flatnonzero(np.abs(right) > 0.1) / 16_000
    assert (loud.min(), loud.max()) == (pytest.approx(0.6, abs=0.01), pytest.approx(0.8, abs=0.01))
    assert not played.sound("silent")[1].any()
    assert played.plays["early"].onsets_s == [pytest.approx(0.6)]


def test_a_cell_shows_the_figure_and_a_player_each(played, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    played._ipython_display_()
    assert [type(item).__name__ for item in shown] == ["Figure", "HTML", "Audio", "HTML", "Audio"]
    assert "early" in shown[1].data
    assert "early spoke for 0.20 s" in repr(played)
    assert "silent no answer" in repr(played)


def test_the_same_play_is_the_same(played):
    again = duet.duet("smooth_turn_taking", 0, {"early": Answers(2)})
    assert np.array_equal(again.sound("early"), played.sound("early"))
    assert again.plays["early"].verdict == copy.copy(played.plays["early"].verdict)


def test_what_nobody_recorded_is_refused():
    with pytest.raises(SuiteError, match=r"duet\('backchannel', 3\): expected one of smooth_turn_taking 0, "):
        duet.duet("backchannel", 3, {})


def test_a_model_that_is_not_installed_is_left_out_with_one_line(monkeypatch, capsys):
    def load(name):
        if name == "cascade":
            raise ModelError("model 'cascade' needs the package pocketsphinx;\n run: pip install imkit[cascade]")
        return Answers()

    monkeypatch.setattr(duet, "load", load)
    assert list(chairs()) == ["nano"]
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert told.startswith("Going on without cascade: model 'cascade' needs the package pocketsphinx; run: pip install")


def test_the_cascade_says_which_package_it_lacks(monkeypatch, capsys):
    monkeypatch.setattr("imkit.adapters.cascade_ears.find_spec", lambda name: None)
    assert chairs(["cascade"]) == {}
    assert "run: pip install imkit[cascade]" in capsys.readouterr().out

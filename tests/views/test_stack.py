"""The figure: which lanes, what is in them for a view, and that no two words touch."""

import numpy as np
import plotly.graph_objects as go
import pytest
from example_timeline import example_timeline
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.stream import Act, Call, Event, Floor, Ledger, Moment, Percept, Provenance, Timeline, Word
from imkit.views import figure
from imkit.views.lanes import Span, lanes_of
from imkit.views.letters import cut, fitted, gathered, phrases, text_px
from imkit.views.palette import LIGHT
from imkit.views.stack import View, clock, strict
from imkit.views.tasks import tasks_of
from imkit.views.unheard import unheard
from imkit.views.word_lanes import Marks, Tasks, Words

TIMELINE = example_timeline()
SILENT = np.zeros(3200, np.float32)


def lane_names(fig):
    return [note.text for note in fig.layout.annotations][1:]


def said(fig):
    texts = [trace for trace in fig.data if trace.text is not None]
    return {word: at for trace in texts for *at, word in zip(trace.x, trace.y, trace.text, strict=True)}


def test_all_lanes_that_hold_anything_share_one_clock():
    fig = figure(example_timeline(start=50), live=False)
    names = "turns, microphone, spectrogram, heard, camera, typed, events, floor, says, own voice, tasks, surfaces"
    assert lane_names(fig) == [*names.split(", "), "compute, ms"]
    assert tuple(fig.layout.xaxis.range) == (10.0, 28.2)
    assert {trace.xaxis for trace in fig.data} == {"x"}
    assert said(fig)["sure"][0] == 15.0
    assert not [text for text in said(fig) if "<b>" in text]


def test_a_part_and_some_lanes():
    fig = figure(TIMELINE, 4, 9, ["says", "draft", "floor"], "dark", live=False)
    assert lane_names(fig) == ["says", "floor"]
    assert tuple(fig.layout.xaxis.range) == (4, 9)
    assert fig.layout.paper_bgcolor == "#14161d"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"start_s": 30}, "runs from 0.0 to 18.2 s"),
        ({"lanes": ["say"]}, "no lane is called 'say'"),
        ({"theme": "blue"}, "expected 'light' or 'dark'"),
    ],
)
def test_what_cannot_be_shown_is_said(wrong, told):
    with pytest.raises(ValueError, match=told):
        figure(TIMELINE, **wrong)


def test_overlaps_and_gaps_run_through_all_lanes():
    timeline = Timeline(16_000)
    loud = np.full(3200, 0.3, np.float32)
    for index in range(40):
        you, own = 5 <= index < 15, 12 <= index < 20 or 24 <= index < 28
        timeline.append(
            Moment(Percept(index, loud if you or index >= 33 else SILENT), Act(index, loud if own else SILENT))
        )
    turns = lanes_of(timeline).turns
    assert turns.overlaps == [pytest.approx((2.6, 3.0))]
    assert turns.gaps == [pytest.approx((5.8, 6.6))]
    bands = [(round(s.x0, 2), round(s.x1, 2)) for s in figure(timeline, live=False).layout.shapes if s.yref == "paper"]
    assert bands == [(5.8, 6.6), (2.6, 3.0)]


def test_what_is_no_number_is_nothing_in_the_state_of_a_widget():
    trace = {"type": "heatmap", "z": np.array([[1.0, np.nan], [np.inf, 0.25]]), "zmax": 1}
    assert strict(trace) == {"type": "heatmap", "z": [[1.0, None], [None, 0.25]], "zmax": 1}
    assert strict({"y": [np.nan]})["y"]  # traces without cells are left alone


def test_zooming_in_the_kernel_draws_what_is_visible():
    fig = figure(TIMELINE, live=True)
    assert isinstance(fig, go.FigureWidget)
    before = len(fig.data[8].x)
    fig.layout.xaxis.range = (5.0, 6.0)
    assert fig.layout.xaxis.minor.showgrid
    words = said(fig)
    assert "sure" in words
    assert "chart" not in words
    near = [x for x in fig.data[8].x if not np.isnan(x)]
    assert min(near) > 4.4
    assert max(near) < 6.6
    fig.layout.xaxis.range = (0, 18.2)
    assert len(fig.data[8].x) == before
    assert "chart" in said(fig)


def test_a_plain_figure_where_there_is_no_kernel():
    assert type(figure(TIMELINE)) is go.Figure


def test_an_hour_is_drawn_with_few_points():
    timeline = Timeline(16_000)
    rng = np.random.default_rng(0)
    sound = (rng.normal(size=3200) * 0.1).astype(np.float32)
    for index in range(5 * 3600):
        word = (Word("word", index / 5, (index + 1) / 5),) if index % 3 == 0 else ()
        timeline.append(Moment(Percept(index, sound), Act(index, SILENT, Floor.LISTEN, heard=word), compute_ms=30))
    fig = figure(timeline, live=False)
    assert max(len(trace.x) for trace in fig.data if trace.x is not None) < 20_000
    assert sum(len(trace.x) for trace in fig.data if trace.type == "bar") < 6_000


# --- words


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 60), st.text("abmW. ", min_size=1, max_size=12)), max_size=60),
    st.floats(0, 30),
    st.floats(0.5, 60),
    st.integers(1, 3),
)
def test_words_shown_never_touch_and_lie_inside(entries, start_s, length_s, rows):
    view = View(start_s, start_s + length_s, 600)
    spans = [Span(text, at, at + 0.2) for at, text in sorted(entries)]
    lane = Words(name="w", height_px=40, colour="#000000", spans=spans, rows=rows)
    texts = lane.drawn(view, LIGHT)[1]
    boxes = [
        (y, (x - start_s) / view.s_per_px, text_px(text.replace("&amp;", "&").replace("&lt;", "<")))
        for x, y, text in zip(texts["x"], texts["y"], texts["text"], strict=True)
    ]
    for number, (y, left, wide) in enumerate(boxes):
        assert left >= -1e-6
        assert left + wide <= 600 + 1e-6
        for other_y, other, other_wide in boxes[:number]:
            assert y != other_y or left >= other + other_wide or other >= left + wide


def test_crowded_words_become_phrases_and_then_nothing():
    spans = [Span(f"word{k}", k * 0.3, k * 0.3 + 0.25) for k in range(10)] + [Span("later", 20.0, 20.3)]
    lane = Words(name="w", height_px=40, colour="#000000", spans=spans)

    def shown(seconds):
        return lane.drawn(View(0, seconds, 600), LIGHT)[1]["text"]

    assert shown(4)[:3] == ["word0", "word1", "word2"]
    assert shown(60)[0].startswith("word0 word1")
    assert shown(60)[1] == "later"
    crowd = [Span("word", at, at + 0.2) for at in range(0, 600, 2)]
    assert Words(name="w", height_px=40, colour="#000000", spans=crowd).drawn(View(0, 600, 600), LIGHT)[1]["text"] == []


def test_cut_keeps_to_its_room():
    assert cut("hello", 500) == "hello"
    assert text_px(cut("hello there", 40)) <= 40
    assert cut("hello there", 40).endswith("…")
    assert cut("hello", 3) == ""
    assert [p.text for p in phrases([Span("a", 0, 1), Span("b", 1.5, 2), Span("c", 4, 5)], 500)] == ["a b", "c"]
    assert fitted([Span("far too long for it", 0, 1)], 0, 1, 1, 1) == []


def test_marks_that_find_no_room_are_signs_only():
    marks = [item for item in lanes_of(TIMELINE).marks if item.kind == "event"]
    lane = Marks(name="events", height_px=40, colour="#000000", marks=marks, rows=2)
    told, rest, words = lane.drawn(View(0, 18, 900), LIGHT)
    assert (len(told["x"]), len(rest["x"]), len(words["x"])) == (2, 0, 2)
    told, rest, words = lane.drawn(View(0, 18, 12), LIGHT)
    assert (len(told["x"]), len(rest["x"]), len(words["x"])) == (0, 2, 0)


def test_clock():
    assert [clock(at) for at in (0, 0.2, 59, 60, 61.5, 3600)] == ["0", "0.2", "59", "1:00", "1:01.5", "60:00"]


# --- tasks, and what nobody heard


def moment(index, *, calls=(), events=(), words=(), epoch=0, audio=SILENT):
    return Moment(
        Percept(index, events=tuple(events)), Act(index, audio, words=tuple(words), calls=tuple(calls)), epoch
    )


def result(id, text="done", **payload):
    return Event("result", Provenance.BACKGROUND, text, id, payload)


def test_a_task_lasts_from_its_call_to_the_words_after_its_result():
    said_at = Word("so", 2.4, 2.6)
    tasks = tasks_of(
        [
            moment(1, calls=[Call("delegate", "a", "plot", {"request": "x"})]),
            moment(2, calls=[Call("tool", "b", "describe"), Call("tool", "c", "list")]),
            moment(3, calls=[Call("cancel", "stop", "", {"id": "c"})]),
            moment(5, events=[result("a", part=1)]),
            moment(8, events=[result("a", "here", ok=True), result("b", ok=False)]),
            moment(11, words=[said_at]),
        ]
    )
    assert [(t.name, t.call_s, t.result_s, t.woven_s, t.outcome) for t in tasks] == [
        ("plot", 0.2, 1.6, 2.4, "done"),
        ("describe", 0.4, 1.6, 2.4, "failed"),
        ("list", 0.4, 0.6, None, "cancelled"),
    ]
    assert (tasks[0].asked, tasks[0].answered) == ("request='x'", "here")


def test_words_long_after_a_result_do_not_belong_to_it():
    said_late = Word("hm", 20, 21)
    late = tasks_of(
        [moment(0, calls=[Call("tool", "a", "t")]), moment(1, events=[result("a")]), moment(99, words=[said_late])]
    )
    assert late[0].woven_s is None
    assert late[0].outcome == "done"


def test_names_of_tasks_lie_inside_or_behind_them():
    tasks = tasks_of([moment(0, calls=[Call("tool", "a", "describe")]), moment(2, events=[result("a")])])
    lane = Tasks(name="tasks", height_px=40, tasks=tasks, end_s=20)
    names = [lane.drawn(View(0, seconds, 800), LIGHT)[3] for seconds in (2, 20)]
    assert [list(n["text"]) for n in names] == [["describe ✓"]] * 2
    assert names[0]["x"][0] < 0.1
    assert names[1]["x"][0] > 0.4


def test_sound_that_was_never_sent_or_never_played_is_told_apart():
    tone = np.full(3200, 0.2, np.float32)
    moments = [moment(index, epoch=index >= 4, audio=tone) for index in range(6)]
    ledger = Ledger(16_000)
    for m in moments:
        if m.index == 4:
            ledger.interrupt()
        ledger.generated(m.act)
        if m.index != 3:
            ledger.sent(m.act, m.epoch)
    ledger.played(0, 2 * 3200 + 1600)
    ledger.played(1, 2 * 3200)
    assert [(round(p.start_s, 2), round(p.end_s, 2), p.sent) for p in unheard(moments, ledger.fates)] == [
        (0.7, 0.8, True),
        (0.8, 1.0, False),
    ]
    timeline = Timeline(16_000)
    for m in moments:
        timeline.append(m)
    fig = figure(timeline, lanes=["own voice"], ledger=ledger, live=False)
    never_sent, never_played = (np.nanmin(np.array(fig.data[k].x)) for k in (2, 3))
    assert never_sent == pytest.approx(0.8, abs=0.02)
    assert never_played == pytest.approx(0.7, abs=0.02)
    everything = figure(timeline, lanes=["own voice"], live=False)
    legends = [" ".join(note.text for note in one.layout.annotations) for one in (fig, everything)]
    assert [("never sent" in told, "never played" in told) for told in legends] == [(True, True), (False, False)]
    assert [len(everything.data[k].x) for k in (2, 3)] == [0, 0]


def spoken(*starts_s):
    return [Span(f"word{number}", at_s, at_s + 0.3) for number, at_s in enumerate(starts_s)]


def test_every_word_is_shown_and_those_without_room_stand_behind_the_one_before():
    shown = gathered(spoken(0, 1, 2, 3), 0, 10, 0.01, 2)
    assert [(row, span.text) for row, span in shown] == [(0, f"word{number}") for number in range(4)]
    crowded = gathered(spoken(0, 0.4, 0.8, 4, 4.4, 4.8), 0, 10, 0.02, 2)
    assert [(row, span.text) for row, span in crowded] == [(0, "word0 word1 word2"), (0, "word3 word4 word5")]
    assert gathered(spoken(*np.arange(0, 10, 0.1)), 0, 10, 0.02, 2) is None
    (edge,) = gathered(spoken(9), 0, 10, 0.03, 2)
    assert edge[1].text.endswith("…")


def test_an_hour_shows_how_much_of_it_the_model_had_the_floor():
    timeline = Timeline(16_000)
    for index in range(9000):
        floor = Floor.SPEAK if index % 10 == 0 else Floor.LISTEN
        timeline.append(Moment(Percept(index, SILENT), Act(index, SILENT, floor)))

    def columns(*view):
        *_, share, _ = figure(timeline, *view, lanes=["floor"], live=False).data
        return share.customdata

    assert len(columns()) > 100
    assert columns()[1:100] == pytest.approx(10, abs=1)
    assert len(columns(0, 20)) == 0


def test_dense_talk_leaves_words_out_and_says_so():
    words = Words(name="says", height_px=46, colour="#000", spans=spoken(*np.arange(0, 10, 0.4)))
    texts = words.drawn(View(0, 10, 560), LIGHT)[1]["text"]
    assert [*texts[:6]] == ["word0", "word1…", "word3", "word4…", "word6", "word7…"]

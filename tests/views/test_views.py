import base64
import io
import json
import re
import xml.etree.ElementTree as ET

import av
import numpy as np
import soundfile
from example_timeline import example_timeline
from hypothesis import given
from hypothesis import strategies as st

from imkit.session import TaskRecord
from imkit.stream import Act, Moment, Percept, Timeline, Word
from imkit.views import figure, report, timeline_svg
from imkit.views.lanes import Span, lanes_of, peaks, rows_of
from imkit.views.report_sound import both_sides
from imkit.views.tasks import recorded

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_svg_holds_every_lane_and_word():
    timeline = example_timeline()
    shown = texts(timeline_svg(timeline))
    for word in [*timeline.heard(), *timeline.words()]:
        assert word.text in shown
    for text in ("microphone", "own voice", "deadline 200 ms", "▲ plot", "▣ price against area", "● cell 3 finished"):
        assert text in shown
    assert "and the 2 <b>largest</b>" in shown


def test_the_svg_places_a_word_at_its_time():
    root = ET.fromstring(timeline_svg(example_timeline(), px_per_s=100))
    placed = {
        group.findtext(f"{SVG}text"): float(re.search(r"[\d.]+", group.get("transform")).group())
        for group in root.iter(f"{SVG}g")
        if "me" in (group.get("class") or "").split()
    }
    for word in example_timeline().words()[-3:]:
        assert placed[word.text] == round(word.start_s * 100, 2)


def test_the_svg_of_a_slice_starts_at_its_start():
    part = example_timeline()[10.0:14.0]
    shown = texts(timeline_svg(part))
    assert "12 s" in shown
    assert "3 s" not in shown
    assert "▲ plot" not in shown


def test_empty_and_single_timelines_can_be_drawn(tmp_path):
    one = Timeline(16_000)
    one.append(Moment(Percept(0), Act(0, np.zeros(3200, np.float32))))
    for timeline in (Timeline(16_000), one):
        ET.fromstring(timeline_svg(timeline))
        assert "micro-turn" in report(timeline, tmp_path / "r.html").read_text()
        assert [note.text for note in figure(timeline).layout.annotations][1:] == ["floor"]


@given(st.text(max_size=20))
def test_words_of_any_text_keep_the_svg_well_formed(text):
    timeline = Timeline(16_000)
    timeline.append(Moment(Percept(0), Act(0, np.zeros(3200, np.float32), heard=(Word(text, 0, 0.1),))))
    svg = timeline_svg(timeline)
    readable = [c for c in text if c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff"]
    assert "".join("".join(readable).split()) in {"".join((shown or "").split()) for shown in texts(svg)}


def page(tmp_path, timeline):
    return report(timeline, tmp_path / "r.html", title="A <b> & B", facts={"model": "<nano>"}).read_text()


def inside(html, name):
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', html, re.S).group(1)


def numbers(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_report_is_one_file_without_addresses(tmp_path):
    html = page(tmp_path, example_timeline())
    assert not re.findall(r"""(?:src|href|url\(|import)\s*[=(]?\s*["']?https?:""", html)
    assert "A &lt;b&gt; &amp; B" in html
    assert "&lt;nano&gt;" in html
    assert html.count("</script>") == 3
    assert html.count('"data:image/jpeg;base64,') == 6
    assert len(html) - len(inside(html, "sound")) < 90_000


def test_the_report_holds_every_micro_turn_and_both_sounds(tmp_path):
    timeline = example_timeline()
    html = page(tmp_path, timeline)
    data = json.loads(inside(html, "data"))
    assert numbers(data["ticks"]["index"], "<i4").tolist() == list(range(90))
    assert numbers(data["ticks"]["ms"], "<f4")[44] > 200
    assert data["told"]["50"]["events"][0]["text"] == "Here is </script> the chart"
    assert "0" not in data["told"]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(inside(html, "sound"))))
    assert (rate, data["sound_type"]) == (16_000, "audio/flac")
    for side, audio in enumerate((timeline.user_audio(), timeline.model_audio())):
        np.testing.assert_allclose(samples[: len(audio), side], np.clip(audio, -1, 1), atol=1e-4)


def test_the_reports_outline_is_that_of_the_sound(tmp_path):
    timeline = example_timeline()
    data = json.loads(inside(page(tmp_path, timeline), "data"))
    drawn = numbers(data["mic"]["peaks"], "u1")
    loud = peaks(timeline.user_audio(), 16_000)
    np.testing.assert_allclose(drawn / 255 * loud.max(), loud, atol=loud.max() / 200)
    assert not np.unpackbits(numbers(data["mic"]["level"], "u1")).any()


def test_diagnostics_go_into_the_report_where_there_are_any(tmp_path):
    timeline = Timeline(16_000)
    for index, told in enumerate(({"p_speak": 0.25, "why": "text"}, {}, {"p_speak": 1})):
        timeline.append(Moment(Percept(index), Act(index, np.zeros(3200, np.float32), diagnostics=told)))
    inner = json.loads(inside(page(tmp_path, timeline), "data"))["inside"]
    assert list(inner) == ["p_speak"]
    np.testing.assert_array_equal(numbers(inner["p_speak"], "<f4"), np.array([0.25, np.nan, 1], np.float32))


def test_long_sound_is_packed_small_and_on_its_clock():
    loud, quiet = np.full(3200, 0.5, np.float32), np.zeros(3200, np.float32)
    loud *= np.sin(np.arange(3200) * 2 * np.pi * 440 / 16_000).astype(np.float32)
    timeline = Timeline(16_000, keep_media_s=125)
    for index in range(5 * 130):
        timeline.append(
            Moment(Percept(index, loud if index == 300 else quiet), Act(index, loud if index == 400 else quiet))
        )
    sound = both_sides(timeline)
    assert (sound.kind, sound.start_s) == ("audio/webm", 5.0)
    assert len(sound.file) < 800_000
    with av.open(io.BytesIO(sound.file)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        rate = container.streams.audio[0].rate
    for side, expected_s in ((0, 60.0), (1, 80.2)):
        begins_s = np.flatnonzero(np.abs(heard[side]) > 0.1)[0] / rate + sound.start_s
        assert abs(begins_s - expected_s) < 0.05
    assert np.abs(heard[1][: int(65 * rate)]).max() < 0.02


def test_a_timeline_without_sound_has_none_in_its_report(tmp_path):
    timeline = Timeline(16_000, keep_media_s=0.2)
    for index in range(4):
        timeline.append(Moment(Percept(index), Act(index, np.zeros(3200, np.float32))))
    silent = timeline.between(0, 0.4)
    assert both_sides(silent) is None
    assert "sound none kept" in page(tmp_path, silent)


def test_what_is_said_lies_where_it_is_heard():
    lanes = lanes_of(example_timeline())
    assert [(span.text, round(span.start_s, 1)) for span in lanes.floor] == [
        ("backchannel", 3.0),
        ("speak", 5.0),
        ("speak", 10.6),
    ]
    loud = np.flatnonzero(lanes.voice.peaks > 0.01) / 50
    assert abs(loud[0] - 5.0) < 0.05
    assert lanes.lost == [Span("sound lost", 15.0, 15.2)]
    assert [(mark.kind, round(mark.time_s, 1)) for mark in lanes.marks] == [
        ("call", 4.6),
        ("event", 8.0),
        ("surface", 10.0),
        ("event", 15.0),
    ]


def test_peaks_are_magnitudes():
    audio = np.zeros(3200, np.float32)
    audio[5], audio[3199] = -0.5, 0.25
    assert peaks(audio, 16_000).tolist() == [0.5, *[0.0] * 8, 0.25]
    assert peaks(np.zeros(0, np.float32), 16_000).tolist() == []


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 3)), max_size=30), st.integers(1, 4))
def test_texts_overlap_only_when_all_rows_are_taken(entries, rows):
    entries = sorted(entries)
    spans, widths = [Span("", start, start) for start, _ in entries], [width for _, width in entries]
    chosen = rows_of(spans, widths, rows)
    for number, (start, _) in enumerate(entries):
        earlier = {
            row for row, (at, width) in zip(chosen[:number], entries[:number], strict=True) if at + width > start + 1e-6
        }
        assert chosen[number] not in earlier or len(earlier) == rows


def test_a_figure_can_show_a_sessions_tasks():
    timeline = example_timeline()
    told = TaskRecord("a", "plot", 1, "", 2.0, 4.0, "superseded", "b", 1, None)
    open_ = TaskRecord("b", "plot", 2, "no, by region", 4.0, None, "under way", "", 0, None)
    tasks = recorded([told, open_], timeline.moments)
    assert [(task.name, task.outcome, task.call_s, task.result_s) for task in tasks] == [
        ("plot, superseded", "cancelled", 2.0, 4.0),
        ("plot", "open", 4.0, None),
    ]
    assert tasks[1].asked == "no, by region"
    fig = figure(timeline, tasks=[told, open_], live=False)
    assert "tasks" in [note.text for note in fig.layout.annotations]
    assert "tasks" not in [note.text for note in figure(timeline, tasks=[], live=False).layout.annotations]

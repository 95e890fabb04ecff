import base64
import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import soundfile
from example_timeline import example_timeline
from hypothesis import given
from hypothesis import strategies as st

from imkit.session import TaskRecord
from imkit.stream import Act, Moment, Percept, Timeline, Word
from imkit.views import figure, report_html, timeline_svg
from imkit.views.lanes import Span, lanes_of, peaks, rows_of

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
        assert "micro-turn" in report_html(timeline, tmp_path / "r.html").read_text()
        assert len(figure(timeline).data) == 10


@given(st.text(max_size=20))
def test_words_of_any_text_keep_the_svg_well_formed(text):
    timeline = Timeline(16_000)
    timeline.append(Moment(Percept(0), Act(0, np.zeros(3200, np.float32), heard=(Word(text, 0, 0.1),))))
    svg = timeline_svg(timeline)
    readable = [c for c in text if c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff"]
    assert "".join("".join(readable).split()) in {"".join((shown or "").split()) for shown in texts(svg)}


def page(tmp_path, timeline):
    return report_html(timeline, tmp_path / "r.html", title="A <b> & B", facts={"model": "<nano>"}).read_text()


def inside(html, name):
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', html, re.S).group(1)


def test_the_report_is_one_file_without_addresses(tmp_path):
    html = page(tmp_path, example_timeline())
    assert not re.findall(r"""(?:src|href|url\(|import)\s*[=(]?\s*["']?https?:""", html)
    assert "A &lt;b&gt; &amp; B" in html
    assert "&lt;nano&gt;" in html
    assert html.count("</script>") == 4
    assert len(re.findall(r'<image href="data:image/jpeg;base64,', html)) == 6
    assert len(html) - sum(len(inside(html, f"{name}-sound")) for name in ("user", "model")) < 120_000


def test_the_report_holds_every_micro_turn_and_both_sounds(tmp_path):
    timeline = example_timeline()
    html = page(tmp_path, timeline)
    data = json.loads(inside(html, "data"))
    assert [tick["i"] for tick in data["ticks"]] == list(range(90))
    assert data["ticks"][50]["events"][0]["text"] == "Here is </script> the chart"
    for name, audio in (("user", timeline.user_audio()), ("model", timeline.model_audio())):
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(inside(html, f"{name}-sound"))))
        assert rate == 16_000
        np.testing.assert_allclose(samples, np.clip(audio, -1, 1), atol=1e-4)


def test_a_long_session_shows_its_last_half_hour(tmp_path):
    timeline = Timeline(16_000, keep_media_s=1)
    for index in range(5 * 1900):
        timeline.append(Moment(Percept(index), Act(index, np.zeros(3200, np.float32))))
    html = page(tmp_path, timeline)
    assert "not shown the first 100 s" in html
    assert json.loads(inside(html, "data"))["ticks"][0]["i"] == 500


def test_the_figure_shares_one_clock():
    fig = figure(example_timeline(start=50))
    assert tuple(fig.layout.xaxis.range) == (10.0, 28.2)
    assert [annotation.text for annotation in fig.layout.annotations][:3] == ["microphone", "heard", "camera, typed"]
    said = next(trace for trace in fig.data if trace.text is not None and "sure" in trace.text)
    assert said.x[0] == 15.0
    typed = next(trace for trace in fig.data if trace.text is not None and "largest" in str(trace.text))
    assert "<b>" not in typed.text[0]


def test_what_is_said_lies_where_it_is_heard():
    lanes = lanes_of(example_timeline())
    assert [(span.text, round(span.start_s, 1)) for span in lanes.floor] == [
        ("backchannel", 3.0),
        ("speak", 5.0),
        ("speak", 10.6),
    ]
    loud = np.flatnonzero(lanes.voice > 0.01) / 50
    assert abs(loud[0] - 5.0) < 0.05
    assert lanes.gaps == [15.0]
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


def test_a_figure_has_a_lane_of_tasks_where_there_are_any():
    timeline = example_timeline()
    assert "tasks" not in [note.text for note in figure(timeline).layout.annotations]
    told = TaskRecord("a", "plot", 1, "", 2.0, 4.0, "superseded", "b", 1, None)
    open_ = TaskRecord("b", "plot", 2, "", 4.0, None, "under way", "", 0, None)
    later = TaskRecord("c", "plot", 3, "", 1e3, None, "under way", "", 0, None)
    fig = figure(timeline, tasks=[told, open_, later])
    assert "tasks" in [note.text for note in fig.layout.annotations]
    bars = {bar.text[0]: bar for bar in fig.data if bar.type == "bar" and bar.text}
    assert set(bars) == {"plot, superseded", "plot, under way"}
    assert (bars["plot, superseded"].base[0], bars["plot, superseded"].x[0]) == (2.0, 2.0)
    assert bars["plot, superseded"].marker.color == "#ffffff" != bars["plot, under way"].marker.color

"""Every form read back by somebody else's reader."""

import json
from itertools import pairwise
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from hard_timeline import LONG, hard_timeline
from pyannote.database.util import load_rttm
from pympi import Elan, Praat

from imkit.recordings.annotations import read
from imkit.recordings.export import FORMATS, ExportError, export, lanes_of, to_pandas, to_polars
from imkit.stream import Act, Moment, Percept, Timeline

EMPTY = Timeline()
HEARD = [
    (1.0, 1.4, "שלום"),
    (1.35, 1.8, "عليكم"),
    (1.8, 2.0, 'say "so"'),
    (2.0, 2.001, "<b>&amp;"),
    (2.1, 2.6, "日本語 か"),
]
SAID = [(3.0, 3.4, "well"), (3.2, 3.9, "😀"), (4.0, 4.2, "a --> b"), (4.2, 4.9, LONG)]
UTTERANCE = 'שלום عليكم say "so" <b>&amp; 日本語 か'


def written(tmp_path, to, timeline=None):
    form = FORMATS[to]
    return export(hard_timeline() if timeline is None else timeline, to, tmp_path / f"out{form.suffix}")


def both_rows(lanes, name):
    """The words of a lane and of its further row, in order."""
    return sorted(lanes.get(name, []) + lanes.get(f"{name} (2)", []))


def test_textgrid_through_pympi(tmp_path):
    grid = Praat.TextGrid(str(written(tmp_path, "textgrid")), codec="utf-8")
    tiers = {tier.name: tier for tier in grid.get_tiers()}
    assert (grid.xmin, grid.xmax) == (0.0, 6.2)
    lanes = {
        name: [i for i in tier.get_intervals() if i[2]] for name, tier in tiers.items() if tier.tier_type != "TextTier"
    }
    assert both_rows(lanes, "user words") == HEARD
    assert both_rows(lanes, "model words") == SAID
    assert [text for _, _, text in lanes["user"]] == [UTTERANCE]
    assert lanes["floor"] == [(3.0, 5.0, "speak")]
    assert lanes["calls"] == [(2.4, 4.0, "tool plot")]
    assert list(tiers["events"].get_intervals()) == [(4.0, 'drawn: "ok"'), (5.8, "sound was lost | notebook")]
    for tier in tiers.values():  # Praat wants every interval tier to tile the whole time
        if tier.tier_type != "TextTier":
            edges = [(a, b) for a, b, _ in sorted(tier.get_intervals())]
            assert (edges[0][0], edges[-1][1]) == (0.0, 6.2)
            assert all(left[1] == right[0] for left, right in pairwise(edges))


def test_eaf_through_pympi(tmp_path):
    eaf = Elan.Eaf(str(written(tmp_path, "eaf")))
    lanes = {
        name: [(a / 1000, b / 1000, text) for a, b, text in eaf.get_annotation_data_for_tier(name)]
        for name in eaf.tiers
    }
    assert both_rows(lanes, "user words") == HEARD
    assert both_rows(lanes, "model words") == SAID
    assert lanes["typed"] == [(5.0, 5.2, "and <i>typed</i>")]
    assert both_rows(lanes, "events") == [
        (4.0, 4.001, 'drawn: "ok"'),
        (5.8, 5.801, "notebook"),
        (5.8, 5.801, "sound was lost"),
    ]


def test_a_slice_keeps_the_session_clock(tmp_path):
    later = hard_timeline(start=100)
    grid = Praat.TextGrid(str(written(tmp_path, "textgrid", later)), codec="utf-8")
    assert (grid.xmin, grid.xmax) == (20.0, 26.2)


@pytest.mark.parametrize(("start", "name"), [(0, "out"), (100, "talk of été & co")])
def test_the_media_of_an_eaf_lie_beside_it_on_the_session_clock(tmp_path, start, name):
    timeline = hard_timeline(start)
    (tmp_path / "a").mkdir()
    export(timeline, "eaf", tmp_path / "a" / f"{name}.eaf")
    elsewhere = (tmp_path / "a").rename(tmp_path / "b")
    media = Elan.Eaf(str(elsewhere / f"{name}.eaf")).get_linked_files()
    assert {(medium["MIME_TYPE"], medium.get("TIME_ORIGIN")) for medium in media} == {("audio/x-wav", None)}
    found = []
    for medium in media:
        url = medium["RELATIVE_MEDIA_URL"]
        assert url.startswith("./")
        assert url == medium["MEDIA_URL"]
        found.append(soundfile.read(elsewhere / unquote(url), dtype="float32"))
    assert [rate for _, rate in found] == [16_000, timeline.output_rate]
    for (sound, rate), whole in zip(found, (timeline.user_audio(), timeline.model_audio()), strict=True):
        assert not sound[: start * rate // 5].any()
        np.testing.assert_allclose(sound[start * rate // 5 :], whole, atol=1 / 32768)
        assert whole.any()


def test_an_eaf_is_written_with_all_its_media_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "out.model.wav").write_text("mine")
    with pytest.raises(ExportError, match=r"out\.model\.wav: exists"):
        written(tmp_path, "eaf")
    assert [path.name for path in tmp_path.iterdir()] == ["out.model.wav"]
    assert (tmp_path / "out.model.wav").read_text() == "mine"
    (tmp_path / "out.model.wav").unlink()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("imkit.recordings.export.files.write_file", full)
        with pytest.raises(ExportError, match="No space left"):
            written(tmp_path, "eaf")
    assert list(tmp_path.iterdir()) == []
    gone = hard_timeline()
    gone._moments = [moment.without_media() for moment in gone.moments]
    assert Elan.Eaf(str(written(tmp_path, "eaf", gone))).get_linked_files() == []
    assert [path.name for path in tmp_path.iterdir()] == ["out.eaf"]


def test_rttm_through_pyannote(tmp_path):
    path = written(tmp_path, "rttm")
    spoken = load_rttm(path)["session"]
    found = [(round(s.start, 3), round(s.end, 3), who) for s, _, who in spoken.itertracks(yield_label=True)]
    assert found == [(1.0, 2.6, "user"), (3.0, 5.0, "model")]
    assert all(len(line.split()) == 10 for line in path.read_text().splitlines())
    by_words = written(tmp_path / "..", "rttm", hard_timeline(media=False))
    labels = load_rttm(by_words)["session"].labels()
    by_words.unlink()
    assert sorted(labels) == ["model", "user"]


def test_vtt_through_webvtt(tmp_path):
    import webvtt

    cues = webvtt.read(str(written(tmp_path, "vtt")))
    assert [(c.start, c.end, c.voice, c.text) for c in cues] == [
        ("00:00:01.000", "00:00:02.600", "User", 'שלום عليكم say "so" &lt;b&gt;&amp;amp; 日本語 か'),
        ("00:00:03.000", "00:00:04.200", "Model", "well 😀 a --&gt; b"),
        ("00:00:04.200", "00:00:04.900", "Model", LONG),
        ("00:00:05.000", "00:00:07.000", "User (typed)", "and &lt;i&gt;typed&lt;/i&gt;"),
    ]


def test_audacity_labels(tmp_path):
    lines = [line.split("\t") for line in written(tmp_path, "audacity").read_text("utf-8").splitlines()]
    assert all(len(line) == 3 and float(line[0]) <= float(line[1]) for line in lines)
    assert ["1.000000", "1.400000", "user words: שלום"] in lines
    assert [float(line[0]) for line in lines] == sorted(float(line[0]) for line in lines)


def test_full_duplex_bench_folder(tmp_path):
    folder = written(tmp_path, "full-duplex-bench", hard_timeline(start=100))
    assert sorted(p.name for p in folder.iterdir()) == ["input.json", "input.wav", "output.json", "output.wav"]
    (user, user_hz), (model, model_hz) = (soundfile.read(folder / name) for name in ("input.wav", "output.wav"))
    assert len(user) / user_hz == len(model) / model_hz == 6.2
    assert np.abs(model[: round(3.0 * model_hz)]).max() < 1e-4 < np.abs(model[round(3.0 * model_hz) :][:800]).max()
    output = json.loads((folder / "output.json").read_text("utf-8"))
    assert output["chunks"][1] == {
        "text": "😀",
        "timestamp": [3.2, 3.9],
    }  # from the start of the sound, not of the session
    with pytest.raises(ExportError, match="let go of their sound"):
        export(hard_timeline(media=False), "full-duplex-bench", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_trace_has_tracks_and_arrows(tmp_path):
    events = json.loads(written(tmp_path, "trace").read_text("ascii"))["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert {"user", "user words", "user words (2)", "micro-turns", "calls", "events", "floor"} <= set(names.values())
    slices = [e for e in events if e["ph"] == "X"]
    for tid in names:  # no two slices of a track may overlap
        own = sorted((e["ts"], e["ts"] + e["dur"]) for e in slices if e["tid"] == tid)
        assert all(a[1] <= b[0] for a, b in pairwise(own)), names[tid]
    start, finish = (next(e for e in events if e["ph"] == ph) for ph in "sf")
    assert (start["id"], finish["id"], finish["bp"]) == ("c1", "c1", "e")
    assert (names[start["tid"]], start["ts"], names[finish["tid"]], finish["ts"]) == (
        "calls",
        2_400_000,
        "events",
        4_000_000,
    )
    tick = next(e for e in slices if e["name"] == "tick 7")
    assert (tick["ts"], tick["dur"], tick["args"]["late"]) == (1_600_000, 12_500, True)


def test_parquet_says_its_units(tmp_path):
    import pyarrow.parquet as pq

    folder = written(tmp_path, "parquet")
    wide, long = pq.read_table(folder / "micro_turns.parquet"), pq.read_table(folder / "events.parquet")
    assert wide.num_rows == 28
    assert wide.schema.field("compute_ms").metadata[b"unit"] == b"ms"
    assert wide.schema.field("time_ns").metadata[b"unit"] == b"ns"
    assert wide["time_ns"][5].as_py() == 1_000_000_000
    assert all(wide.schema.field(name).metadata[b"description"] for name in wide.schema.names)
    rows = [row for row in long.to_pylist() if row["kind"] in ("call", "result")]
    assert [(r["kind"], r["start_s"], r["end_s"], r["id"]) for r in rows] == [
        ("call", 2.4, 4.0, "c1"),
        ("result", 4.0, 4.0, "c1"),
    ]
    assert json.loads(rows[0]["detail"]) == {"what": "price < 3"}


def test_pandas_and_polars_hold_the_same():
    timeline = hard_timeline()
    ours, theirs = to_pandas(timeline), to_polars(timeline)
    assert ours.events.to_dict("records") == theirs.events.to_dicts()
    assert ours.micro_turns.to_dict("records") == theirs.micro_turns.to_dicts()
    assert ours.events[ours.events["kind"] == "heard"]["text"].iloc[0] == "שלום"
    assert list(to_pandas(EMPTY).events.columns) == to_polars(EMPTY).events.columns
    assert str(to_polars(EMPTY).micro_turns.schema["tick"]) == "Int64"


def test_rerun_through_its_reader(tmp_path):
    from rerun.chunk import RrdReader

    reader = RrdReader(str(written(tmp_path, "rerun")))
    chunks = {}
    for chunk in reader.stream():
        chunks.setdefault(str(chunk.entity_path), []).append(chunk.to_record_batch())
    assert {"/levels/user_db", "/sound/model", "/floor", "/user/words", "/events", "/camera", "/calls"} <= set(chunks)
    assert sum(batch.num_rows for batch in chunks["/levels/user_db"]) == 28
    texts = [t for b in chunks["/user/words"] for row in b.column("TextLog:text").to_pylist() for t in row]
    assert texts == [text for _, _, text in HEARD]
    states = [s for b in chunks["/floor"] for row in b.column("StateChange:state").to_pylist() for s in row]
    assert states == ["listen", "speak", "listen"]


def test_otel_spans_nest_and_keep_silent_about_content(tmp_path):
    text = written(tmp_path, "otel").read_text("utf-8")
    spans = [json.loads(line) for line in text.splitlines()]
    by_id = {span["context"]["span_id"]: span for span in spans}
    (tool,) = [span for span in spans if span["name"] == "execute_tool plot"]
    turn = by_id[tool["parent_id"]]
    assert (turn["name"], turn["attributes"]["imkit.tick"]) == ("micro-turn", 12)
    assert by_id[turn["parent_id"]]["name"] == "session"
    assert len(spans) == 30
    assert (tool["start_time"], tool["end_time"]) == ("1970-01-01T00:00:02.400000Z", "1970-01-01T00:00:04.000000Z")
    assert not any(secret in text for secret in ("price", "drawn", "typed", "שלום", "😀"))


def test_otel_content_and_clock_when_asked_for():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from imkit.recordings.export.otel import send

    provider, kept = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    assert send(hard_timeline(), provider, began_ns=10**18, content=True) == 30
    spans = {span.name: span for span in kept.get_finished_spans()}
    assert spans["session"].start_time == 10**18
    assert json.loads(spans["execute_tool plot"].attributes["gen_ai.tool.call.arguments"]) == {"what": "price < 3"}


@pytest.mark.parametrize("to", ["textgrid", "eaf", "vtt"])
def test_our_own_reader_agrees(tmp_path, to):
    lanes, ours = read(written(tmp_path, to)), lanes_of(hard_timeline())
    if to == "vtt":
        assert [(one.start_s, one.end_s, one.label) for one in lanes["User"]] == [(1.0, 2.6, UTTERANCE)]
        return
    for name in ("floor", "calls", "typed", "user", "events"):
        first = [(one.start_s, one.label) for one in lanes[name]][:1]
        assert first == [(round(one.start_s, 3), " ".join(one.label.split())) for one in ours[name]][:1]


@pytest.mark.parametrize("to", sorted(set(FORMATS) - {"full-duplex-bench"}))
def test_an_empty_timeline_is_a_valid_file(tmp_path, to):
    path = written(tmp_path, to, EMPTY)
    if to == "textgrid":
        assert len(list(Praat.TextGrid(str(path), codec="utf-8").get_tiers())) == 8
    if to == "eaf":
        assert Elan.Eaf(str(path)).get_full_time_interval() in {(0, 0), (0, 0.0)}
    if to in ("vtt", "textgrid", "eaf", "rttm"):
        assert not any(read(path).values())
    one = Timeline()
    one.append(Moment(Percept(0), Act(0, np.zeros(3200, np.float32))))
    export(one, to, path, force=True)


@pytest.mark.parametrize("to", sorted(FORMATS))
def test_nothing_there_is_replaced_unless_forced(tmp_path, to):
    path = written(tmp_path, to)
    files = sorted(one for one in tmp_path.rglob("*") if one.is_file())
    files[0].write_bytes(b"mine")
    with pytest.raises(ExportError, match="force=True"):
        export(hard_timeline(), to, path)
    assert files[0].read_bytes() == b"mine"
    export(hard_timeline(), to, path, force=True)
    assert files[0].read_bytes() != b"mine"
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == files


@pytest.mark.parametrize("to", ["vtt", "parquet"])
def test_links_are_not_followed(tmp_path, to):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target"
    target.write_text("mine")
    form = FORMATS[to]
    path = tmp_path / f"out{form.suffix}"
    if form.suffix:
        path.symlink_to(target)
    else:
        path.mkdir()
        (path / "events.parquet").symlink_to(target)
    with pytest.raises(ExportError, match="link"):
        export(hard_timeline(), to, path, force=True)
    assert target.read_text() == "mine"


def test_wrong_names_and_places(tmp_path):
    with pytest.raises(ExportError, match="did you mean 'textgrid'"):
        export(EMPTY, "praat", tmp_path / "x")
    with pytest.raises(ExportError, match="did you mean 'eaf'"):
        export(EMPTY, "ELAN", tmp_path / "x")
    with pytest.raises(ExportError, match="did you mean 'textgrid'"):
        export(EMPTY, "textgird", tmp_path / "x")
    with pytest.raises(ExportError, match="did you mean 'parquet'"):
        export(EMPTY, "parket", tmp_path / "x")
    with pytest.raises(ExportError, match=r"to_polars\(timeline\)"):
        export(EMPTY, "polars", tmp_path / "x")
    with pytest.raises(ExportError, match="there are vtt, textgrid"):
        export(EMPTY, "", tmp_path / "x")
    with pytest.raises(ExportError, match="cannot be written"):
        export(EMPTY, "vtt", tmp_path / "no" / "x.vtt")
    with pytest.raises(ExportError, match="is a folder"):
        export(EMPTY, "vtt", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="is no folder"):
        export(EMPTY, "parquet", tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_same_timeline_gives_the_same_bytes(tmp_path):
    for to in sorted(set(FORMATS) - {"rerun", "otel"}):  # their SDKs draw identifiers
        form = FORMATS[to]
        assert form.encode(hard_timeline()) == form.encode(hard_timeline()), to

import json
import xml.etree.ElementTree as ET

import pytest

from imkit.training import curves

ROWS = [
    {"stage": "ears", "step": 10, "minutes": 1.0, "left_minutes": 9.0, "audio_h": 1.0, "loss": 8.0, "ears_recall": 0.1},
    {"stage": "ears", "step": 20, "minutes": 2.0, "left_minutes": 8.0, "audio_h": 2.0, "loss": 6.0, "ears_recall": 0.3},
    {
        "stage": "joint",
        "step": 30,
        "minutes": 4.0,
        "left_minutes": 6.0,
        "audio_h": 3.0,
        "loss": 7.0,
        "word_recall": 0.5,
    },
    {
        "stage": "joint",
        "step": 40,
        "minutes": 6.0,
        "left_minutes": 4.0,
        "audio_h": 4.0,
        "loss": 5.0,
        "word_recall": 0.6,
    },
]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def log(tmp_path):
    undone = {**ROWS[2], "step": 35, "loss": 99.0}
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS[:2], undone, *ROWS[2:]]))
    return path


def test_rows_that_a_resumed_run_did_over_are_left_out(log):
    assert curves.read_log(log) == ROWS


def test_stages_meet_where_they_change():
    assert curves.stages(ROWS) == [("ears", 0.0, 2.0), ("joint", 2.0, 6.0)]


def test_smoothing_forgets():
    assert curves.smooth([1.0, 1.0, 0.0]) == pytest.approx([1.0, 1.0, 0.8])


def test_every_known_quantity_is_drawn_and_an_unknown_one_is_said(log, tmp_path):
    out = tmp_path / "curves.svg"
    assert curves.main([str(log), str(out)]) == 0
    root = ET.fromstring(out.read_text())
    lines = [line.get("points").split() for line in root.iter(SVG + "polyline")]
    assert [len(points) for points in lines] == [4, 2, 2]  # loss throughout, ears in one stage, words in the other
    texts = [text.text for text in root.iter(SVG + "text")]
    assert "called: calls right: not yet" in texts
    assert {"ears", "joint"} <= set(texts)
    xs = [float(point.split(",")[0]) for point in lines[0]]
    assert xs == sorted(xs)
    assert xs[-1] == pytest.approx(curves.LEFT + curves.WIDTH)


def test_the_page_reloads_while_minutes_are_left():
    assert "4 minutes left" in curves.page(ROWS, 4.0)
    assert "refresh" in curves.page(ROWS, 4.0)
    assert "refresh" not in curves.page(ROWS, 0.0)


def test_usage_is_said(capsys):
    assert curves.main([]) == 2
    assert "usage" in capsys.readouterr().err

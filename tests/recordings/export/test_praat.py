"""Praat itself reads what is written for it: every tier, every interval, every label; and the sound of a recording."""

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from hard_timeline import RATE, hard_timeline

from imkit.recordings import open_recording, record
from imkit.recordings.annotations import read
from imkit.recordings.export import export

pytestmark = pytest.mark.skipif(shutil.which("praat") is None, reason="praat is not installed (apt install praat)")
TIERS = 'tiers = Get number of tiers\nappendInfoLine: tiers\nDown to Table: "no", 6, "yes", "yes"\nList: "no"'
SOUND = (
    "rate = Get sampling frequency\nlength_s = Get total duration\nenergy = Get energy: 0, 0\n"
    "appendInfoLine: rate, tab$, length_s, tab$, energy"
)


def praat(tmp_path, commands, file):
    """What Praat prints after it has read a file and done as it was told, as rows of cells."""
    script = tmp_path / "read.praat"
    script.write_text(f"form Read\n    sentence path\nendform\nRead from file: path$\n{commands}\n")
    done = subprocess.run(["praat", "--run", script, file], capture_output=True, check=True, timeout=60)
    return [line.split("\t") for line in done.stdout.decode("utf-8").splitlines()]


def test_praat_reads_every_tier_and_label(tmp_path):
    file = export(hard_timeline(), "textgrid", tmp_path / "hard.TextGrid")
    (tiers,), head, *cells = praat(tmp_path, TIERS, file)
    assert head == ["tmin", "tier", "text", "tmax"]
    lanes = {}
    for start, tier, text, end in cells:
        lanes.setdefault(tier, []).append((float(start), float(end), text))
    ours = {name: [(one.start_s, one.end_s, one.label) for one in lane] for name, lane in read(file).items()}
    assert int(tiers) == len(ours) == len(lanes)
    assert {name: [one for one in lane if one[2] != "?"] for name, lane in lanes.items()} == ours  # no label
    assert {(1.8, 2.0, 'say "so"'), (2.0, 2.001, "<b>&amp;"), (2.1, 2.6, "日本語 か")} < {*lanes["user words"]}
    del lanes["events"]
    for lane in lanes.values():
        assert (lane[0][0], lane[-1][1]) == (0.0, 6.2)
        assert all(left[1] == right[0] for left, right in pairwise(lane))


@pytest.mark.parametrize(("side", "wav"), [("user", "input.wav"), ("model", "output.wav")])
def test_praat_hears_what_a_recording_holds(tmp_path, side, wav):
    timeline = open_recording(record(hard_timeline(), tmp_path / "talk")).timeline()
    sound = getattr(timeline, f"{side}_audio")()
    (flac,) = (tmp_path / "talk" / side).glob("*.flac")
    for file, length_s in ((flac, 6.0), (export(timeline, "full-duplex-bench", tmp_path / "bench") / wav, 6.2)):
        ((rate, seconds, energy),) = praat(tmp_path, SOUND, file)
        assert (float(rate), float(seconds)) == (RATE, length_s)
        assert float(energy) == pytest.approx(np.sum(sound.astype(float) ** 2) / RATE, rel=1e-4)

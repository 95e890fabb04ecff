import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import imkit
from imkit.cli import bench, check, lab, main
from imkit.cli.run import demo_audio, load_model
from imkit.recordings import open_recording
from imkit.stream import ModelError

MODEL = ["--model", "fakes:FakeModel"]


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "a.wav"
    time_s = np.arange(44_100) / 44_100
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 300 * time_s) * (time_s < 0.7), 44_100)
    return path


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"t": 1.0, "text": "hello you two"}\n{"t": 1.4, "draft": "mo"}\n')
    return path


def run(*arguments):
    return main(["run", *map(str, arguments)])


def test_run_writes_a_whole_recording(tmp_path, sound, script, capsys):
    out = tmp_path / "out"
    assert run("--audio", sound, "--text", script, "--out", out, "--seed", 3, *MODEL) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "events.jsonl", "frames", "heard.json", "journal.jsonl", "machine.jsonl", "model", "model.wav", "session.json",
        "tail.bin", "timeline.html", "user", "user.wav", "words.json",
    ]  # fmt: skip
    head = open_recording(out).facts
    assert (head["model"], head["seed"], head["complete"]) == ("fake", 3, True)
    assert head["sources"] == {"audio": "a.wav", "text": "t.jsonl"}
    assert head["duration_s"] == pytest.approx(1.6 + 4)  # the script's last tick is the eighth
    words = json.loads((out / "words.json").read_text())
    assert words["text"] == "hello you two"
    assert words["chunks"][0]["timestamp"] == [1.2, 1.4]
    model, rate = soundfile.read(out / "model.wav")
    user, _ = soundfile.read(out / "user.wav")
    assert len(model) == len(user) == round(5.6 * rate)
    loud = np.flatnonzero(np.abs(model) > 0.01) / rate
    assert (round(loud[0], 1), round(loud[-1], 1)) == (1.2, 1.8)
    assert "said 3" in capsys.readouterr().out


def test_the_same_run_gives_the_same_bytes(tmp_path, sound, script):
    for name in ("one", "two"):
        assert run("--audio", sound, "--text", script, "--out", tmp_path / name, *MODEL) == 0
    for name in ("events.jsonl", "model.wav", "user.wav", "words.json", "heard.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_seconds_cut_the_input(tmp_path, sound):
    assert run("--audio", sound, "--seconds", "0.4", "--out", tmp_path / "out", *MODEL) == 0
    assert open_recording(tmp_path / "out").duration_s == pytest.approx(4.4)


def test_video_brings_its_sound_unless_audio_is_given(tmp_path, sound):
    import av

    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        sight, hearing = container.add_stream("mpeg4", rate=5), container.add_stream("pcm_s16le", rate=16_000)
        sight.width, sight.height, sight.pix_fmt, hearing.layout = 64, 48, "yuv420p", "mono"
        for _ in range(5):
            for packet in sight.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")):
                container.mux(packet)
        hum = np.full((1, 16_000), 3277, np.int16)
        frame = av.AudioFrame.from_ndarray(hum, "s16", "mono")
        frame.sample_rate = 16_000
        for packet in [*sight.encode(None), *hearing.encode(frame), *hearing.encode(None)]:
            container.mux(packet)
    assert run("--video", path, "--out", tmp_path / "one", *MODEL) == 0
    assert run("--video", path, "--audio", sound, "--out", tmp_path / "two", *MODEL) == 0
    one, two = (soundfile.read(tmp_path / name / "user.wav")[0] for name in ("one", "two"))
    np.testing.assert_allclose(one[100:15_900], 0.1, atol=1e-3)
    assert abs(two[:16_000].mean()) < 0.01
    for name in ("one", "two"):
        assert open_recording(tmp_path / name).facts["counts"]["frames"] == 5


def test_train_is_handed_its_options(monkeypatch):
    seen = []
    module = type(sys)("imkit.training.train")
    module.main = lambda options: seen.append(options) or 3
    monkeypatch.setitem(sys.modules, "imkit.training.train", module)
    assert main(["train", "recipe.toml", "--workers", "2"]) == 3
    assert seen == [["recipe.toml", "--workers", "2"]]


def test_a_full_folder_needs_force(tmp_path, sound, capsys):
    out = tmp_path / "out"
    assert run("--audio", sound, "--out", out, *MODEL) == 0
    before = (out / "session.json").read_bytes()
    assert run("--audio", sound, "--out", out, *MODEL) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (out / "session.json").read_bytes() == before
    assert run("--audio", sound, "--out", out, "--force", *MODEL) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out", "{tmp}/out"], "give at least one of --audio, --video, --text"),
        (["--audio", "{tmp}/none.wav", "--out", "{tmp}/out"], "none.wav: no such file"),
        (["--audio", "{tmp}", "--out", "{tmp}/out"], "is a directory"),
        (["--audio", __file__, "--out", "{tmp}/out"], "not a sound file"),
        (["--video", "{tmp}/a.wav", "--out", "{tmp}/out"], "no video stream"),
        (["--text", "{tmp}/a.wav", "--out", "{tmp}/out"], "not UTF-8"),
        (["--audio", "{tmp}/a.wav", "--out", "{tmp}/a.wav"], "a.wav: cannot be written"),
        (["--audio", "{tmp}/a.wav", "--out", "{tmp}/out", "--model", "nowhere:x"], "No module named 'nowhere'"),
        (["--audio", "{tmp}/a.wav", "--out", "{tmp}/out", "--model", "json:JSONDecoder"], "without spec, open, step"),
        (["--audio", "{tmp}/a.wav", "--out", "{tmp}/out", "--model", "json:nothing"], "has no attribute 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(tmp_path, sound, capsys, arguments, reason):
    filled = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    assert run(*filled, *([] if "--model" in filled else MODEL)) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.startswith("imkit run: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_source_that_fails_half_way_leaves_what_was_recorded(tmp_path, capsys):
    path, samples = tmp_path / "nan.wav", np.zeros(32_000)
    samples[20_000] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    assert run("--audio", path, "--out", tmp_path / "out", *MODEL) == 2
    assert "nan.wav: holds NaN or infinity at 1.250 s" in capsys.readouterr().err
    head = open_recording(tmp_path / "out").facts
    assert head["complete"] is False
    assert "NaN" in head["stopped"]
    assert len(soundfile.read(tmp_path / "out" / "user.wav")[0]) == round(head["duration_s"] * 16_000)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_seconds_must_be_a_length(value, capsys):
    with pytest.raises(SystemExit) as caught:
        run("--audio", "a.wav", "--seconds", value, "--out", "out")
    assert caught.value.code == 2
    assert "is not a number above 0" in capsys.readouterr().err


def test_demo_records_the_bundled_scene(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", *MODEL]) == 0
    assert main(["demo", *MODEL]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["imkit-demo", "imkit-demo-2"]
    length_s = open_recording(tmp_path / "imkit-demo").duration_s
    assert 0 <= length_s - 4 - soundfile.info(demo_audio()).duration < 0.2
    assert "timeline.html" in capsys.readouterr().out


def test_a_model_is_found_by_module_and_attribute(monkeypatch, tmp_path):
    (tmp_path / "guest.py").write_text("from fakes import FakeModel\nready = FakeModel(24_000)\nmake = FakeModel\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load_model("guest:ready").spec.output_rate == 24_000
    assert load_model("guest:make").spec.name == "fake"
    with pytest.raises(ModelError, match="guest:none"):
        load_model("guest:none")


def test_check_says_what_is_missing(capsys):
    assert check.check("fakes:FakeModel") == 0
    shown = capsys.readouterr().out
    for name in ("python", "torch", "onnxruntime", "jupyterlab", "ipykernel", "socket lane", "audio, camera"):
        assert name in shown
    assert "A session can run here." in shown
    assert check.check("nowhere:model") == 1
    assert "see model nowhere:model" in capsys.readouterr().out


def test_check_survives_whatever_a_package_does(monkeypatch):
    def explode(name):
        raise RuntimeError("broken\nbuild")

    monkeypatch.setattr(check, "_import", explode)
    findings = {finding.name: finding for finding in check.findings_of("fakes:FakeModel")}
    assert findings["torch"].ok is False
    assert findings["torch"].text == "RuntimeError: broken build"
    assert findings["python"].ok


@pytest.mark.parametrize(("found", "ok"), [("6.31.0", True), ("7.0.1", False), ("7.4.0", True), ("10.0", True)])
def test_check_knows_kernels(monkeypatch, found, ok):
    monkeypatch.setattr(check, "_version", lambda name: found)
    assert check._ipykernel()[0] is ok


def test_lab_opens_the_first_notebook_offline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = {}

    def start(command, env, check):
        seen.update(command=command, env=env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", start)
    assert main(["lab", "--no-browser", "--port=9999"]) == 0
    path = Path(seen["command"][3])
    assert path.name in {"00_hello.ipynb", "imkit_hello.ipynb"}
    assert path.is_file()
    assert seen["command"][-2:] == ["--no-browser", "--port=9999"]
    assert "--LabApp.news_url=None" in seen["command"]
    config = Path(seen["env"]["JUPYTER_CONFIG_PATH"].split(":")[0]) / "labconfig" / "page_config.json"
    assert json.loads(config.read_text())["disabledExtensions"]


def test_lab_without_notebooks_makes_one(tmp_path, monkeypatch):
    import nbformat

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "files", lambda name: tmp_path / "nowhere" / "imkit")
    path = lab.first_notebook()
    nbformat.validate(nbformat.read(path, as_version=4))
    assert "imkit.Session()" in path.read_text()
    path.write_text("mine")
    assert lab.first_notebook().read_text() == "mine"


def test_lab_names_a_notebook_that_is_not_there(capsys):
    assert main(["lab", "none.ipynb"]) == 2
    assert "none.ipynb: no such notebook" in capsys.readouterr().err


def test_the_bundled_questions_end_where_they_say():
    asked = bench.questions()
    assert len(asked) >= 8
    for question in asked:
        loud = np.flatnonzero(np.abs(question.audio) > 0.004) / 16_000
        assert loud[0] < 0.05
        assert 0 <= question.end_s - loud[-1] < 0.05
        assert question.text


def test_bench_prints_measured_target_and_ratio(capsys):
    assert main(["bench", *MODEL, "--only", "replay", "--only", "browser"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("replay")).split()[-5:-2] == ["0", "0", "yes"]
    assert sum("make bench-browser" in line for line in lines) == 2


def test_a_row_shows_its_ratio():
    assert str(bench.Row("a", 30, 40, "ms")).split() == ["a", "30.0", "ms", "40.0", "ms", "0.75"]
    assert str(bench.Row("b", 1, 0, "")).split() == ["b", "1", "0", "no"]


def test_rank_is_a_value_of_the_list():
    values = [float(number) for number in range(1, 101)]
    assert (bench.rank(values, 0.5), bench.rank(values, 0.99), bench.rank([7.0], 0.99)) == (50, 99, 7)


def test_the_command_line_starts_without_heavy_imports():
    program = "import sys, imkit.cli; print([m for m in ('torch', 'plotly', 'onnxruntime', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_says_its_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"imkit {imkit.__version__}\n"

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import soundfile
from in_process import TURNS, Broken, Here, Listener, hum, plan_for, play

from imkit.cli import main
from imkit.scenes import SCENES, load_suite, run
from imkit.scenes.run import Log, Progress
from imkit.scenes.stage import EvalError, Stage, fingerprint_of, weights_of


@pytest.fixture
def here(monkeypatch):
    hum(monkeypatch)


def trial(plan, scene=TURNS[0], number=0):
    return json.loads(plan.trial_path(scene, number).read_text())


# --- what is written


def test_a_run_writes_trials_sound_and_a_report(tmp_path, here):
    plan = plan_for(tmp_path, trials=2, baselines=True)
    report, told = play(plan)
    assert report == json.loads((plan.out / "report.json").read_text(), object_hook=_tuples)
    assert (report["suite"], report["model"], report["seed"], report["n"]) == ("mine", "oracle", 20260, 2)
    assert {name: found["score"] for name, found in report["scenes"].items()} == dict.fromkeys(TURNS, 100.0)
    assert (report["overall"], report["overall_ci"]) == (100.0, (100.0, 100.0))
    assert report["baselines"]["silent"] == dict.fromkeys(TURNS, 0.0)
    assert report["baselines"]["oracle"] == dict.fromkeys(TURNS, 100.0)
    assert len(report["baselines"]) == 16
    assert "8/8" in told
    for scene in TURNS:
        for number in range(2):
            found = trial(plan, scene, number)
            sound, rate = soundfile.read(plan.trial_path(scene, number).with_suffix(".flac"))
            assert (rate, sound.shape[1]) == (16_000, 2)
            assert len(sound) / rate == pytest.approx(found["seconds"])
            assert found["scene"], found["number"] == (scene, number)


def _tuples(value):
    return {key: tuple(item) if key.endswith("ci") else item for key, item in value.items()}


def test_a_model_with_a_closed_language_is_told_the_sentences_of_the_suite(tmp_path):
    class Closed(Listener):
        def with_phrases(self, phrases):
            return Told(phrases)

    class Told(Listener):
        def __init__(self, phrases):
            self.phrases = phrases

    plan = plan_for(tmp_path, model="closed", load=lambda name: Closed())
    seated = Stage(plan, {}).seat(None)
    assert isinstance(seated, Told)
    assert seated.phrases == plan.suite.phrases


def test_a_trial_says_who_said_what_when_and_what_was_expected(tmp_path, here):
    plan = plan_for(tmp_path)
    play(plan)
    found = trial(plan)
    (said,) = found["said"]
    assert (said["who"], said["voice"]) in {("user", "espeak:en-us"), ("user", "flite:slt")}
    assert [word for word, _, _ in said["words"]][-2] in {"plus", "minus", "times"}
    end_s = said["words"][-1][2]
    (wanted,) = found["expected"]
    assert wanted["cause_s"] == pytest.approx(end_s)
    assert [word for word, _, _, _ in found["words"]] == wanted["words"]
    assert all(sounds for _, _, _, sounds in found["words"])
    assert found["segments"][0][0] == pytest.approx(end_s + found["verdict"]["checks"][0]["latency_s"], abs=0.002)
    ticks = round(found["seconds"] * 5) - 1
    assert (len(found["peaks"]["user"]), len(found["peaks"]["model"])) == (4 * ticks, 4 * ticks + 4)
    quiet = slice(0, int(20 * said["words"][0][1]) - 1)
    loud = slice(int(20 * said["words"][0][1]) + 2, int(20 * end_s) - 1)
    assert max(found["peaks"]["user"][quiet]) < min(found["peaks"]["user"][loud])


def test_the_left_channel_is_the_user_and_the_right_one_the_model(tmp_path, here):
    plan = plan_for(tmp_path, scenes=TURNS[:1], trials=1)
    play(plan)
    found = trial(plan)
    sound, rate = soundfile.read(plan.trial_path(TURNS[0], 0).with_suffix(".flac"))
    (start, end), said = found["segments"][0], found["said"][0]["words"]
    model = abs(sound[:, 1]) > 0.05
    assert model[round(start * rate) : round(end * rate)].mean() > 0.5
    assert not model[: round((start - 0.05) * rate)].any()
    user = abs(sound[:, 0])
    assert user[round(said[0][1] * rate) : round(said[-1][2] * rate)].mean() > 3 * user[: rate // 4].mean()


def test_without_sound_and_baselines_there_are_none(tmp_path, here):
    plan = plan_for(tmp_path, audio=False)
    report, _ = play(plan)
    assert report["baselines"] == {}
    assert list(plan.out.rglob("*.flac")) == []
    assert not (plan.out / "baselines.jsonl").exists()


def test_pictures_are_kept_as_a_strip(tmp_path, here):
    seen = [name for name in SCENES if name in {"visual_cue", "repcount_synth"}]
    if not seen:
        pytest.skip("no scene is seen")
    plan = plan_for(tmp_path, scenes=seen[:1], trials=1)
    play(plan)
    found = trial(plan, seen[0])
    head = plan.trial_path(seen[0], 0).with_suffix(".png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(head[16:20]) == 48 * found["strip"]
    assert found["strip"] == pytest.approx(found["seconds"], abs=1.3)


def test_times_are_kept_apart(tmp_path, here):
    plan = plan_for(tmp_path)
    play(plan)
    runtime = json.loads((plan.out / "runtime.json").read_text())
    ticks = sum(round(trial(plan, scene, n)["seconds"] * 5) - 1 for scene in TURNS for n in range(2))
    assert runtime["tick_ms"]["n"] == ticks
    assert 0 <= runtime["tick_ms"]["p50"] <= runtime["tick_ms"]["p99"] <= runtime["tick_ms"]["max"]
    assert runtime["machine"]["cpus"] == os.cpu_count()


# --- the same again, and going on


def test_the_same_seed_gives_the_same_bytes(tmp_path, here):
    one, two = plan_for(tmp_path, out="one"), plan_for(tmp_path, out="two")
    play(one)
    play(two)
    paths = ["report.json", *(p.relative_to(one.out) for p in one.out.rglob("trials/*/*"))]
    assert len(paths) == 9
    assert all((one.out / path).read_bytes() == (two.out / path).read_bytes() for path in paths)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, here):
    plan = plan_for(tmp_path, trials=3, baselines=True)
    play(plan)
    whole = (plan.out / "report.json").read_bytes()
    gone = plan.trial_path(TURNS[1], 1)
    gone.unlink()
    plan.trial_path(TURNS[0], 2).with_suffix(".flac").unlink()
    log = plan.out / "baselines.jsonl"
    log.write_text(log.read_text()[:-100])  # stopped while a line was written
    before = {path: path.stat().st_mtime_ns for path in plan.out.rglob("trials/*/*.json")}
    _, told = play(plan)
    assert (plan.out / "report.json").read_bytes() == whole
    after = {path: path.stat().st_mtime_ns for path in plan.out.rglob("trials/*/*.json")}
    assert {path for path in after if after[path] != before.get(path)} == {gone, plan.trial_path(TURNS[0], 2)}
    assert told.splitlines()[-1].startswith("[########################] 12/12")
    assert len(log.read_text().splitlines()) == 7  # the torn line, and the six that count
    _, told = play(plan)
    assert told == ""


def test_more_trials_are_added_and_fewer_are_read(tmp_path, here):
    two, four = plan_for(tmp_path, trials=2), plan_for(tmp_path, trials=4)
    first, _ = play(two)
    more, _ = play(four)
    assert (more["n"], more["scenes"][TURNS[0]]["act_n"]) == (4, 2)
    assert play(two)[0] == first


def test_a_run_that_is_interrupted_keeps_what_is_finished(tmp_path, here):
    class Interrupting:
        def isatty(self):
            return True

        def write(self, text):
            if "3/4" in text:
                raise KeyboardInterrupt

        def flush(self):
            pass

    from imkit.scenes.run import evaluate

    plan = plan_for(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        evaluate(plan, told=Interrupting())
    kept = len(list(plan.out.rglob("trials/*/*.json")))
    assert kept == 3  # the fourth was not begun
    assert not (plan.out / "report.json").exists()
    _, told = play(plan)
    assert "4/4" in told
    assert "3/4" not in told


def test_another_model_or_suite_needs_another_folder(tmp_path, here):
    play(plan_for(tmp_path))
    with pytest.raises(EvalError, match=r"model oracle, now silent.*choose another folder, or --fresh"):
        play(plan_for(tmp_path, "silent"))
    (tmp_path / "out" / "eval.json").unlink()  # every trial says it too
    with pytest.raises(EvalError, match=r"000\.json is of another evaluation \(model oracle, now silent\)"):
        play(plan_for(tmp_path, "silent"))
    report, _ = play(plan_for(tmp_path, "silent"), fresh=True)
    assert (report["model"], report["overall"]) == ("silent", 0.0)
    changed = plan_for(tmp_path, "silent")
    object.__setattr__(changed.suite, "seed", 1)
    with pytest.raises(EvalError, match="fingerprint"):
        play(changed)


def test_fresh_leaves_what_is_not_ours(tmp_path, here):
    plan = plan_for(tmp_path, trials=1)
    play(plan)
    (plan.out / "notes.txt").write_text("mine")
    play(plan_for(tmp_path, "silent", trials=1), fresh=True)
    assert (plan.out / "notes.txt").read_text() == "mine"


def test_a_model_that_fails_is_named_with_the_trial(tmp_path, here):
    Broken.opened = 0
    plan = plan_for(tmp_path, "x:broken", trials=4, load=lambda name: Broken())
    with pytest.raises(EvalError, match=r"x:broken, .*smooth_turn_taking.*3.*ZeroDivisionError: three"):
        play(plan)
    assert len(list(plan.out.rglob("trials/*/*.json"))) == 3


# --- what names a run


def test_a_fingerprint_is_of_values_not_of_how_many_trials(tmp_path):
    suite = load_suite("dev")
    first = fingerprint_of(suite)
    object.__setattr__(suite, "trials", 3)
    assert fingerprint_of(suite) == first
    object.__setattr__(suite, "phrases", {**suite.phrases, "question": ("{sum}",)})
    assert fingerprint_of(suite) != first


def test_weights_are_of_what_the_folder_holds(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(b"1")
    first = weights_of(str(folder))
    (folder / "README.md").write_text("more")
    assert weights_of(str(folder)) == first
    (folder / "weights.safetensors").write_bytes(b"2")
    assert len({first, weights_of(str(folder)), weights_of("nano")}) == 3
    assert weights_of(f"moshi:{folder}") == weights_of(str(folder))
    assert weights_of("moshi:kyutai/moshiko") == weights_of(f"other:{folder}") == ""
    assert weights_of("oracle") == weights_of("module:model") == weights_of("no such model") == ""


def test_of_large_files_the_ends_and_the_length_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("imkit.scenes.stage.WHOLE_BYTES", 10)
    monkeypatch.setattr("imkit.scenes.stage.END_BYTES", 4)
    (tmp_path / "config.json").write_text("{}")
    seen = set()
    for content in (b"0123456789ab", b"1123456789ab", b"0123456789aa", b"0123456789abab"):
        (tmp_path / "weights.safetensors").write_bytes(content)
        seen.add(weights_of(str(tmp_path)))
    assert len(seen) == 4


def test_a_log_leaves_out_a_torn_line_and_goes_on_after_it(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"a": 1}\n{"a": 2')
    log = Log(path)
    log.add({"a": "…\u2028"})
    assert log.rows == Log(path).rows == [{"a": 1}, {"a": "…\u2028"}]


def test_progress_is_one_line_of_a_terminal():
    class Terminal(list):
        def isatty(self):
            return True

        def flush(self):
            pass

        write = list.append

    terminal = Terminal()
    progress = Progress(3, 1, terminal)
    progress.step("a")
    progress.step("b")
    progress.end()
    assert all(line.startswith("\r") and len(line) == 100 for line in terminal[:2])
    assert "2/3" in terminal[0]
    assert terminal[2] == "\n"


# --- processes, and the command


def test_processes_play_as_this_one_does(tmp_path, monkeypatch):
    more = {"scenes": TURNS[:1], "load": listener}
    here, there = (plan_for(tmp_path, "module:Model", out, **more) for out in ("here", "there"))
    play(there, workers=2)
    monkeypatch.setattr(run, "Players", Here)
    play(here)
    assert (here.out / "report.json").read_bytes() == (there.out / "report.json").read_bytes()
    assert json.loads((here.out / "report.json").read_text())["hearing"]["grammar"]["words"] > 0


def listener(name):
    return Listener()


def test_the_command_stops_on_ctrl_c_and_leaves_no_process(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "imkit.cli", "eval", "--model", "oracle", "--n", "400", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end_s = time.monotonic() + 60
    while not list(out.rglob("*.json")) and time.monotonic() < end_s:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from there" in told
    assert "Traceback" not in told
    assert list(out.rglob("trials/*/*.json"))
    end_s = time.monotonic() + 20
    while _alive(process.pid) and time.monotonic() < end_s:
        time.sleep(0.1)
    assert not _alive(process.pid)


def _alive(group):
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_command_prints_a_line_a_scene(tmp_path, here, capsys):
    plan_for(tmp_path)
    arguments = [
        "eval",
        "--suite",
        str(tmp_path / "mine.toml"),
        "--model",
        "oracle",
        "--n",
        "2",
        "--out",
        str(tmp_path),
    ]
    assert main([*arguments, "--scenes", "pause_handling"]) == 0
    printed = capsys.readouterr().out
    assert "pause_handling               100.0   100.0 to 100.0   n = 2   trivial   0.0" in printed
    assert "smooth_turn_taking" not in printed
    assert (tmp_path / "report.html").exists()


def test_the_command_lists_texts_without_speaking(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    suite = tmp_path / "mine.toml"
    suite.write_text('base = "dev"\n[[voice]]\nengine = "files"\nfolder = "me"\n')
    assert main(["eval", "--suite", str(suite), "--list-texts", "--n", "2", "--scenes", ",".join(TURNS)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len({line["text"] for line in lines}) > 4
    assert {(line["engine"], line["voice"]) for line in lines} == {("files", "me")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenes", "chess", "--out", "x"], "suite dev has no scene chess; expected some of smooth_turn_taking"),
        (["--scenes", ",", "--out", "x"], "has no scene of no name"),
        ([], "--out DIR is missing"),
        (["--suite", "nowhere.toml"], "nowhere.toml: cannot be read"),
    ],
)
def test_wrong_use_is_told(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "--model", "oracle", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_is_told_and_leaves_no_mark(tmp_path, capsys, here):
    assert main(["eval", "--model", "mono", "--n", "1", "--scenes", TURNS[0], "--out", str(tmp_path)]) == 2
    assert "'mono' is no model" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

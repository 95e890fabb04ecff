import json

import pytest
from in_process import TURNS, hum, plan_for, play

from imkit.scenes.stage import EvalError
from imkit.scenes.table import body, load_reports, main


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Real reports of two policies, the first with baselines."""
    tmp = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        hum(patch)
        plans = [plan_for(tmp, "oracle", "a", baselines=True, audio=False), plan_for(tmp, "silent", "b", audio=False)]
        for plan in plans:
            play(plan)
    return [plan.out for plan in plans]


def changed(folder, tmp_path, name, change):
    """A copy of a report in which something is different."""
    report = json.loads((folder / "report.json").read_text())
    change(report)
    (tmp_path / name).mkdir()
    (tmp_path / name / "report.json").write_text(json.dumps(report))
    return tmp_path / name


def rows(text):
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in cells}


def test_every_scene_has_a_row_with_all_models_and_the_best_policies(folders):
    found = rows(body(load_reports(folders)))
    baselines = json.loads((folders[0] / "report.json").read_text())["baselines"]
    timers = {name: of for name, of in baselines.items() if name.startswith("timer")}
    assert found["scene"] == ["n", "oracle", "silent", "best silence timer", "best trivial policy"]
    for scene in TURNS:
        n, oracle, silent, timer, trivial = found[scene]
        assert (n, oracle, silent, trivial) == ("2", "100.0 (100 to 100)", "0.0 (0 to 0)", "0.0")
        assert float(timer.split()[0]) == max(of[scene] for of in timers.values())
    overall = max(sum(of.values()) / len(of) for of in timers.values())
    assert float(found["**overall**"][3].split()[0]) == pytest.approx(overall, abs=0.06)
    assert found["**overall**"][1] == "100.0 (100 to 100)"


def test_when_it_speaks_is_told_below(folders, tmp_path):
    def cut(report):
        report["model"] = "other"
        report["scenes"]["pause_handling"]["measures"] = {"cut_off_600ms": {"mean": 0.25, "n": 8}}
        report["scenes"]["pause_handling"]["latency_s"] = {"p10": 0.1, "p50": 0.456, "p90": 0.8, "n": 7}

    found = rows(body(load_reports([folders[0], changed(folders[1], tmp_path, "cut", cut)])))
    report = json.loads((folders[0] / "report.json").read_text())["scenes"]["pause_handling"]
    own, other = found["end of turn to first own sound, s, p50 (pause_handling)"]
    assert own == f"{report['latency_s']['p50']:.2f} (n = 2)"
    assert other == "0.46 (n = 7)"
    assert found["pauses cut within 0.6 s"][1] == "25 % (n = 8)"
    assert found["pauses cut within 0.6 s"][0] in ("0 % (n = 1)", "0 % (n = 2)")
    assert not any("stream" in row for row in found)


def test_what_one_long_stream_came_to_is_in_it(folders, tmp_path):
    def long(report):
        report["model"] = "long"
        of = {"from_min": 0, "to_min": 5, "n": 9, "passed": 1.0, "score": 90.0, "ci": [80.0, 95.0]}
        report["length"] = {"blocks": [of, of | {"from_min": 25, "to_min": 30, "score": 50.04}]}

    found = rows(body(load_reports([folders[0], changed(folders[1], tmp_path, "long", long)])))
    assert found["score in the first minutes of one stream"] == ["-", "90.0 (80 to 95), 0 to 5 min, n = 9"]
    assert found["score in the last"] == ["-", "50.0 (80 to 95), 25 to 30 min, n = 9"]


def test_what_cannot_be_compared_is_refused(folders, tmp_path):
    for name, change, told in (
        ("suite", lambda report: report.update(fingerprint="f"), "fingerprint is f, that of"),
        ("scenes", lambda report: report["scenes"].popitem(), "play the same scenes to both"),
        ("length", lambda report: report.pop("scenes"), "has no scores; play the scenes too"),
    ):
        with pytest.raises(EvalError, match=told):
            load_reports([folders[0], changed(folders[1], tmp_path, name, change)])
    with pytest.raises(EvalError, match=r"report\.json: cannot be read"):
        load_reports([tmp_path / "nowhere"])


def test_two_runs_of_one_model_are_named_by_their_folders(folders, tmp_path):
    again = changed(folders[0], tmp_path, "again", lambda report: None)
    assert list(load_reports([folders[0], again])) == [str(folders[0]), str(again)]


def test_it_is_written_between_the_marks_and_nowhere_else(folders, tmp_path, capsys):
    path = tmp_path / "README.md"
    path.write_text("# a\n<!-- scenes -->\nold\n<!-- end scenes -->\nb\n")
    given = [str(folder) for folder in folders]
    assert main([*given, "--write", str(path)]) == 0
    once = path.read_text()
    assert once == f"# a\n<!-- scenes -->\n{body(load_reports(folders))}\n<!-- end scenes -->\nb\n"
    assert main([*given, "--write", str(path)]) == 0
    assert path.read_text() == once
    assert main(given) == 0
    assert capsys.readouterr().out.strip() == body(load_reports(folders))
    path.write_text("no marks")
    assert main([*given, "--write", str(path)]) == 2
    assert "put both where the table belongs" in capsys.readouterr().err
    assert path.read_text() == "no marks"

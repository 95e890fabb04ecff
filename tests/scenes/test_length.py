import io
import json

import numpy as np
import pytest
from in_process import hum, plan_for, play
from quick import world_of

from imkit.cli import main
from imkit.scenes import SCENES, length
from imkit.scenes.length import SHORT, OneStream, length_of, pace_of, play_length, rest, slope
from imkit.scenes.policies import Oracle
from imkit.scenes.run import evaluate_length
from imkit.scenes.scoring import Check, Verdict
from imkit.scenes.stage import EvalError
from imkit.stream import Act, Call, ModelSpec, OpenConfig, Percept, Word

KINDS = {name: SCENES[name] for name in SHORT}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    hum(monkeypatch)


class Tiring:
    """Knows what each world expects, as the oracle does, but in one stream; and falls silent after ``until_s``."""

    spec = ModelSpec("tiring", 16_000)

    def __init__(self, until_s):
        self.until_s, self.opened, self.indices, self.worlds = until_s, 0, [], []

    def open(self, config):
        self.opened += 1
        return [None, None, 0]  # world, its oracle, its first micro-turn

    def step(self, state, percept):
        self.indices.append(percept.index)
        if state[0] is not self.worlds[-1]:
            state[:] = [self.worlds[-1], OneStream(Oracle(self.worlds[-1]), OpenConfig()), percept.index]
        _, chair, first = state
        act, _ = chair.step(chair, Percept(percept.index - first, percept.audio))
        quiet = percept.index / 5 > self.until_s
        words = () if quiet else tuple(Word(w.text, w.start_s + first / 5, w.end_s + first / 5) for w in act.words)
        return Act(percept.index, 0 * act.audio if quiet else act.audio, act.floor, words), state


@pytest.fixture
def seat(monkeypatch, tmp_path):
    """A model that knows the worlds, and a plan to play it."""

    def make(until_s):
        model = Tiring(until_s)

        def known_world(*of):
            model.worlds.append(world := make_world(*of))
            return world

        monkeypatch.setattr(length, "make_world", known_world)
        return model, plan_for(tmp_path, "x:tiring", scenes=SHORT, load=lambda name: model)

    make_world = length.make_world
    return make


def test_the_oracle_is_as_good_in_every_block(tmp_path):
    plan = plan_for(tmp_path, scenes=SHORT)
    found = length_of(play_length(plan, 240), plan.kinds, 240, block_s=80)
    assert [block["score"] for block in found["blocks"]] == [100.0] * 3
    assert [(block["from_min"], block["to_min"]) for block in found["blocks"]] == [(0, 1.33), (1.33, 2.67), (2.67, 4)]
    assert found["slope"] == {"per_min": 0.0, "ci": (0.0, 0.0)}
    assert found["n"] == sum(block["n"] for block in found["blocks"]) > 20


def test_a_model_that_degrades_after_three_minutes_is_seen_to(seat):
    _, plan = seat(180)
    rows = play_length(plan, 360)
    first, last = length_of(rows, plan.kinds, 360, block_s=180)["blocks"]
    assert (first["score"], last["score"]) == (100.0, 0.0)
    assert first["ci"][0] > last["ci"][1]
    sloping = slope([row["start_s"] / 60 for row in rows], [float(row["start_s"] < 175) for row in rows])
    found = length_of(rows, plan.kinds, 360)["slope"]
    assert sloping["per_min"] < found["ci"][1] < 0  # half of the turns are holds, which silence passes


def test_it_is_one_stream_without_a_gap(seat):
    model, plan = seat(1e9)
    rows = play_length(plan, 60)
    assert model.opened == 1
    assert model.indices == list(range(len(model.indices)))
    starts = [row["start_s"] for row in rows]
    gaps = [after - row["start_s"] - row["seconds"] for row, after in zip(rows, starts[1:], strict=False)]
    assert min(gaps) == pytest.approx(length.REST_S, abs=1e-6)
    assert [(row["scene"], row["number"]) for row in rows[:4]] == [*((scene, 0) for scene in SHORT), (SHORT[0], 1)]
    assert all(Verdict.from_json(row["verdict"]).checks[0].passed for row in rows)
    assert len(rows[0]["ms"]) == round(rows[0]["seconds"] * 5)


def test_a_trial_is_judged_as_it_is_alone(tmp_path):
    plan = plan_for(tmp_path, scenes=SHORT, trials=2, audio=False)
    play(plan)
    rows = play_length(plan, 40)
    alone = [json.loads(plan.trial_path(row["scene"], row["number"]).read_text())["verdict"] for row in rows]
    assert [json.loads(json.dumps(row["verdict"])) for row in rows] == alone


class Loud:
    """Sounds in the micro-turns of a span, whatever is heard."""

    spec = ModelSpec("loud", 16_000)

    def __init__(self, ticks):
        self.ticks = ticks

    def open(self, config):
        return None

    def step(self, state, percept):
        audio = np.full(3200, 0.3 if percept.index in self.ticks else 0.0, np.float32)
        return Act(percept.index, audio), state


@pytest.mark.parametrize(("ticks", "rested_s"), [(range(0), 2.0), (range(30), 5.0), (range(9999), 30.0)])
def test_what_a_trial_left_to_say_is_waited_for(ticks, rested_s):
    world, chair = world_of(SHORT[0], 0), OneStream(Loud(ticks), OpenConfig())
    for _ in range(10):
        world.hear(chair.step(chair, world.percept())[0])
    rest(world, chair)
    assert world.now_s == pytest.approx(2.0 + rested_s, abs=0.21)
    assert chair.ticks == world.index


def test_acts_are_told_on_the_clock_of_the_trial():
    class Model:
        spec = ModelSpec("m", 16_000)

        def open(self, config):
            return 0

        def step(self, state, percept):
            k = percept.index
            words = (Word("now", k / 5 + 0.2, k / 5 + 0.5),)
            heard = (Word("before", k / 5 - 0.4, k / 5 - 0.1), Word("what", k / 5, k / 5 + 0.2))
            calls = (Call("tool", "1", "plot", tick=k, expires_tick=k + 9),)
            return Act(k, np.zeros(3200, np.float32), words=words, heard=heard, calls=calls), state + 1

    chair = OneStream(Model(), OpenConfig())
    for index in range(7):
        chair.step(chair, Percept(index))
    act, _ = chair.open(OpenConfig()).step(chair, Percept(0))
    assert (act.index, chair.ticks) == (0, 8)
    assert act.words == (Word("now", 0.2, 0.5),)
    assert act.heard == (Word("what", 0.0, 0.2),)
    assert (act.calls[0].tick, act.calls[0].expires_tick) == (0, 9)


def row(start_s, *checks, scene=SHORT[0], ms=(1.0, 3.0)):
    return {"scene": scene, "start_s": start_s, "verdict": Verdict(checks).to_json(), "ms": list(ms)}


def test_a_block_without_both_sides_of_a_scene_has_no_score():
    act, hold, broken = Check("act", True), Check("hold", True), Check("hold", False)
    rows = [row(0, act), row(10, hold), row(70, act), row(80, broken), row(130, hold, ms=(9.0,))]
    found = length_of(rows, {SHORT[0]: SCENES[SHORT[0]]}, 150, block_s=60)
    assert [block["score"] for block in found["blocks"]] == [100.0, 0.0, None]
    assert [block["passed"] for block in found["blocks"]] == [1.0, 0.5, 1.0]
    assert found["blocks"][2]["ci"] is None
    assert pace_of(rows, 150, 60) == [2.0, 2.0, 9.0]
    assert pace_of(rows[:2], 150, 60) == [2.0, None, None]


def test_a_slope_is_that_of_a_line_and_zero_is_within_its_interval_for_chance():
    minutes = np.linspace(0, 30, 200)
    falling = slope(minutes, (minutes < 15).astype(float))
    assert falling["per_min"] == pytest.approx(-0.05, abs=0.001)  # 1.5 / 30
    assert falling["ci"][1] < -0.04
    chance = slope(minutes, (np.random.default_rng(1).random(200) < 0.7).astype(float))
    assert chance["ci"][0] < 0 < chance["ci"][1]
    assert slope([3.0, 3.0], [0.0, 1.0]) == {"per_min": 0.0, "ci": (0.0, 0.0)}


# --- with the report


@pytest.mark.parametrize("first", ["scenes", "stream"])
def test_it_is_in_the_report_whichever_was_played_first(tmp_path, first):
    plan = plan_for(tmp_path, trials=2, audio=False)
    told = io.StringIO()
    steps = [lambda: play(plan), lambda: evaluate_length(plan, 70, told=told)]
    for step in steps if first == "scenes" else steps[::-1]:
        step()
    report = json.loads((plan.out / "report.json").read_text())
    assert report["overall"] == 100.0
    assert report["length"]["blocks"][0]["score"] == 100.0
    assert "ms" not in json.dumps(report["length"])
    assert len(json.loads((plan.out / "runtime.json").read_text())["length"]["tick_ms_p50"]) == 1
    assert "One stream of 1.17 minutes" in (plan.out / "report.html").read_text()
    assert "1/1" in told.getvalue()


def test_the_same_seed_gives_the_same_report(tmp_path):
    one, two = (plan_for(tmp_path, out=out) for out in ("one", "two"))
    for plan in (one, two):
        evaluate_length(plan, 30, told=io.StringIO())
    assert (one.out / "report.json").read_bytes() == (two.out / "report.json").read_bytes()
    with pytest.raises(EvalError, match="model oracle, now silent"):
        evaluate_length(plan_for(tmp_path, "silent", out="one"), 30, told=io.StringIO())


def test_a_model_that_fails_is_named_with_the_trial(tmp_path):
    class Failing(Loud):
        def step(self, state, percept):
            if percept.index == 60:
                raise ZeroDivisionError("sixty")
            return super().step(state, percept)

    plan = plan_for(tmp_path, "x:failing", load=lambda name: Failing(range(0)))
    with pytest.raises(EvalError, match=r"x:failing, pause_handling 0 at \d+ s: ZeroDivisionError: sixty"):
        play_length(plan, 60)


def test_the_command_prints_a_line_a_block(tmp_path, capsys):
    plan_for(tmp_path)
    arguments = ["eval", "--suite", str(tmp_path / "mine.toml"), "--model", "oracle", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--minutes", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("minute 0 to 1                100.0   100.0 to 100.0   n = ")
    assert printed[1].startswith("trials passed, by the minute +0.00 %, +0.00 to +0.00, n = ")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["length"]["scenes"] == list(SHORT)

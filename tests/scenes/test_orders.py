import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from fakes_orders import write_orders
from in_process import hum

from imkit.cli import main
from imkit.scenes import ALL_SCENES, SCENES, SuiteError, load_suite
from imkit.scenes.menu import AMOUNTS, MENU, change_order, draw_order
from imkit.scenes.noises import NOISES
from imkit.scenes.orders import KINDS
from imkit.scenes.people import People, speech_span, split_of
from imkit.scenes.policies import HALF_ORACLES, RATE, TIMERS, TRIVIAL, Oracle
from imkit.scenes.scoring import summary
from imkit.scenes.stage import fingerprint_of
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Call
from imkit.training.language import vocabulary
from imkit.voices.sound import rms

ORDER, STORY, MENDED = 0, 3, 2
BY_SYNTHESIS, BY_PEOPLE = KINDS


@pytest.fixture(scope="module")
def suite():
    return load_suite("orders")


@pytest.fixture(scope="module")
def cast(suite):
    with Prompter(suite) as prompter:
        yield prompter


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("orders")
    write_orders(made)
    return made


@pytest.fixture
def people(folder, monkeypatch):
    monkeypatch.setenv("IMKIT_ORDERS", str(folder))


def play(suite, cast, kind, make, number):
    world = make_world(suite, cast, kind.name, number, RATE)
    return play_trial(kind.play, world, make(world))[0], world


# --- the grammar


def test_an_order_says_what_it_orders_in_words_that_are_known(suite):
    rng, known, seen = np.random.default_rng(0), set(vocabulary()), {slot: set() for slot in MENU}
    for number in range(1500):
        frames = suite.lines("order_frame" if number % 2 else "order_story")
        order = draw_order(rng, frames[number % len(frames)], 0.5)
        words = order.text.split()
        assert set(words) <= known, order
        upto, rest = " ".join(words[: order.fixed + 1]), " ".join(words[order.fixed + 1 :])
        assert all(f" {value} " in f" {upto} " for value in order.arguments.values()), order
        assert upto.endswith(tuple(order.arguments.values())), order
        assert not any(value in rest for value in order.arguments.values()), order
        for slot, value in order.arguments.items():
            seen[slot].add(value)
    assert {slot: set(values) for slot, values in MENU.items()} == seen


def test_a_correction_changes_one_slot_and_denies_no_milk(suite):
    rng = np.random.default_rng(1)
    denied, known = suite.lines("order_denied"), set(vocabulary())
    for _ in range(500):
        order = draw_order(rng, "{order}", 0.8)
        change = change_order(rng, order.arguments, suite.lines("order_change"), denied)
        (slot,) = [slot for slot, value in order.arguments.items() if change.arguments[slot] != value]
        value = change.arguments[slot]
        assert list(change.arguments) == list(order.arguments)
        assert set(change.text.split()) <= known
        assert " ".join(change.text.split()[: change.fixed + 1]).endswith(value)
        if slot in ("milk", "sugar"):
            assert not change.text.startswith(f"no {value}")
            assert value.startswith(AMOUNTS) or not order.arguments[slot].startswith(AMOUNTS)


# --- orders by synthetic voices


def test_the_oracle_gets_everything_and_who_knows_nothing_nothing(suite, cast):
    policies = {"oracle": Oracle, **TRIVIAL, "timer-0.6s": TIMERS["timer-0.6s"]}
    verdicts = {
        name: [play(suite, cast, BY_SYNTHESIS, make, n)[0] for n in range(12)] for name, make in policies.items()
    }
    scores = {name: BY_SYNTHESIS.score(of) for name, of in verdicts.items()}
    assert scores.pop("oracle") >= 95, [v.checks for v in verdicts["oracle"]]
    assert max(scores.values()) <= 5, scores
    found = summary(verdicts["oracle"], BY_SYNTHESIS.score)
    assert (found["act_n"], found["hold_n"], found["measures"]["replaced"]["n"]) == (9, 3, 3)
    assert found["measures"]["whole_command"]["mean"] == found["measures"]["slot_accuracy"]["mean"] == 1.0
    assert 0.1 < found["measures"]["call_s"]["mean"] < 0.4


def test_a_mended_order_is_asked_for_twice_and_told_once(suite, cast):
    verdict, world = play(suite, cast, BY_SYNTHESIS, Oracle, MENDED)
    first, second = [wanted for wanted in world.expected if wanted.call is not None]
    assert first.call[1] != second.call[1]
    assert second.cause_s > world.said[1].start_s > world.said[0].end_s + 1.0
    told = [wanted.words for wanted in world.expected if wanted.call is None and wanted.words[0] not in ("on", "okay")]
    arguments = second.call[1]
    assert told == [tuple(f"{arguments.get('size', '')} {arguments['drink']}".split())]
    assert verdict.measures["replaced"] == 1.0


class Shifted(Oracle):
    shift_s = 0.0

    def decide(self, state, percept):
        if percept.index == 0:
            for wanted in self.world.expected:
                wanted.cause_s += self.shift_s if wanted.call else 0.0
        return super().decide(state, percept)


class Early(Shifted):
    shift_s = -0.6


class Late(Shifted):
    shift_s = 5.0


class Mute(Oracle):
    def decide(self, state, percept):
        calls = super().decide(state, percept)
        state.mouth.hush()
        return calls


class Changed(Oracle):
    def decide(self, state, percept):
        return tuple(changed for call in super().decide(state, percept) for changed in self.change(call))


class Wrong(Changed):
    def change(self, call):
        return (replace(call, arguments={**call.arguments, "drink": "tea"}),)


class MoreThanAsked(Changed):
    def change(self, call):
        return (replace(call, arguments={**call.arguments, "sugar": "lots of sugar"}),)


class Twice(Changed):
    def change(self, call):
        return call, replace(call, id=f"{call.id}-again")


class Stubborn(Changed):
    def change(self, call):
        return (call,) if call.id.endswith("-1") else ()


class Retracting(Changed):
    def change(self, call):
        if call.id.endswith("-1"):
            return (call,)
        return Call("cancel", "c", call.name, {"id": f"{call.name}-1"}, call.tick), call


class Ordering(Oracle):
    def decide(self, state, percept):
        return (Call("tool", "x", "order_drink", {"drink": "latte"}, percept.index),) if percept.index == 10 else ()


@pytest.mark.parametrize(
    ("make", "number", "why", "measures"),
    [
        (Early, ORDER, "no call", {"premature_call": 1.0}),
        (Late, ORDER, "no call", {"whole_command": 0.0}),
        (Mute, ORDER, "was not told", {"told": 0.0, "whole_command": 1.0}),
        (Wrong, ORDER, "drink='tea'", {"slot_drink": 0.0, "whole_command": 0.0, "false_calls": 1.0}),
        (MoreThanAsked, ORDER, "no call", {"slot_sugar": 0.0, "slot_drink": 1.0, "whole_command": 0.0}),
        (Twice, ORDER, "call order_drink", {"false_calls": 1.0}),
        (Stubborn, MENDED, "no call", {"replaced": 0.0, "whole_command": 0.0}),
        (Ordering, STORY, "nothing was ordered", {"story_calls": 1.0}),
    ],
)
def test_one_fault_fails_the_trial(suite, cast, make, number, why, measures):
    verdict, _ = play(suite, cast, BY_SYNTHESIS, make, number)
    (check,) = verdict.checks
    assert not check.passed
    assert why in check.why
    assert {name: verdict.measures[name] for name in measures} == measures


def test_a_first_order_may_be_cancelled_before_the_second(suite, cast):
    assert play(suite, cast, BY_SYNTHESIS, Retracting, MENDED)[0].checks[0].passed


# --- orders by people


def test_people_are_scored_by_the_share_of_whole_orders(suite, cast, people):
    verdicts = {
        name: [play(suite, cast, BY_PEOPLE, make, number)[0] for number in range(6)]
        for name, make in {
            "oracle": Oracle,
            "wrong": Wrong,
            "never-yields": HALF_ORACLES["never-yields"],
            **TRIVIAL,
        }.items()
    }
    scores = {name: BY_PEOPLE.score(of) for name, of in verdicts.items()}
    assert scores["oracle"] == scores["never-yields"] == 100.0
    assert all(scores[name] == 0.0 for name in ("wrong", *TRIVIAL))
    assert all(v.measures["slot_accuracy"] > 0 for v in verdicts["wrong"])
    found = summary([v for v in verdicts["oracle"] for _ in range(2)], BY_PEOPLE.score)
    assert found["recall_ci"][0] > 0.7
    assert set(found["groups"]) == {"clean", "cafe 24 dB", "cafe 21 dB", "kitchen 24 dB", "kitchen 21 dB"}


class Before(Shifted):
    shift_s = -1.2


class Mending(Changed):
    def change(self, call):
        return replace(call, id="first", arguments={"drink": "coffee"}), call


class Spoiling(Changed):
    def change(self, call):
        return call, replace(call, id="second", arguments={"drink": "coffee"})


class Taking(Changed):
    def change(self, call):
        return call, Call("cancel", "c", call.name, {}, call.tick)


@pytest.mark.parametrize(
    ("make", "right", "false_calls"),
    [(Before, 1.0, 0.0), (Mending, 1.0, 1.0), (Spoiling, 0.0, 1.0), (Taking, 0.0, 0.0), (Late, 0.0, 0.0)],
)
def test_what_counts_is_the_order_that_holds_in_time(suite, cast, people, make, right, false_calls):
    verdict, _ = play(suite, cast, BY_PEOPLE, make, 0)
    assert verdict.measures["whole_command"] == right == float(verdict.checks[0].passed)
    assert verdict.measures["false_calls"] == false_calls
    assert make is not Before or verdict.checks[0].latency_s < 0


def test_a_recording_is_one_word_that_nobody_wrote_down(suite, cast, people, folder):
    _, world = play(suite, cast, BY_PEOPLE, Oracle, 0)
    (said,) = world.said
    ((word, start_s, end_s),) = said.words
    sound, _ = soundfile.read(folder / said.voice.name)
    assert word == ""
    assert end_s - start_s == pytest.approx(np.ptp(np.flatnonzero(np.abs(sound) > 0.02)) / 16_000, abs=0.15)
    assert next(wanted.cause_s for wanted in world.expected) == end_s + 0.5


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_as_loud_as_it_is_said_to_be(suite, cast, name):
    """Against speech at peak 0.5, as loud as where it sounds; measured in a microphone without a room."""
    world = make_world(suite, cast, "coffee_order", 0, RATE)
    sound = NOISES[name](world, 6.0)
    assert len(sound) == 6 * 16_000
    assert rms(sound) == pytest.approx(1.0, abs=1e-3)
    halves = [rms(half) for half in np.split(sound, 2)]
    assert max(halves) < 1.5 * min(halves)
    microphone = world.microphone
    microphone._impulse, microphone.level = np.ones(1, np.float32), 0.1
    world.sound(sound, 0.0, -12)
    assert rms(microphone._sound[: 6 * 16_000]) == pytest.approx(0.1 * 10 ** (-12 / 20), rel=0.05)


def test_speech_is_found_by_its_loudness():
    rng = np.random.default_rng(0)
    sound = 0.001 * rng.standard_normal(32_000)
    sound[8000:20_000] += 0.3 * rng.standard_normal(12_000)
    assert speech_span(sound.astype(np.float32)) == pytest.approx((0.5, 1.25), abs=0.04)
    later = np.concatenate([sound, np.zeros(20_000), 0.2 * rng.standard_normal(4000)])
    assert speech_span(later.astype(np.float32)) == pytest.approx((0.5, 1.25), abs=0.04)
    soon = np.concatenate([sound, 0.2 * rng.standard_normal(4000)])
    assert speech_span(soon.astype(np.float32)) == pytest.approx((0.5, 2.25), abs=0.04)
    with pytest.raises(ValueError, match="silent"):
        speech_span(np.zeros(16_000, np.float32))


# --- the folder


def test_both_layouts_give_the_same_orders(folder, tmp_path):
    labels = json.loads((folder / "labels.json").read_text())
    (tmp_path / "data" / "label").mkdir(parents=True)
    (tmp_path / "data" / "speech" / "clean").mkdir(parents=True)
    theirs = {}
    for name, slots in labels.items():
        long = name.replace(".flac", "-ed05-4708.wav")
        sound, rate_hz = soundfile.read(folder / name)
        soundfile.write(tmp_path / "data" / "speech" / "clean" / long, sound, rate_hz)
        theirs[long] = {"intent": "orderDrink", "slots": {key: f" {value}" for key, value in slots.items()}}
    (tmp_path / "data" / "label" / "label.json").write_text(json.dumps(theirs))
    for split in ("dev", "train"):
        ours, clone = People(folder, split), People(tmp_path, split)
        assert [name[:8] for name in ours.names] == [name[:8] for name in clone.names]
        assert [ours.load(i).arguments for i in range(len(ours))] == [clone.load(i).arguments for i in range(len(ours))]
    spoken = People(folder, "dev").load(0)
    assert spoken.arguments in [
        {"drink": "latte", "size": "large", "milk": "soy milk"},
        {"drink": "espresso", "roast": "dark roast"},
        {"drink": "mocha", "shots": "double shot", "sugar": "lots of brown sugar"},
    ]
    assert np.abs(spoken.sound).max() == pytest.approx(0.5)
    assert len(spoken.sound) / 16_000 == pytest.approx(spoken.end_s + 0.25, abs=0.01)


def test_a_recording_is_always_of_the_same_split():
    names = [f"{number:08x}.flac" for number in range(2000)]
    assert sum(split_of(name) == "dev" for name in names) / 2000 == pytest.approx(0.4, abs=0.04)
    assert split_of(names[0]) == split_of("00000000-1c2d.wav")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ('{"a.flac": {"coffeeDrink": "tea"}}', "coffeeDrink = 'tea' is nothing"),
        ('{"a.flac": {"cup": "paper"}}', "cup = 'paper'"),
        ('{"a.flac": {"size": "small"}}', "an order without a drink"),
        ("[1]", "labels.json"),
        ("{}", "none of its recordings is of the split"),
        ("{", "labels.json"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, labels, said):
    (tmp_path / "labels.json").write_text(labels)
    with pytest.raises(SuiteError, match=said):
        People(tmp_path, split_of("a.flac"))


def test_a_recording_that_is_not_there_is_named(tmp_path, folder):
    shutil.copy(folder / "labels.json", tmp_path)
    with pytest.raises(SuiteError, match=r"flac: cannot be played"):
        People(tmp_path, "dev").load(0)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"noises": ["street"]}, "noises = .*street"),
        ({"snr_db": []}, "snr_db"),
        ({"microphone": "good"}, "expected a table"),
        ({"split": "test"}, "split = 'test'"),
    ],
)
def test_settings_that_cannot_be_played_are_told(suite, cast, people, table, said):
    other = replace(suite, scenes={"order_recording": {**suite.scenes["order_recording"], **table}})
    with pytest.raises(SuiteError, match=said):
        play(other, cast, BY_PEOPLE, Oracle, 0)


# --- the suite


def test_the_suite_plays_its_own_scenes_on_top_of_dev(suite, tmp_path):
    dev = load_suite("dev")
    assert suite.plays == ("coffee_order", "order_recording")
    assert (suite.voices, suite.microphone) == (dev.voices, dev.microphone)
    assert dev.plays == ()
    assert set(suite.plays) == set(suite.scenes) - set(dev.scenes)
    assert not set(suite.plays) & set(SCENES)
    assert set(suite.plays) <= set(ALL_SCENES)
    mine = tmp_path / "mine.toml"
    mine.write_text('base = "orders"\nscenes = ["coffee_order"]\n[scene.order_recording]\nsplit = "train"\n')
    over = load_suite(mine)
    assert (over.plays, over.scenes["order_recording"]["split"]) == (("coffee_order",), "train")
    assert over.phrases == suite.phrases
    mine.write_text('base = "dev"\nscenes = ["chess"]')
    with pytest.raises(SuiteError, match="chess"):
        load_suite(mine)


def test_what_the_recordings_are_is_part_of_the_fingerprint(suite, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("IMKIT_ORDERS", str(folder))
    first = fingerprint_of(suite)
    write_orders(tmp_path, dev=2)
    monkeypatch.setenv("IMKIT_ORDERS", str(tmp_path))
    assert len({first, fingerprint_of(suite), fingerprint_of(replace(suite, scenes={}))}) == 3
    assert first != fingerprint_of(suite) == fingerprint_of(replace(suite, plays=()))


def test_the_command_plays_both_scenes(people, tmp_path, monkeypatch, capsys):
    hum(monkeypatch)
    out = tmp_path / "out"
    assert (
        main(["eval", "--suite", "orders", "--model", "oracle", "--n", "4", "--no-baselines", "--out", str(out)]) == 0
    )
    report = json.loads((out / "report.json").read_text())
    assert {name: found["score"] for name, found in report["scenes"].items()} == {
        "coffee_order": 100.0,
        "order_recording": 100.0,
    }
    assert "order_recording" in capsys.readouterr().out
    trial = json.loads((out / "trials" / "order_recording" / "000.json").read_text())
    assert trial["said"][0]["who"] == "user"
    assert trial["said"][0]["voice"].startswith("files:0000")


def test_without_recordings_one_is_told_how_to_get_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMKIT_ORDERS", raising=False)
    arguments = ["eval", "--suite", "orders", "--model", "silent", "--n", "4", "--no-baselines", "--out", "out"]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "data/orders: no recorded orders here" in told
    assert "git clone https://github.com/Picovoice/speech-to-intent-benchmark" in told
    assert "--scenes coffee_order" in told
    hum(monkeypatch)
    assert main([*arguments, "--scenes", "coffee_order"]) == 0

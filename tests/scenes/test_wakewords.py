import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from fakes_wake import write_wakes
from in_process import hum

from imkit.cli import main
from imkit.scenes import ALL_SCENES, SCENES, SuiteError, ear, load_suite, noises
from imkit.scenes.cues import EARLY_S, LATE_S
from imkit.scenes.policies import RATE, TIMERS, TRIVIAL, Oracle, Silent
from imkit.scenes.stage import fingerprint_of
from imkit.scenes.texts import Prompter
from imkit.scenes.trial import make_world, play_trial
from imkit.scenes.wake import NAMES, WakeRecordings, shared_out
from imkit.scenes.wakewords import KINDS
from imkit.stream import Floor
from imkit.training.language import vocabulary

KIND = {kind.name: kind for kind in KINDS}
CUE, OTHER = KIND
N = {CUE: 6, OTHER: 6}


@pytest.fixture(scope="module")
def suite():
    return load_suite("wakewords")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("wakewords")
    write_wakes(made)
    return made


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.setenv("IMKIT_WAKEWORDS", str(folder))


def hiss(world, length_s):
    return world.rng.standard_normal(round(16_000 * length_s), dtype=np.float32)


@pytest.fixture(scope="module")
def cast(suite):
    with pytest.MonkeyPatch.context() as patch, Prompter(suite) as prompter:  # filters and noises take long
        patch.setattr(ear, "tilt", lambda rng: np.ones(1, np.float32))
        patch.setattr(ear, "noise", lambda rng, count, babble: rng.standard_normal(count, dtype=np.float32))
        for name in noises.NOISES:
            patch.setitem(noises.NOISES, name, hiss)
        yield prompter


def play(cast, name, number, make, suite=None):
    world = make_world(suite or cast.suite, cast, name, number, RATE)
    return play_trial(KIND[name].play, world, make(world))[0], world


def played(cast, name, make):
    return [play(cast, name, number, make)[0] for number in range(N[name])]


def recorded(world):
    return [said for said in world.said if said.voice.engine == "files"]


@pytest.mark.parametrize("name", KIND)
def test_only_who_knows_scores(cast, name):
    verdicts = played(cast, name, Oracle)
    assert KIND[name].score(verdicts) >= 95, [check.why for v in verdicts for check in v.checks]
    for policy, make in TRIVIAL.items():
        assert KIND[name].score(played(cast, name, make)) <= (0 if policy == "silent" else 5), policy
    for policy, make in list(TIMERS.items())[::4]:
        assert KIND[name].score(played(cast, name, make)) <= 30, policy


# --- names as cues


@pytest.mark.parametrize("number", range(8))
def test_a_cue_is_the_name_that_was_asked_for_said_by_a_person(cast, number):
    verdict, world = play(cast, CUE, number, Silent)
    asked, names = world.said[0], recorded(world)
    (cue,) = [name for name in NAMES if f" {name} " in f" {asked.text} "]
    assert cue == NAMES[number % 5]
    assert {said.text for said in names} <= set(NAMES)
    cues_s = [said.end_s for said in names if said.text == cue]
    assert [wanted.cause_s for wanted in world.expected[1:]] == pytest.approx(cues_s)
    assert (not cues_s) == (number % 4 == 3)
    assert len([check for check in verdict.checks if check.kind == "act"]) == len(cues_s)
    assert all(later - earlier > LATE_S - EARLY_S for earlier, later in pairwise(cues_s))


def test_people_take_turns_with_the_user(cast):
    _, world = play(cast, CUE, 0, Silent)
    turns = [said.voice.engine == "files" for said in world.said]
    assert sum(turns) >= 4
    assert not any(a and b for a, b in pairwise(turns))
    assert all(b.start_s > a.end_s for a, b in pairwise(world.said))


class Anybody(Oracle):
    """Takes any name for the cue."""

    def decide(self, state, percept):
        if percept.index == 0:
            for said in recorded(self.world):
                if all(abs(said.end_s - wanted.cause_s) > 1e-6 for wanted in self.world.expected):
                    self.world.expect(self.world.said[0].text.split("say ")[1].split()[0], said.end_s)
        return super().decide(state, percept)


def test_who_takes_every_name_for_the_cue_gets_little(cast):
    verdicts = played(cast, CUE, Anybody)
    acts = [check.passed for v in verdicts for check in v.checks if check.kind == "act"]
    assert np.mean(acts) > 0.8
    assert KIND[CUE].score(verdicts) < 70
    assert not any(v.measures[name] for v in verdicts for name in v.measures if name.startswith("exact_"))


def test_names_and_noises_go_round(cast):
    names = [set(play(cast, CUE, number, Silent)[0].measures) for number in range(5)]
    assert [("exact_clean", "exact_cafe", "exact_kitchen")[n % 3] in measures for n, measures in enumerate(names)]
    assert all(f"exact_{NAMES[n].replace(' ', '_')}" in measures for n, measures in enumerate(names))


# --- names of somebody


def test_who_is_spoken_to_is_told_by_the_name(cast):
    others, own, by_user = set(), set(), 0
    for number in range(0, 24, 2):
        _, world = play(cast, OTHER, number, Oracle)
        answered = {wanted.cause_s for wanted in world.expected}
        for name, then in pairwise(world.said):
            if name.voice.engine != "files":
                continue
            assert 0.05 <= then.start_s - name.end_s <= 0.4 + 1e-9
            assert then.voice == world.voice
            (own if then.end_s in answered else others).add(name.text)
        by_user += sum(said.text.startswith("nano ") for said in world.said)
    assert (others, own) == ({"alexa", "jarvis", "smart mirror", "view glass"}, {"computer"})
    assert by_user > 1


class Answers(Oracle):
    """Says something whenever somebody has said something, whomever it was for."""

    def decide(self, state, percept):
        calls = super().decide(state, percept)
        ended = {-i - 1 for i, said in enumerate(self.world.said) if said.end_s + 0.6 < self.world.now_s}
        if new := ended - state.done:
            state.done |= new
            state.mouth.waiting.append(("okay", 2, Floor.SPEAK))
        return calls


def test_who_does_not_know_the_names_scores_nothing(cast):
    assert KIND[OTHER].score(played(cast, OTHER, Answers)) <= 5


# --- recordings


@pytest.mark.parametrize("layout", ["", "audio"])
def test_both_layouts_give_the_same_recordings(folder, tmp_path, layout):
    write_wakes(tmp_path, suffix="-1c2d.wav", layout=layout, space=" ")
    for split in ("dev", "train"):
        ours, theirs = WakeRecordings(folder, split), WakeRecordings(tmp_path, split)
        for name in NAMES:
            numbers = [
                [path.name.partition("-")[0].partition(".")[0] for path in of.files[name]] for of in (ours, theirs)
            ]
            assert numbers[0] == numbers[1]
            one, other = (of.draw(np.random.default_rng(1), name) for of in (ours, theirs))
            assert one.end_s == pytest.approx(other.end_s, abs=0.03)


def test_a_recording_is_cut_to_its_name(folder):
    said = WakeRecordings(folder, "dev").draw(np.random.default_rng(0), "smart mirror")
    (smart, start_s, between_s), (mirror, _, end_s) = said.words
    assert (smart, mirror) == ("smart", "mirror")
    assert (between_s - start_s) / (end_s - start_s) == pytest.approx(5 / 11)
    assert (start_s, end_s) == (said.start_s, said.end_s)
    assert start_s == pytest.approx(0.1, abs=0.01)
    assert len(said.sound) / 16_000 == pytest.approx(end_s + 0.25, abs=0.01)
    assert np.abs(said.sound).max() == pytest.approx(0.5)
    ((_, low, high),) = shared_out("alexa", 0.25, 0.75)
    assert (low, high) == (0.25, 0.75)


def test_noisy_recordings_are_left_out_and_others_are_not_repeated(folder, tmp_path):
    names = write_wakes(tmp_path)["dev"]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000)
    soundfile.write(tmp_path / "jarvis" / names[0], noise, 16_000)
    recordings, rng = WakeRecordings(tmp_path, "dev"), np.random.default_rng(0)
    assert {recordings.draw(rng, "jarvis").name for _ in range(20)} == set(names[1:])
    assert {recordings.draw(rng, "alexa", names[1:]).name for _ in range(20)} == {names[0]}
    assert recordings.draw(rng, "alexa", names).name in names
    for name in names:
        soundfile.write(tmp_path / "jarvis" / name, noise, 16_000)
    with pytest.raises(SuiteError, match="none of 3 recordings of 'jarvis' can be used"):
        recordings.draw(rng, "jarvis")
    (tmp_path / "jarvis" / names[0]).write_bytes(b"not a sound")
    with pytest.raises(SuiteError, match="cannot be played"):
        recordings.draw(rng, "jarvis", names[1:])


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        (CUE, {"noises": ["street"]}, r"wake_cue\]: noises"),
        (CUE, {"split": "test"}, "split = 'test'"),
        (OTHER, {"others": ["anna"]}, "others = .*anna.*expected a list of alexa"),
        (OTHER, {"own": []}, r"own = \[\]"),
        (OTHER, {"microphone": "good"}, "expected a table"),
    ],
)
def test_settings_that_cannot_be_played_are_told(suite, cast, name, table, said):
    other = replace(suite, scenes={name: {**suite.scenes[name], **table}})
    with pytest.raises(SuiteError, match=said):
        play(cast, name, 0, Silent, other)


# --- the suite


def test_the_suite_plays_its_own_scenes_in_words_that_are_known(suite):
    assert suite.plays == tuple(KIND)
    assert not set(suite.plays) & set(SCENES)
    assert set(suite.plays) <= set(ALL_SCENES)
    words = {word for line in suite.lines("wake_cue") for word in line.split() if "{" not in word}
    assert words | {word for name in NAMES for word in name.split()} <= set(vocabulary())


def test_what_the_recordings_are_is_part_of_the_fingerprint(suite, tmp_path, monkeypatch):
    first = fingerprint_of(suite)
    write_wakes(tmp_path, each=2)
    monkeypatch.setenv("IMKIT_WAKEWORDS", str(tmp_path))
    assert first != fingerprint_of(suite)


def test_the_command_plays_both_scenes(tmp_path, monkeypatch, capsys):
    hum(monkeypatch)
    out = tmp_path / "out"
    arguments = ["eval", "--suite", "wakewords", "--model", "oracle", "--n", "4", "--no-baselines", "--out", str(out)]
    assert main(arguments) == 0
    report = json.loads((out / "report.json").read_text())
    assert {name: found["score"] for name, found in report["scenes"].items()} == {CUE: 100.0, OTHER: 100.0}
    trial = json.loads((out / "trials" / CUE / "000.json").read_text())
    assert any(said["voice"].startswith("files:") for said in trial["said"])
    assert CUE in capsys.readouterr().out


def test_without_recordings_one_is_told_how_to_get_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMKIT_WAKEWORDS")
    arguments = ["eval", "--suite", "wakewords", "--model", "silent", "--n", "4", "--no-baselines", "--out", "out"]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "data/wakewords: no recorded wake words here" in told
    assert "git clone https://github.com/Picovoice/wake-word-benchmark" in told
    assert "IMKIT_WAKEWORDS" in told

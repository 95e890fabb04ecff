import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.scenes import SCENES, SuiteError, load_suite
from imkit.scenes.suite import Settings

VOICE = '[[voice]]\nengine = "espeak"\nname = "en-us"\n'


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_the_public_suite_has_every_scene_and_voices_of_two_engines():
    suite = load_suite("dev")
    assert set(SCENES) <= set(suite.scenes)
    assert {"espeak", "flite"} <= {voice.engine for voice in suite.voices}
    assert all(line and line == line.lower() for lines in suite.phrases.values() for line in lines)


def test_a_file_gives_only_what_differs(tmp_path):
    path = write(
        tmp_path, 'base = "dev"\nseed = 7\n[scene.pause_handling]\nlong_share = 0.5\n[phrases]\nquestion = ["{sum}"]'
    )
    suite, dev = load_suite(path), load_suite("dev")
    assert (suite.name, suite.seed, suite.trials, suite.home) == ("mine", 7, dev.trials, tmp_path)
    assert suite.scenes["pause_handling"] == {**dev.scenes["pause_handling"], "long_share": 0.5}
    assert suite.phrases == {**dev.phrases, "question": ("{sum}",)}
    assert suite.voices == dev.voices


def test_a_file_without_a_base_has_only_its_own(tmp_path):
    suite = load_suite(write(tmp_path, f"seed = 1\ntrials = 2\n{VOICE}rate = [0.9, 1]\nweight = 3\n"))
    assert (suite.scenes, suite.phrases, len(suite.voices)) == ({}, {}, 1)
    voice = suite.voices[0]
    assert (voice.rate, voice.pitch, voice.weight) == ((0.9, 1.0), (1.0, 1.0), 3)
    with pytest.raises(SuiteError, match=r"no table \[scene.pause_handling\]"):
        suite.settings("pause_handling")
    with pytest.raises(SuiteError, match="no 'question'"):
        suite.lines("question")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = ", "is not TOML"),
        ("seed = 1\ntrials = 2", "at least one"),
        ("seed = 1\ntrials = 2\nvoice = []", "at least one"),
        (f"trials = 2\n{VOICE}", "seed = None"),
        (f"seed = -1\ntrials = 2\n{VOICE}", "seed = -1"),
        (f"seed = 1\ntrials = 0\n{VOICE}", "trials = 0"),
        (f"seed = 1\ntrials = true\n{VOICE}", "trials = True"),
        ('seed = 1\ntrials = 2\n[voice]\nengine = "espeak"', "at least one"),
        ('seed = 1\ntrials = 2\nvoice = ["en-us"]', "expected a table"),
        (f"seed = 1\ntrials = 2\n{VOICE}speed = 2", "speed is unknown"),
        ('seed = 1\ntrials = 2\n[[voice]]\nengine = "sapi"', "engine = 'sapi'"),
        ('seed = 1\ntrials = 2\n[[voice]]\nengine = "files"', "needs folder"),
        (f"seed = 1\ntrials = 2\n{VOICE}rate = [2, 1]", "lower end first"),
        (f'seed = 1\ntrials = 2\n{VOICE}rate = "fast"', "a number or a range"),
        (f"seed = 1\ntrials = 2\n{VOICE}weight = 0", "weight = 0"),
        (f'seed = 1\ntrials = 2\n{VOICE}[phrases]\nquestion = "what"', "a list of sentences"),
        ('base = "test"', "base = 'test'"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path, text, said):
    with pytest.raises(SuiteError, match=said.replace("[", r"\[")):
        load_suite(write(tmp_path, text))


def test_a_missing_file_is_told():
    with pytest.raises(SuiteError, match=r"nowhere\.toml: cannot be read"):
        load_suite("nowhere.toml")


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(0, 5), st.integers(0, 2**32))
def test_draws_stay_in_their_range(low, size, seed):
    rng = np.random.default_rng(seed)
    table = Settings("[scene.x]", {"a": [low, low + size], "n": [2, 4], "one": 3})
    assert low <= table.draw(rng, "a") <= low + size
    assert table.whole(rng, "n") in (2, 3, 4)
    assert table.draw(rng, "one") == 3


def test_a_value_of_the_wrong_kind_is_told():
    table = Settings("[scene.x]", {"share": True, "span": [1, 2, 3]})
    with pytest.raises(SuiteError, match="share = True"):
        table.number("share")
    with pytest.raises(SuiteError, match="span = "):
        table.span("span")
    with pytest.raises(SuiteError, match="'other' is missing; it has share, span"):
        table["other"]

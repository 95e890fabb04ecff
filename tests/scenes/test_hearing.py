import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import Listener, hum, plan_for, play

from imkit.scenes.hearing import Sentence, errors, hear, sentences, word_error
from imkit.scenes.texts import Prompter, spoken_texts

words = st.lists(st.sampled_from(["one", "two", "three"]), max_size=6)


def distance(said, heard):
    if not said or not heard:
        return len(said) + len(heard)
    return min(
        distance(said[1:], heard[1:]) + (said[0] != heard[0]),
        distance(said[1:], heard) + 1,
        distance(said, heard[1:]) + 1,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("ab"), max_size=5), st.lists(st.sampled_from("ab"), max_size=5))
def test_errors_are_those_of_the_cheapest_alignment(said, heard):
    assert sum(errors(said, heard)) == distance(said, heard)


@settings(deadline=None)
@given(words, words)
def test_errors_account_for_both_lengths(said, heard):
    substituted, missed, added = errors(said, heard)
    assert len(said) - missed + added == len(heard)
    assert substituted + missed <= len(said)
    assert errors(said, said) == (0, 0, 0)


def test_errors_are_told_apart():
    assert errors("what is two plus three".split(), "what two times three".split()) == (1, 1, 0)
    assert errors(["two"], ["um", "two", "two"]) == (0, 0, 2)


def test_a_stranger_is_right_when_written_as_unknown():
    assert errors(["pass", "salt"], ["pass", "…"], {"salt"}) == (0, 0, 0)
    assert errors(["pass", "salt"], ["…", "…"], {"salt"}) == (1, 0, 0)
    assert errors(["pass", "salt"], ["pass", "pepper"], {"salt"}) == (1, 0, 0)


def test_sentences_come_round_by_round_from_what_the_scenes_say(tmp_path):
    plan = plan_for(tmp_path)
    found = sentences(plan.suite, plan.kinds, 3)
    assert found == sentences(plan.suite, plan.kinds, 3)
    assert found[:4] == sentences(plan.suite, plan.kinds, 1)
    assert [(s.number, s.voice, s.kind) for s in found[:4]] == [
        (0, 0, "grammar"), (0, 0, "random"), (0, 1, "grammar"), (0, 1, "random"),
    ]  # fmt: skip
    said = {text for _, _, text in spoken_texts(plan.suite, plan.kinds, 4)}
    known = {word for text in said for word in text.split()}
    assert {s.text for s in found if s.kind == "grammar"} <= said
    assert {word for s in found if s.kind == "random" for word in s.text.split()} <= known
    assert all(3 <= len(s.text.split()) <= 6 for s in found if s.kind == "random")


def test_what_a_model_hears_is_noted_with_the_words_that_it_cannot_know(tmp_path):
    suite = plan_for(tmp_path).suite
    sentence = Sentence(0, 1, "random", "two minus two")
    found = hear(sentence, suite, Prompter(suite), lambda world: Listener(), 16_000)
    assert found == {**sentence.row, "voice": "flite:slt", "heard": ["two"], "strangers": ["minus"]}
    assert sentence.row == {"number": 0, "voice_number": 1, "kind": "random", "text": "two minus two"}


def row(number, voice, kind, text, heard, strangers=()):
    return {"number": number, "voice_number": 0, "voice": voice, "kind": kind, "text": text, "heard": heard.split(),
            "strangers": list(strangers)}  # fmt: skip


def test_word_error_is_told_by_voice_and_by_kind():
    rows = [
        row(0, "a", "grammar", "one two three four", "one two three four"),
        row(1, "a", "grammar", "one two three four", "one two"),
        row(0, "a", "random", "two two", "one two two"),
        row(0, "b", "grammar", "one salt", "one …", ["salt"]),
        row(0, "b", "random", "two three", ""),
    ]
    found = word_error(rows)
    assert found["voices"]["a"]["grammar"] == {
        "sentences": 2, "words": 8, "strangers": 0, "wer": 0.25, "ci": (0.0, 0.5),
        "substituted": 0, "missed": 2, "added": 0,
    }  # fmt: skip
    assert found["voices"]["a"]["random"]["wer"] == 0.5
    assert found["voices"]["b"]["grammar"]["wer"] == 0
    assert found["voices"]["b"]["random"]["wer"] == 1
    assert (found["grammar"]["wer"], found["grammar"]["strangers"]) == (0.2, 1)
    assert found["random"]["wer"] == 0.75
    assert word_error(list(reversed(rows))) == found


def test_a_model_without_a_transcript_hears_one_round_only(tmp_path, monkeypatch):
    hum(monkeypatch)

    class Deaf(Listener):
        def step(self, was_loud, percept):
            act, loud = super().step(was_loud, percept)
            return type(act)(act.index, act.audio), loud

    plan = plan_for(tmp_path, "x:deaf", trials=4, load=lambda name: Deaf())
    report, _ = play(plan)
    assert report["hearing"] == {"skipped": "the model gives no transcript of what it hears"}
    assert len((plan.out / "hearing.jsonl").read_text().splitlines()) == 4
    assert "no transcript" in (plan.out / "report.html").read_text()


def test_a_model_with_a_transcript_hears_all(tmp_path, monkeypatch):
    hum(monkeypatch)
    report, _ = play(plan_for(tmp_path, "x:listener", trials=4, load=lambda name: Listener()))
    assert set(report["hearing"]["voices"]) == {"espeak:en-us", "flite:slt"}
    assert report["hearing"]["random"]["sentences"] == 4
    assert 0.5 < report["hearing"]["grammar"]["wer"] <= 1
    assert np.isfinite(report["hearing"]["grammar"]["ci"]).all()


def test_policies_hear_nothing(tmp_path, monkeypatch):
    hum(monkeypatch)
    plan = plan_for(tmp_path, "oracle")
    report, _ = play(plan)
    assert "skipped" in report["hearing"]
    assert not (plan.out / "hearing.jsonl").exists()


@pytest.mark.parametrize("scenes", [("smooth_turn_taking",), ("pause_handling",)])
def test_what_is_spoken_does_not_depend_on_the_number_of_trials_before(tmp_path, scenes):
    plan = plan_for(tmp_path, scenes=scenes)
    few, many = (spoken_texts(plan.suite, plan.kinds, n) for n in (2, 6))
    assert many[: len(few)] == few
    assert {engine for engine, _, _ in many} == {"espeak", "flite"}

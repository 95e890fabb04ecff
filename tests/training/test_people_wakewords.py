"""Wake words of people are heard in training, spoken at several speeds, and rehearsed with."""

import numpy as np
import pytest
from fakes_wake import write_wakes

from imkit.scenes import ALL_SCENES, SuiteError, load_suite, noises
from imkit.scenes.trial import make_world
from imkit.scenes.wake import NAMES
from imkit.training import workers
from imkit.training.bank import Bank, build_bank
from imkit.training.compose import Composer
from imkit.training.language import STRANGERS, WAKE_WORDS, Language, spoken_words, vocabulary
from imkit.training.rehearse import BY_PEOPLE, Rehearsal, Teacher, TrainingCast
from imkit.training.script import heard_token
from imkit.training.wake import WakeWords
from imkit.voices import Voice

NEW = ["alexa", "jarvis", "smart", "mirror", "view", "glass"]


@pytest.fixture(scope="module")
def cast(suite):
    def hiss(world, length_s):
        return world.rng.standard_normal(round(16_000 * length_s), dtype=np.float32)

    with pytest.MonkeyPatch.context() as patch, TrainingCast(suite, {"espeak": 1.0}) as made:  # rooms take long
        for name in noises.NOISES:
            patch.setitem(noises.NOISES, name, hiss)
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("wakewords")
    write_wakes(made)
    return made


@pytest.fixture
def people(folder, monkeypatch):
    monkeypatch.setenv("IMKIT_WAKEWORDS", str(folder))


# --- the language


def test_the_vocabulary_grew_at_its_end_and_banks_stay_what_they_are():
    assert vocabulary()[-len(NEW) :] == NEW
    assert " ".join(NAMES).split() == WAKE_WORDS
    assert set(WAKE_WORDS) <= set(spoken_words())
    language, rng = Language(), np.random.default_rng(0)
    assert language.words == spoken_words()[: -len(NEW)]
    babble = {word for _ in range(2000) for word in language.babble(rng).split()}
    assert not babble & set(NEW) - set(STRANGERS)
    assert not any(language.asks_anywhere(name.split()) for name in NAMES)


# --- people


def test_names_are_drawn_from_their_split_at_several_speeds(folder):
    rng, wakes = np.random.default_rng(0), WakeWords(folder)
    assert len(wakes) == 3 * len(NAMES)
    said = [wakes.say(rng) for _ in range(60)]
    assert {one.text for one in said} == set(NAMES)
    dev = {path.name for paths in WakeWords(folder, "dev").recordings.files.values() for path in paths}
    assert not {one.voice.name for one in said} & dev
    for one in said:
        assert one.audio.dtype == np.int16
        assert [word for word, _, _ in one.words] == one.text.split()
        assert one.words[-1][2] + 0.2 < len(one.audio) / 16_000 < one.words[-1][2] + 0.3
    lengths = [one.end_s - one.start_s for one in (wakes.draw(rng, "alexa") for _ in range(60))]
    assert len(set(np.round(lengths, 3))) > 6


def test_nobody_answers_a_name(folder, clips, tmp_path):
    language = Language()
    rng = np.random.default_rng(0)
    texts = [language.request(rng, family) for family in language.families] + [language.babble(rng) for _ in range(4)]
    build_bank(tmp_path, [(Voice("espeak", "en-us"), text) for text in texts])
    wakes = WakeWords(folder)
    composer = Composer(Bank(tmp_path), language, clips, None, wakes=wakes)
    spoken = [composer.scene(rng, 20.0, {"dense": 1.0}).spans for _ in range(12)]
    assert any(word in NEW for spans in spoken for word, _, _ in spans)
    composer._any = composer.utterance = lambda *_: wakes.say(rng)
    scene = composer.scene(rng, 20.0, {"dense": 1.0})
    assert {word for word, _, _ in scene.spans} <= set(WAKE_WORDS)
    assert not scene.word.any()
    assert not scene.call.any()


# --- rehearsals


def played(rehearsal, name, number):
    world = make_world(rehearsal.suite, rehearsal.cast, name, number, rehearsal.clips.rate)
    teacher, trial = Teacher(world, rehearsal.clips), rehearsal.play_of(name)(world)
    while True:
        try:
            next(trial)
        except StopIteration as ended:
            return ended.value
        world.hear(teacher.step(world.percept()))


@pytest.mark.parametrize("name", ["wake_cue", "wake_other"])
def test_the_teacher_passes_what_it_teaches(name, suite, cast, clips, people):
    rehearsal = Rehearsal(suite, cast, clips)
    verdicts = [played(rehearsal, name, number) for number in range(6)]
    assert ALL_SCENES[name].score(verdicts) >= 95, [check.why for v in verdicts for check in v.checks]


def test_what_people_say_is_known_as_text(suite, cast, clips, people, a_page):
    rehearsal = Rehearsal(suite, cast, clips)
    page, scene, world = a_page("wake_cue", rehearsal.play_of("wake_cue"), 200)
    names = [said for said in world.said if said.voice.engine == "files" and said.end_s < page.at / 5 - 0.2]
    assert len(names) >= 3
    for said in names:
        for word, _, end_s in said.words:
            token = heard_token(end_s)
            assert vocabulary().index(word) in scene.heard[token : token + 3]
    train_names = {path.name for paths in rehearsal.wakes.recordings.files.values() for path in paths}
    assert {said.voice.name for said in names} <= train_names


def test_training_hears_people_as_it_hears_all_others_and_is_asked_otherwise(suite):
    for name in ("wake_cue", "wake_other"):
        assert suite.scenes[name]["split"] == "train"
        assert suite.scenes[name]["microphone"] == suite.microphone
    dev = load_suite("wakewords").lines("wake_cue")
    assert not set(suite.lines("wake_cue")) & set(dev)
    assert set(BY_PEOPLE) == {"order_recording", "wake_cue", "wake_other"}


def test_without_recordings_training_goes_without(suite, cast, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMKIT_WAKEWORDS", str(tmp_path))
    assert workers.open_wakes() is None
    assert "git clone https://github.com/Picovoice/wake-word-benchmark" in capsys.readouterr().out
    with pytest.raises(SuiteError, match="no recorded wake words"):
        Rehearsal(suite, cast, clips).scene(np.random.default_rng(0), 8.0, {"wake_cue": 1.0})


def test_with_recordings_they_are_opened(people):
    wakes = workers.open_wakes()
    assert wakes is not None
    assert wakes.say(np.random.default_rng(0)).text in NAMES

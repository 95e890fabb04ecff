"""What is taught is right: the teacher passes the scenes it teaches, and what is written down is what it did."""

import numpy as np
import pytest
import torch

from imkit.model.config import AUDIO_TOKENS, NanoConfig
from imkit.model.frontend import MelLevels
from imkit.model.network import Network
from imkit.model.reading import as_number
from imkit.scenes import SCENES
from imkit.scenes.trial import make_world
from imkit.stream import ModelError
from imkit.training.batch import forward, pack
from imkit.training.clips import reply_words
from imkit.training.language import (
    CALLS,
    NONE,
    SLOTS,
    STRANGERS,
    UNKNOWN,
    Language,
    number_words,
    slot_classes,
    vocabulary,
)
from imkit.training.rehearse import Rehearsal, Teacher, TrainingCast
from imkit.training.script import answer_after, heard_token
from imkit.training.train import grown

TALK = {"smooth_turn_taking": 1.0, "pause_handling": 1.0}


@pytest.fixture(scope="module")
def cast(suite):
    with TrainingCast(suite, {"espeak": 0.8, "flite": 0.2}, ["+f2", "+m3", "+f4", "rms"]) as made:
        yield made


def test_clips_say_every_reply_without_silence_around_it(clips):
    assert set(clips.sounds) == set(reply_words(Language()))
    for word, sound in clips.sounds.items():
        assert 0.2 <= len(sound) / clips.rate <= clips.ticks(word) * 0.2 + 1e-6
        assert np.abs(sound[:400]).max() > 0.004, word


@pytest.mark.parametrize("name", list(SCENES))
def test_the_teacher_passes_the_scenes_it_teaches(name, suite, cast, clips):
    """What nano is shown is what the scene asks for: timing, words, calls and all."""
    verdicts = []
    for number in range(6):
        world = make_world(suite, cast, name, number, clips.rate)
        teacher, trial = Teacher(world, clips), SCENES[name].play(world)
        while True:
            try:
                next(trial)
            except StopIteration as ended:
                verdicts.append(ended.value)
                break
            world.hear(teacher.step(world.percept()))
    faults = [check.why for verdict in verdicts for check in verdict.checks if not check.passed]
    assert SCENES[name].score(verdicts) >= 95, faults


def test_who_talks_on_after_a_stop_learns_at_every_moment_of_it_to_be_quiet(suite, cast, clips):
    rng = np.random.default_rng(5)
    rehearsal = Rehearsal(suite, cast, clips)
    config = NanoConfig(tuple(rehearsal.ids), ("", *CALLS), tuple(SLOTS), stem_width=0, mel_hop=160)
    scenes = [rehearsal.scene(rng, 40.0, {"user_interruption": 1.0}) for _ in range(4)]
    lapses = [(b, k) for b, scene in enumerate(scenes) for k in scene.did]
    batch = pack(scenes, config, MelLevels(config), rng, augment=False)
    said_on = 0
    assert len(lapses) > 4
    for b, k in lapses:
        word, floor, _ = scenes[b].did[k]
        assert (scenes[b].word[k], scenes[b].floor[k], floor) == (0, 0, 2)
        if k + 1 < scenes[b].ticks:
            assert (int(batch.said[b, k + 1]), int(batch.floor_in[b, k + 1])) == (word, 2)
        said_on += word > 0
    assert said_on


def test_what_is_written_down_is_what_happened(suite, cast, clips):
    rng = np.random.default_rng(3)
    rehearsal = Rehearsal(suite, cast, clips)
    scene = rehearsal.scene(rng, 40.0, TALK)
    names = {i: word for word, i in rehearsal.ids.items()}
    assert scene.ticks == 200
    assert len(scene.microphone) == len(scene.own) == 200 * 3200
    for word, _, end_s in scene.spans:
        near = scene.heard[heard_token(end_s) : heard_token(end_s) + 3]
        assert rehearsal.ids.get(word, rehearsal.ids[UNKNOWN]) in near
    first = np.flatnonzero((scene.word > 0) & (np.concatenate([[0], scene.floor[:-1]]) == 0))
    assert len(first) >= 2
    for k in first:  # every reply follows the last word that was heard, in the first micro-turn that can read it
        last = max(end_s for _, _, end_s in scene.spans if heard_token(end_s) // AUDIO_TOKENS < k)
        assert k == answer_after(last), names[scene.word[k]]
    assert scene.own[(first[0] + 1) * 3200 : (first[0] + 2) * 3200].any()
    assert not scene.own[: (first[0] + 1) * 3200].any()


def test_calls_come_with_their_slots(suite, cast, clips):
    rng = np.random.default_rng(4)
    scene = Rehearsal(suite, cast, clips).scene(rng, 60.0, {"tool_call": 1.0})
    made = np.flatnonzero(scene.call)
    assert sorted(scene.slots) == made.tolist()
    assert len(made) >= 1
    for k in made:
        owners = {SLOTS[i][0] for i, value in enumerate(scene.slots[k]) if value >= 0}
        assert owners <= {CALLS[scene.call[k] - 1]}
    config = NanoConfig(tuple(vocabulary()), (NONE, *CALLS), SLOTS, width=64, layers=2, heads=2)
    batch = pack([scene], config, MelLevels(config), rng)
    assert (batch.slots[0] >= 0).any(-1).nonzero()[:, 0].tolist() == [k for k in made if max(scene.slots[k]) >= 0]
    assert (batch.wanted == -100).all()
    assert (batch.in_view == -100).all()


@pytest.mark.parametrize(
    ("call", "arguments", "said"),
    [
        ("plot", {"column": "price"}, ["price"]),
        ("set_timer", {"minutes": 12}, ["twelve"]),
        ("light", {"room": "office", "state": "off"}, ["office", "off"]),
        (
            "order_drink",
            {"drink": "iced coffee", "milk": "a little bit of whole milk", "sugar": "sweetener", "size": None},
            ["iced coffee", "a little bit of", "whole milk", "sweetener"],
        ),
        ("describe", {}, []),
    ],
)
def test_arguments_are_slot_classes(call, arguments, said):
    classes = slot_classes(call, arguments)
    assert [SLOTS[i][2][value - 1] for i, value in enumerate(classes) if value > 0] == said
    assert all((value == -100) == (SLOTS[i][0] != call) for i, value in enumerate(classes))


def test_a_value_that_no_slot_takes_is_refused():
    with pytest.raises(ValueError, match="lemonade"):
        slot_classes("order_drink", {"drink": "lemonade"})


@pytest.mark.parametrize("value", range(100))
def test_numbers_are_read_back(value):
    assert as_number(" ".join(number_words(value))) == value


def test_words_that_are_no_number_stay_words():
    assert [as_number(text) for text in ("price", "light roast", "twenty ounce")] == [
        "price",
        "light roast",
        "twenty ounce",
    ]


def test_strangers_are_strangers():
    assert set(STRANGERS) & set(vocabulary()) == {"glass"}  # a wake word, spoken in banks from before it was one


def test_everybody_in_the_suite_can_be_understood(suite):
    """Every word of the phrases is in the vocabulary, so nothing that is asked is unknown."""
    known = set(vocabulary())
    for kind, lines in suite.phrases.items():
        for line in lines:
            words = [word for word in line.split() if "{" not in word]
            assert kind == "listener_word" or set(words) <= known, (kind, set(words) - known)


def test_voices_of_the_dev_suite_are_left_out(cast):
    rng = np.random.default_rng(0)
    names = {cast.draw(rng).name for _ in range(300)}
    assert len(names) > 50
    assert not {name for name in names if name.endswith(("+f2", "+m3", "+f4", "rms"))}


def test_what_was_said_before_is_in_reach(suite, cast, clips):
    """Words of another scene lie before this one, pinned; they change what is made of its first micro-turn."""
    rng = np.random.default_rng(6)
    scene = Rehearsal(suite, cast, clips).scene(rng, 10.0, TALK)
    config = NanoConfig(tuple(vocabulary()), (NONE, *CALLS), SLOTS, width=64, layers=2, heads=2)
    torch.manual_seed(0)
    network, mel = Network(config), MelLevels(config)
    for block in network.blocks:
        torch.nn.init.normal_(block.out.weight, std=0.1)

    def first(before):
        scene.before = before
        batch = pack([scene], config, mel, np.random.default_rng(0), augment=False)
        assert (batch.word_tick < 0).sum() == min(len(before), config.pinned)
        with torch.no_grad():
            return forward(network, batch)[1][0, 0]

    long_ago = [(k - 300, 5 + k % 40, 0) for k in range(100)]
    nothing, something = first([]), first(long_ago[-20:])
    assert not torch.allclose(nothing, something, atol=1e-4)
    assert torch.equal(first(long_ago), first(long_ago[-config.pinned :]))
    assert scene.written() == sorted(scene.written(), key=lambda word: word[0])
    assert len(scene.written()) >= (scene.heard > 0).sum()


def test_a_checkpoint_of_a_smaller_vocabulary_grows():
    rows = [[1, 2], [3, 4], [8, 0]]
    saved, blank = {"head": torch.tensor(rows, dtype=torch.float32)}, {"head": torch.zeros(5, 2)}
    assert grown(saved, blank)["head"].tolist() == [*rows, [4, 2], [4, 2]]
    assert grown(saved, blank, average=False)["head"].tolist() == [*rows, [0, 0], [0, 0]]
    with pytest.raises(ModelError, match="only be added to the end"):
        grown(blank, saved)
    with pytest.raises(ModelError, match="head"):
        grown({"head": torch.ones(3, 4)}, blank)

"""People are rehearsed with: what is heard of them is left open, what is to be done about it is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes_orders import write_orders

from imkit.model.config import AUDIO_TOKENS, NanoConfig
from imkit.model.frontend import MelLevels
from imkit.scenes import ALL_SCENES, SuiteError
from imkit.scenes.trial import make_world
from imkit.training.batch import HEARD, feed_back, pack
from imkit.training.language import CALLS, NONE, SLOTS, slot_classes, vocabulary
from imkit.training.losses import weighted
from imkit.training.orders import PeopleOrders
from imkit.training.rehearse import Rehearsal, Teacher, TrainingCast
from imkit.training.script import UNWRITTEN

ORDER = 1 + CALLS.index("order_drink")


@pytest.fixture(scope="module")
def cast(suite):
    with TrainingCast(suite, {"espeak": 1.0}) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("orders")
    made.joinpath("names").write_text(repr(write_orders(made, dev=1, train=3)))
    return made


@pytest.fixture
def people(folder, monkeypatch):
    monkeypatch.setenv("IMKIT_ORDERS", str(folder))


def test_people_are_drawn_from_their_split_at_several_speeds(folder):
    rng, orders = np.random.default_rng(0), PeopleOrders(folder)
    assert len(orders) == 3
    drawn = [orders.draw(rng) for _ in range(40)]
    assert {spoken.name for spoken in drawn} == set(orders.people.names)
    assert not {spoken.name for spoken in drawn} & set(PeopleOrders(folder, "dev").people.names)
    (longest, shortest) = (of([s.end_s for s in drawn if s.name == drawn[0].name]) for of in (max, min))
    assert longest / shortest == pytest.approx(1.1 / 0.9, rel=0.02)
    assert all(len(s.sound) / 16_000 - s.end_s == pytest.approx(0.25, abs=0.05) for s in drawn)
    sound, arguments = orders(rng)
    assert sound.dtype == np.float32
    assert "drink" in arguments


@pytest.mark.parametrize("name", ["coffee_order", "order_recording"])
def test_the_teacher_passes_what_it_teaches(name, suite, cast, clips, people):
    verdicts, rehearsal = [], Rehearsal(suite, cast, clips)
    for number in range(4):
        world = make_world(suite, cast, name, number, clips.rate)
        teacher, trial = Teacher(world, clips), rehearsal.play_of(name)(world)
        while True:
            try:
                next(trial)
            except StopIteration as ended:
                verdicts.append(ended.value)
                break
            world.hear(teacher.step(world.percept()))
    assert ALL_SCENES[name].score(verdicts) >= 95, [check.why for v in verdicts for check in v.checks]
    assert all(v.measures.get("told", 1.0) == 1.0 for v in verdicts)


def test_what_a_person_says_is_unknown_and_what_to_do_is_known(a_page, folder):
    _, scene, world = a_page("order_recording", PeopleOrders(folder).play, 80)
    ((_, start_s, end_s),) = world.said[0].words
    unknown = np.flatnonzero(scene.heard == UNWRITTEN)
    assert (unknown == np.arange(unknown[0], unknown[-1] + 1)).all()
    assert unknown[0] / 20 <= start_s < (unknown[0] + 1) / 20
    assert end_s + 0.1 <= (unknown[-1] + 1) / 20 < end_s + 0.2
    assert (np.flatnonzero(scene.phase == UNWRITTEN) == unknown).all()
    assert set(np.unique(scene.heard)) == {UNWRITTEN, 0}
    (call,) = np.flatnonzero(scene.call)
    assert scene.call[call] == ORDER
    assert end_s + 0.5 <= call / 5 < end_s + 0.7 + 1e-9
    assert scene.slots[int(call)] == slot_classes("order_drink", world.expected[0].call[1])
    assert len(scene.words_in) == 1  # what came of it
    assert (scene.word > 0).sum() >= 3  # "on it", and the drink


def test_a_recording_that_is_cut_by_the_end_is_unknown_to_the_end(a_page, folder):
    _, scene, _ = a_page("order_recording", PeopleOrders(folder).play, 11)
    assert scene.heard[-1] == UNWRITTEN
    assert len(scene.heard) == 11 * AUDIO_TOKENS


def test_people_and_synthetic_voices_are_mixed(suite, cast, clips, people):
    rng = np.random.default_rng(1)
    trials = {"coffee_order": 1.0, "order_recording": 1.0}
    scene = Rehearsal(suite, cast, clips).scene(rng, 60.0, trials)
    assert (scene.heard == UNWRITTEN).any()
    assert (scene.heard > 0).any()
    assert set(np.unique(scene.call)) == {0, ORDER}
    assert sorted(scene.slots) == np.flatnonzero(scene.call).tolist()
    config = NanoConfig(tuple(vocabulary()), (NONE, *CALLS), SLOTS, width=64, layers=2, heads=2)
    batch = pack([scene], config, MelLevels(config), rng)
    assert (batch.words >= 0).all()
    unknown = np.flatnonzero(scene.heard == UNWRITTEN)
    fed = pack([scene], config, MelLevels(config), rng, augment=False)
    heard_ticks = set(fed.word_tick[0][fed.provenance[0] == HEARD].tolist()) - {0}
    assert not heard_ticks & {int(k) // AUDIO_TOKENS + 1 for k in unknown[2:-6]}
    assert (batch.heard == UNWRITTEN).sum() == len(unknown)


def test_without_recordings_only_people_are_missed(suite, cast, clips, tmp_path, monkeypatch):
    monkeypatch.setenv("IMKIT_ORDERS", str(tmp_path))
    rehearsal = Rehearsal(suite, cast, clips)
    assert rehearsal.scene(np.random.default_rng(0), 8.0, {"coffee_order": 1.0}).ticks == 40
    with pytest.raises(SuiteError, match="git clone"):
        rehearsal.scene(np.random.default_rng(0), 8.0, {"order_recording": 1.0})


def test_the_unknown_is_not_fed_back_and_costs_nothing():
    heard = np.array([0, 7, UNWRITTEN, UNWRITTEN, 9, 0])
    assert feed_back(np.random.default_rng(0), heard, 400, 0.0).tolist() == [0, 7, 0, 0, 9, 0]
    assert (feed_back(np.random.default_rng(0), np.tile(heard, 200), 400, 0.5) >= 0).all()
    torch.manual_seed(0)
    logits, target = torch.randn(2, 6, 10), torch.from_numpy(np.stack([heard, heard]))
    known = target[0] >= 0
    assert torch.allclose(weighted(logits, target, 0.3), weighted(logits[:, known], target[:, known], 0.3))


def test_training_hears_people_as_it_hears_all_others(suite):
    people = suite.scenes["order_recording"]
    assert people["split"] == "train"
    assert people["microphone"] == suite.microphone
    assert replace(suite, scenes={}).phrases["order_frame"]

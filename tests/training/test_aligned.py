import json

import numpy as np
import pytest
from fakes_orders import write_orders

from imkit.scenes.people import People
from imkit.training.aligned import Aligner, aligned_words, slot_words
from imkit.training.orders import PeopleOrders
from imkit.training.script import UNWRITTEN, note_unwritten, note_word
from imkit.voices import Voice, synthesise


def test_slots_are_found_as_runs_and_nothing_else_is_taught():
    words = "can i get a large latte with lots of soy milk and a bit of sugar of".split()
    taught = slot_words(words, ["latte", "large", "a bit of sugar", "lots of soy milk"])
    assert [words[i] for i in sorted(taught)] == "large latte lots of soy milk a bit of sugar".split()
    assert slot_words(words, ["latte", "dark roast"]) is None
    assert slot_words("large latte large".split(), ["latte", "large"]) is None, "a slot that is heard twice is doubtful"
    assert slot_words("milk please".split(), ["milk", "whole milk"]) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("orders")
    write_orders(path, dev=1, train=3)
    return path


def test_words_are_found_where_they_are_spoken(tmp_path):
    said = next(synthesise(Voice("flite", "rms"), ["can i get a small coffee with brown sugar"]))
    arguments = {"drink": "coffee", "size": "small", "sugar": "brown sugar"}
    words = Aligner({"small", "coffee", "brown", "sugar"}, tmp_path).align(said.audio, arguments)
    truth = {word: (start, end) for word, start, end in said.words}
    found = [(word, start, end) for word, start, end in words if word]
    assert [word for word, _, _ in found] == ["small", "coffee", "brown", "sugar"]
    for word, start, end in found:
        assert start == pytest.approx(truth[word][0], abs=0.15)
        assert end == pytest.approx(truth[word][1], abs=0.15)


def test_recordings_are_aligned_once_and_spoken_with_their_words(folder, tmp_path):
    people, told = People(folder, "train"), []
    words = aligned_words(people, tmp_path, told.append)
    assert told[-1] == f"found the words of {len(words)} of 3"
    assert len(words) == 2  # this voice says "latte" in a way that PocketSphinx does not know
    assert aligned_words(people, tmp_path, pytest.fail) == words
    orders = PeopleOrders(folder, words=words)
    rng = np.random.default_rng(0)
    for _ in range(8):
        said = orders.say(rng)
        assert {word for word, _, _ in said.words if word} <= set(
            " ".join(json.dumps(w) for w in words.values()).split('"')
        )
        assert 0 <= said.words[0][1] < said.words[-1][2] <= len(said.audio) / 16_000 + 0.05


def test_without_words_nothing_can_be_said(folder):
    with pytest.raises(ValueError, match="align them first"):
        PeopleOrders(folder).say(np.random.default_rng(0))


def test_what_nobody_wrote_down_leaves_known_words_alone():
    heard, phase = np.zeros(60, np.int64), np.zeros(60, np.int64)
    note_word(heard, phase, 7, 0.5, 0.9)
    note_unwritten(heard, phase, 0.9, 1.2)
    note_word(heard, phase, 9, 1.2, 1.6)
    assert heard[heard > 0].tolist() == [7, 9]
    between = heard[np.flatnonzero(heard == 7)[0] + 1 : np.flatnonzero(heard == 9)[0]]
    assert (between == UNWRITTEN).sum() >= 5
    assert not (heard[:19] == UNWRITTEN)[:18].any()

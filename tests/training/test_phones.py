import numpy as np
import pytest

from imkit.training.language import STRANGERS, spoken_words
from imkit.training.phones import PHONES, phone_track, phones_of


def names(word):
    return " ".join(PHONES[p - 1] for p in phones_of(word))


def test_every_word_has_its_phones():
    assert names("seven") == "s E v @ n"
    assert names("three") == "T r i:"
    short = [word for word in [*spoken_words(), *STRANGERS] if len(phones_of(word)) < 0.4 * len(word) - 1]
    assert not short
    used = {p for word in [*spoken_words(), *STRANGERS] for p in phones_of(word)}
    assert len(used) > 0.85 * len(PHONES)


def test_a_word_is_spread_over_its_time_in_order_and_silence_is_none():
    track = phone_track([("three", 0.5, 1.0), ("one", 1.2, 1.5)], 40)
    assert not track[:10].any()
    assert not track[20:24].any()
    assert not track[30:].any()
    word = [PHONES[p - 1] for p in track[10:20]]
    assert list(dict.fromkeys(word)) == ["T", "r", "i:"]
    assert word.count("i:") > word.count("T")


@pytest.mark.parametrize("span", [("three", 0.99, 1.0), ("three", 1.9, 2.4), ("three", -0.3, 0.2)])
def test_what_is_short_or_past_an_edge_stays_in_bounds(span):
    track = phone_track([span], 40)
    assert track.shape == (40,)
    assert np.isin(track, (0, *phones_of("three"))).all()

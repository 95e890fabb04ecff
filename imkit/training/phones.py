"""Which phone is under way: what the sounds of all words share, so that rare words are learned from common ones.

The phones of a word are espeak-ng's for American English; inside a word of known start and end they are spread by rule,
vowels longer than consonants. That is rough, and enough for a target that only helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from imkit.voices.espeak import phonemes

ACCENT = "en-us"
PHONES = tuple(
    "n s t k l d m I E r p oU aI V i: eI w b a f z @ 3 h i g u: v 0 @L N aU j U D S O2 3: tS O: T A@ O@ dZ Z i@3 aa o@ "
    "e@ A: i@ U@ OI aI@ aI3 ?".split()
)
"""Phones in espeak-ng's names; class 0 is none of them."""
VOWEL_LENGTH = 1.5  # of a consonant
TOKENS_PER_S = 20


@lru_cache(maxsize=10_000)
def phones_of(word: str) -> tuple[int, ...]:
    """The phones of a word as numbers from 1 on; a variant (``t#``, ``I2``) counts as what it is a variant of."""
    named = (phone if phone in PHONES else phone.rstrip("#2-;") for phone in phonemes(ACCENT, word))
    return tuple(1 + PHONES.index(phone) for phone in named if phone in PHONES)


def phone_track(spans: Sequence[tuple[str, float, float]], tokens: int) -> npt.NDArray[np.int64]:
    """The phone in the middle of each 50 ms token, int [tokens], 0 where nobody speaks, of (word, start_s, end_s)."""
    track = np.zeros(tokens, np.int64)
    for word, start_s, end_s in spans:
        phones = phones_of(word)
        first, last = max(0, round(start_s * TOKENS_PER_S)), min(tokens, round(end_s * TOKENS_PER_S))
        if not phones or last <= first:
            continue
        lengths = np.array([VOWEL_LENGTH if PHONES[p - 1][0] in "aAeEiIoOuUV@03" else 1.0 for p in phones])
        edges = np.cumsum(lengths) / lengths.sum()
        middle = ((np.arange(first, last) + 0.5) / TOKENS_PER_S - start_s) / (end_s - start_s)
        track[first:last] = np.array(phones)[np.searchsorted(edges[:-1], middle)]
    return track

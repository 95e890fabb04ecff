"""How a word sounds, roughly: recognised speech spells a name as some other word that sounds the same."""

from __future__ import annotations

import re
from functools import lru_cache

_RULES = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^ps", "s"),
        (r"mb$", "m"),
        (r"gn(?=$|s$|e)", "n"),
        (r"(?<=[aeiou])gh(?=t|$|s)", ""),
        (r"ph", "f"),
        (r"wh", "w"),
        (r"tch", "C"),
        (r"ch", "C"),
        (r"(?:sh|(?<!^)[ts]i(?=on|al))", "S"),
        (r"th", "T"),
        (r"dge?(?=[eiy]|$)", "j"),
        (r"ck|cc(?![eiy])|q", "k"),
        (r"x", "ks"),
        (r"s?c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"g(?=[eiy])", "j"),
        (r"z", "s"),
        (r"(?<=[aeiouy])w|(?<=[aeiou])y|(?<=[aeiou])h", ""),
    )
)


@lru_cache(maxsize=4096)
def sound_of(word: str) -> str:
    """The consonants of a small English word as they sound, with "A" for a vowel at its start: "price" -> "prs".

    Coarse in the manner of Metaphone (Philips 1990): vowels that are not first, doubled and silent letters go.
    """
    text = re.sub(r"[^a-z]", "", word.lower())
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    first = "A" if text[:1] in tuple("aeiouy") else ""
    text = first + re.sub(r"[aeiouy]", "", text)
    return re.sub(r"(.)\1+", r"\1", text)

"""Numbers in words, and sums in words, as digits and signs."""

from __future__ import annotations

import re

_UNITS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {w: 10 * k for k, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|\d[\d,]*(?:\.\d+)?|\S")
_SIGNS = (
    (r"\bto the power of\b|\braised to(?: the)?\b", "**"),
    (r"\bdivided by\b|\bover\b", "/"),
    (r"\bmultiplied by\b|\btimes\b", "*"),
    (r"\bplus\b|\badded to\b", "+"),
    (r"\bminus\b|\bless\b", "-"),
    (r"\bsquared\b", "** 2"),
    (r"\bcubed\b", "** 3"),
    (r"(\d+(?:\.\d+)?)\s*(?:percent|%) of\b", r"\1 / 100 *"),
    (r"\b(?:the )?square root of (\d+(?:\.\d+)?)", r"sqrt(\1)"),
    (r"\bnegative (?=\d)", "-"),
    (r"(?<=\d)\s*[x×](?=\s*\d)", " *"),
)
_SUM = re.compile(r"[-+(]*(?:sqrt\()?[\d.]+[\s\d.+*/()%-]*|sqrt\([\d.]+\)[\s\d.+*/()-]*")


def with_digits(text: str) -> str:
    """The text with its number words as digits: "over twenty five" -> "over 25", "two point five" -> "2.5"."""
    tokens = list(_TOKEN.finditer(text))
    out: list[str] = []
    kept = place = 0
    while place < len(tokens):
        length, value = _number_at([token[0].lower() for token in tokens[place : place + 12]])
        if not length:
            place += 1
            continue
        out += [text[kept : tokens[place].start()], value]
        kept = tokens[place + length - 1].end()
        place += length
    return "".join([*out, text[kept:]])


def _number_at(words: list[str]) -> tuple[int, str]:
    """How many words make a number at the start, and that number; (0, "") for none or for digits alone."""
    total = current = 0
    used = place = 0
    last = ""
    while place < len(words):
        word = words[place]
        if word in _UNITS and last not in ("unit", "teen") and not (last == "ten" and not 0 < _UNITS[word] < 10):
            current += _UNITS[word]
            last = "unit"
        elif word in _TENS and last not in ("unit", "ten"):
            current += _TENS[word]
            last = "ten"
        elif word in _SCALES and used:
            current = max(current, 1) * _SCALES[word]
            if word != "hundred":
                total, current = total + current, 0
            last = "scale"
        elif word == "a" and not used and words[1:2] and words[1] in _SCALES:
            current, last = 1, "unit"
        elif word in ("and", "-") and used and words[place + 1 : place + 2] and _goes_on(last, word, words[place + 1]):
            place += 1
            continue
        elif not used and re.fullmatch(r"\d[\d,]*(?:\.\d+)?", word) and words[1:2] and words[1] in _SCALES:
            plain = float(word.replace(",", "")) * _SCALES[words[1]]
            return 2, f"{plain:.12g}"
        else:
            break
        place += 1
        used = place
    if not used:
        return 0, ""
    if words[used : used + 1] == ["point"] and used + 1 < len(words) and words[used + 1] in _UNITS:
        digits = []
        for word in words[used + 1 :]:
            if word not in _UNITS or _UNITS[word] > 9:
                break
            digits.append(str(_UNITS[word]))
        return used + 1 + len(digits), f"{total + current}.{''.join(digits)}"
    return used, str(total + current)


def _goes_on(last: str, joint: str, following: str) -> bool:
    if joint == "and":
        return last == "scale" and (following in _UNITS or following in _TENS)
    return last == "ten" and following in _UNITS


def sum_in(text: str) -> str:
    """A sum of plain numbers in the text as an expression, "" where there is none: "what is 3 plus 4" -> "3 + 4"."""
    signed = with_digits(text.lower()).replace(",", "")
    for pattern, put in _SIGNS:
        signed = re.sub(pattern, put, signed)
    found = max((match[0].strip() for match in _SUM.finditer(signed)), key=len, default="")
    found = found.rstrip("+-*/(. ")
    holds_sign = re.search(r"\d\s*(?:\*\*|[-+*/%])\s*\(?[-\d(s]|sqrt", found)
    return " ".join(found.split()) if holds_sign and found.count("(") == found.count(")") else ""

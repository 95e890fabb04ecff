"""Written words and pictures as nano takes them: text to vocabulary ids, frames to small squares."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

UNKNOWN, SEND, RESULT, FAIL = "<unk>", "<send>", "<result>", "<fail>"
_SIGNS = {"+": " plus ", "*": " times ", "×": " times ", "−": " minus ", "=": " ", "?": " ", "!": " "}
_SPELLING = {"colour": "color", "ok": "okay", "summarise": "summarize", "what's": "what is", "i'm": "i am"}
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def _number(digits: str) -> str:
    value = int(digits[:6])
    if value < 20:
        return _UNITS[value]
    if value < 100:
        tens, unit = divmod(value, 10)
        return _TENS[tens - 2] + (f" {_UNITS[unit]}" if unit else "")
    return UNKNOWN


def as_number(text: str) -> str | int:
    """The number from 0 to 99 that some words say, or the words: ``"twenty one"`` gives ``21``."""
    tens, _, unit = text.rpartition(" ")
    if not tens and unit in _UNITS:
        return _UNITS.index(unit)
    if not tens and unit in _TENS:
        return 20 + 10 * _TENS.index(unit)
    if tens in _TENS and unit in _UNITS[1:10]:
        return 20 + 10 * _TENS.index(tens) + _UNITS.index(unit)
    return text


def spoken_form(text: str) -> list[str]:
    """A typed sentence as words one would say: ``"What's 3 + 4?"`` gives ``what is three plus four``, split."""
    text = text.lower()
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(r"(?<=\d)\s*x\s*(?=\d)", " times ", text)
    text = re.sub(r"(?<=\d)\s*-\s*(?=\d)", " minus ", text)
    words: list[str] = []
    for piece in re.findall(r"\d+|[a-z]+(?:'[a-z]+)?", text):
        words += (_number(piece) if piece.isdigit() else _SPELLING.get(piece, piece)).split()
    return words


def read_text(text: str, ids: Mapping[str, int]) -> list[int]:
    """Vocabulary ids of a sent sentence, closed by the mark that it was sent; strangers become ``<unk>``."""
    return [ids.get(word, ids[UNKNOWN]) for word in spoken_form(text)] + [ids[SEND]]


def small_square(frame: npt.NDArray[np.uint8], px: int) -> npt.NDArray[np.uint8]:
    """The middle square of a frame [height, width, 3], scaled to [px, px, 3] by averaging."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    fine = 2 * px
    at = ((np.arange(fine) + 0.5) * side / fine).astype(np.intp)
    picked = frame[np.ix_(top + at, left + at)].reshape(px, 2, px, 2, 3)
    return np.asarray(picked.mean(axis=(1, 3)).round(), dtype=np.uint8)

"""espeak-ng as a shared library in synchronous mode, with its word events turned into one span per word.

The library merges some pairs ("on the") into one word event; those are split by their phonemes.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from ctypes import CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int, c_short, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .engines import EngineMissing, Span, Spoken, Voice, load_library

ESPEAK_ACCENTS = {
    "en-us": "gmw/en-US",
    "en-us-nyc": "gmw/en-US-nyc",
    "en-gb": "gmw/en",
    "en-gb-x-rp": "gmw/en-GB-x-rp",
    "en-gb-scotland": "gmw/en-GB-scotland",
    "en-gb-x-gbclan": "gmw/en-GB-x-gbclan",
    "en-gb-x-gbcwmd": "gmw/en-GB-x-gbcwmd",
    "en-029": "gmw/en-029",
}
"""Accent to voice file. Language names such as en-gb resolve differently once mbrola is installed; files do not."""

ESPEAK_LANGUAGES = {"es": "roa/es"}
"""Other languages that may be spoken; nobody draws them at random."""

_SYNCHRONOUS, _PHONEME_EVENTS, _DO_NOT_EXIT = 2, 0x0001, 0x8000
_WORD, _END, _PHONEME = 1, 5, 7
_RATE, _PITCH, _RANGE = 1, 3, 4
_ESPEAK_WPM, _ESPEAK_MIDDLE = 175, 50


class _EventId(ctypes.Union):
    _fields_ = [("number", c_int), ("name", c_char_p), ("string", c_char * 8)]


class _Event(Structure):
    _fields_ = [
        ("type", c_int),
        ("unique_identifier", c_uint),
        ("text_position", c_int),
        ("length", c_int),
        ("audio_position", c_int),
        ("sample", c_int),
        ("user_data", c_void_p),
        ("id", _EventId),
    ]


class _VoiceInfo(Structure):
    _fields_ = [("name", c_char_p), ("languages", c_char_p), ("identifier", c_char_p)]


@dataclass(frozen=True)
class _Mark:
    """One espeak event: its sample, and either a word's place in the text (from 0) or a phoneme's name."""

    kind: int
    sample: int
    position: int
    phoneme: str


class _Espeak:
    """The library in synchronous mode: `speak` returns samples and events when all is synthesised."""

    def __init__(self) -> None:
        self._lib = load_library("libespeak-ng.so.1", "libespeak-ng1")
        self._lib.espeak_GetCurrentVoice.restype = POINTER(_VoiceInfo)
        self._lib.espeak_SetVoiceByName.argtypes = [c_char_p]
        self._pieces: list[bytes] = []
        self._marks: list[_Mark] = []
        self._callback = CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_Event))(self._collect)
        self.rate_hz = int(
            self._lib.espeak_Initialize(_SYNCHRONOUS, 0, None, ctypes.c_int(_PHONEME_EVENTS | _DO_NOT_EXIT))
        )
        if self.rate_hz <= 0:
            raise EngineMissing("the phoneme data of espeak-ng", "espeak-ng-data")
        self._lib.espeak_SetSynthCallback(self._callback)
        data_path = c_char_p()
        self._lib.espeak_Info.restype, self._lib.espeak_Info.argtypes = c_char_p, [POINTER(c_char_p)]
        self._lib.espeak_Info(ctypes.byref(data_path))
        self.data = Path((data_path.value or b"").decode())
        self._selected: Voice | None = None
        self._phones: dict[tuple[str, str], tuple[str, ...]] = {}

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type:
            event = events[index]
            if event.type in (_WORD, _END, _PHONEME):
                phoneme = event.id.string.decode("utf-8", "replace") if event.type == _PHONEME else ""
                self._marks.append(_Mark(event.type, event.sample, event.text_position - 1, phoneme))
            index += 1
        return 0

    def voice_file(self, name: str) -> str:
        """Turn "accent+variant" into the library's file name for it, and see that both files exist."""
        accent, _, variant = name.partition("+")
        accents = ESPEAK_ACCENTS | ESPEAK_LANGUAGES
        if accent not in accents:
            raise ValueError(f"espeak voice {name!r}: the accent must be one of {', '.join(accents)}")
        files = [self.data / "lang" / accents[accent], *([self.data / "voices/!v" / variant] if variant else [])]
        for file in files:
            if not file.is_file():
                raise EngineMissing(f"espeak voice {name!r} (file {file})", "espeak-ng-data")
        return "+".join([accents[accent], *([variant] if variant else [])])

    def select(self, voice: Voice) -> None:
        if voice == self._selected:
            return
        self._selected = None
        wanted = self.voice_file(voice.name)
        failed = self._lib.espeak_SetVoiceByName(wanted.encode())
        got = "" if failed else (self._lib.espeak_GetCurrentVoice().contents.identifier or b"").decode()
        if got != wanted:  # an unknown variant is silently ignored by the library
            raise EngineMissing(f"espeak voice {voice.name!r} (file {wanted})", "espeak-ng-data")
        for parameter, value in (
            (_RATE, min(450, max(80, round(_ESPEAK_WPM * voice.rate)))),
            (_PITCH, min(99, max(0, round(_ESPEAK_MIDDLE * voice.pitch)))),
            (_RANGE, min(99, max(0, round(_ESPEAK_MIDDLE * voice.range)))),
        ):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self.speak("a")  # a change of voice queues events that would push the first events of the next text out
        self._selected = voice

    def speak(self, text: str) -> tuple[npt.NDArray[np.float32], list[_Mark]]:
        self._pieces, self._marks = [], []
        data = text.encode("ascii")
        self._lib.espeak_Synth(data, c_size_t(len(data) + 1), 0, 0, 0, 1, None, None)
        samples = np.frombuffer(b"".join(self._pieces), dtype="<i2").astype(np.float32) / 32768.0
        return samples, self._marks

    def word_phones(self, accent: str, word: str) -> tuple[str, ...]:
        """Phonemes of a word spoken alone in the selected voice (cached by accent)."""
        key = (accent, word)
        if key not in self._phones:
            marks = self.speak(word)[1]
            self._phones[key] = tuple(m.phoneme for m in marks if m.kind == _PHONEME and not _is_pause(m.phoneme))
        return self._phones[key]


def _is_pause(phoneme: str) -> bool:
    return not phoneme or phoneme.startswith("_")


def split_phones(joined: Sequence[str], words: Sequence[Sequence[str]]) -> list[int] | None:
    """Index in `joined` where each word's phones start, by least edit distance to the words spoken alone.

    Returns None where some word has no phone of its own in `joined`.
    """
    alone = [(phone, owner) for owner, phones in enumerate(words) for phone in phones]
    cost = np.zeros((len(joined) + 1, len(alone) + 1))
    cost[:, 0] = 0.8 * np.arange(len(joined) + 1)
    cost[0, :] = 0.8 * np.arange(len(alone) + 1)

    def substitution(i: int, j: int) -> float:
        a, b = joined[i - 1], alone[j - 1][0]
        return 0.0 if a == b else 0.5 if a[:1] == b[:1] else 1.0

    for i in range(1, len(joined) + 1):
        for j in range(1, len(alone) + 1):
            cost[i, j] = min(cost[i - 1, j] + 0.8, cost[i, j - 1] + 0.8, cost[i - 1, j - 1] + substitution(i, j))
    starts: dict[int, int] = {}
    i, j = len(joined), len(alone)
    while i and j:
        if math.isclose(cost[i, j], cost[i - 1, j - 1] + substitution(i, j)):
            i, j = i - 1, j - 1
            starts[alone[j][1]] = i
        elif math.isclose(cost[i, j], cost[i - 1, j] + 0.8):
            i -= 1
        else:
            j -= 1
    if len(starts) != len(words):
        return None
    return [0, *(starts[owner] for owner in range(1, len(words)))]


@functools.cache
def _espeak() -> _Espeak:
    return _Espeak()


def _espeak_spans(engine: _Espeak, accent: str, text: str, marks: Sequence[_Mark]) -> tuple[Span, ...] | None:
    words = text.split()
    owner = {position: index for index, position in enumerate(_word_offsets(words))}
    groups: list[tuple[int, int, list[_Mark]]] = []  # first word, start sample, phonemes
    for mark in marks:
        if mark.kind == _WORD and mark.position in owner and (not groups or owner[mark.position] > groups[-1][0]):
            groups.append((owner[mark.position], mark.sample, []))
        elif mark.kind in (_PHONEME, _END) and groups:
            groups[-1][2].append(mark)
    if not groups or groups[0][0] != 0:
        return None
    limits = [start for _, start, _ in groups[1:]] + [marks[-1].sample]
    bounds: list[tuple[int, int]] = []
    for number, ((first, start, phones), limit) in enumerate(zip(groups, limits, strict=True)):
        last = groups[number + 1][0] if number + 1 < len(groups) else len(words)
        real = [k for k, m in enumerate(phones) if m.kind == _PHONEME and not _is_pause(m.phoneme)]
        if not real:
            return None
        after = phones[real[-1] + 1 :]
        end = min([limit, *(m.sample for m in after)])
        if last - first == 1:
            bounds.append((start, end))
            continue
        alone = [engine.word_phones(accent, word) for word in words[first:last]]
        heard = split_phones([phones[k].phoneme for k in real], alone)
        if heard is None:
            return None
        edges = [start, *(phones[real[k]].sample for k in heard[1:]), end]
        bounds.extend(itertools.pairwise(edges))
    return tuple((start / engine.rate_hz, end / engine.rate_hz) for start, end in bounds)


def _word_offsets(words: Sequence[str]) -> list[int]:
    offsets, position = [], 0
    for word in words:
        offsets.append(position)
        position += len(word) + 1
    return offsets


def speak_espeak(voice: Voice, texts: Sequence[str]) -> Iterator[Spoken | None]:
    """Speak each text with espeak-ng; None where its word events cannot be matched to the words."""
    engine = _espeak()
    accent = voice.name.partition("+")[0]
    for text in texts:
        engine.select(voice)
        samples, marks = engine.speak(text)
        spans = _espeak_spans(engine, accent, text, marks)
        yield None if spans is None else Spoken(samples, engine.rate_hz, spans)


def require_espeak(name: str) -> None:
    """Raise EngineMissing unless the library and both voice files of "accent+variant" are installed."""
    _espeak().voice_file(name)


def phonemes(accent: str, word: str) -> tuple[str, ...]:
    """How espeak-ng says a word, in its own phoneme names: ``("en-us", "docs")`` gives ``d A: k s``, split."""
    engine = _espeak()
    engine.select(Voice("espeak", accent))
    return engine.word_phones(accent, word)

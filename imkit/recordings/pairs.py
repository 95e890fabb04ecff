"""Any pair of sound files, what a user said and what a system answered, as a timeline to look at and to score."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imkit.capture import AudioFile
from imkit.measures import Interval, units_by_energy
from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    TICK_S,
    Act,
    Event,
    Floor,
    Moment,
    Percept,
    Provenance,
    SourceError,
    Timeline,
    Word,
    level_db,
    tick_of,
)

Words = str | Path | Iterable[Word | Interval | tuple[str, float, float]]
SOUNDS_DB = -45.0


def timeline_from_audio(
    user_wav: str | Path,
    model_wav: str | Path,
    user_words: Words | None = None,
    model_words: Words | None = None,
    model: str = "",
    *,
    lead_s: float = 0.0,
) -> Timeline:
    """Two recordings on one clock, of any rate and length, as a timeline. Both become 16 kHz mono.

    user_words, model_words  words with their times: Words, annotation intervals, (text, start_s, end_s), or a JSON file
        of the form ``{"chunks": [{"text": ..., "timestamp": [start_s, end_s]}]}``, as Full-Duplex-Bench has it
    model    the system's name, noted in the first event
    lead_s   silence put before both, a multiple of 0.2 s; all times, those of the words too, move with it

    The floor is "speak" where the model's sound holds speech by energy. Sound that a model makes in answer to tick k is
    heard one tick later, so the first 0.2 s of the model's file belong to no tick: SourceError if they sound.
    """
    if lead_s < 0 or abs(lead_s / TICK_S - round(lead_s / TICK_S)) > 1e-9:
        raise SourceError("lead_s", f"is {lead_s:g}, expected a multiple of {TICK_S} from 0.")
    lead = round(lead_s / TICK_S)
    user, own = _ticks(user_wav, lead), _ticks(model_wav, lead)
    if level_db(own[0]) > SOUNDS_DB:
        raise SourceError(model_wav, "sounds in its first 0.2 s, which answer nothing.", "Pass lead_s=0.2.")
    count = max(len(user), len(own) - 1)
    user, own = _filled(user, count), _filled(own, count + 1)
    heard = _by_tick(_words(user_words, lead_s), 0.0, count)
    said = _by_tick(_words(model_words, lead_s), TICK_S, count)
    speaks = np.zeros(count + 1, bool)
    for unit in units_by_energy(own.reshape(-1), INPUT_RATE):
        speaks[tick_of(unit.start_s) : tick_of(unit.end_s - 1e-6) + 1] = True
    timeline = Timeline(INPUT_RATE, keep_media_s=(count + 1) * TICK_S, keep_s=(count + 1) * TICK_S)
    names = f"{Path(user_wav).name}, {Path(model_wav).name}"
    first = Event("system", Provenance.FILE, f"{model or 'a model'}: {names}", payload={"model": model})
    for index in range(count):
        percept = Percept(index, user[index], events=(first,) if index == 0 else ())
        floor = Floor.SPEAK if speaks[index + 1] else Floor.LISTEN
        act = Act(index, own[index + 1], floor, tuple(said.get(index, ())), tuple(heard.get(index, ())))
        timeline.append(Moment(percept, act))
    return timeline


def _ticks(path: str | Path, lead: int) -> NDArray[np.float32]:
    """The sound of a file in ticks, float32 [tick, 3200], with ``lead`` silent ones before."""
    source = AudioFile(path)
    source.open()
    try:
        found = [np.zeros(INPUT_SAMPLES, np.float32)] * lead
        while (percept := source.read(len(found) - lead)) is not None:
            found.append(percept.audio)
    finally:
        source.close()
    return np.stack(found)


def _filled(ticks: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """``ticks`` with silent ones after, so that there are ``count``."""
    return np.concatenate([ticks, np.zeros((max(0, count - len(ticks)), INPUT_SAMPLES), np.float32)])


def _words(words: Words | None, lead_s: float) -> list[Word]:
    """Words in order of their start, moved by ``lead_s``."""
    if words is None:
        return []
    found = _chunks(Path(words)) if isinstance(words, str | Path) else [_word(item) for item in words]
    for word in found:
        if not 0 <= word.start_s <= word.end_s < math.inf:
            raise SourceError(
                "words", f"{word.text!r} is from {word.start_s} to {word.end_s} s.", "Expected a start before its end."
            )
    moved = [Word(word.text, word.start_s + lead_s, word.end_s + lead_s, Provenance.FILE) for word in found]
    return sorted((word for word in moved if word.text.strip()), key=lambda word: word.start_s)


def _word(item: Word | Interval | tuple[str, float, float]) -> Word:
    if isinstance(item, Word):
        return item
    if isinstance(item, Interval):
        return Word(item.label, item.start_s, item.end_s)
    try:
        text, start_s, end_s = item
        return Word(str(text), float(start_s), float(end_s))
    except (TypeError, ValueError) as error:
        raise SourceError("words", f"holds {item!r}.", "Expected (text, start_s, end_s).") from error


def _chunks(path: Path) -> list[Word]:
    try:
        chunks = json.loads(path.read_text(encoding="utf-8"))["chunks"]
        return [Word(str(c["text"]), float(c["timestamp"][0]), float(c["timestamp"][1])) for c in chunks]
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise SourceError(
            path,
            f"holds no timed words ({type(error).__name__}: {error}).",
            'Expected {"chunks": [{"text": ..., "timestamp": [start_s, end_s]}]}.',
        ) from error


def _by_tick(words: Iterable[Word], before_s: float, count: int) -> dict[int, list[Word]]:
    """Words by the tick that lies ``before_s`` before their start, the outermost taking what lies outside."""
    found: dict[int, list[Word]] = {}
    for word in words:
        found.setdefault(min(max(0, tick_of(word.start_s - before_s)), count - 1), []).append(word)
    return found

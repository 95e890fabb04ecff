"""What a model hears: the word error rate of its own transcript, voice by voice.

Two kinds of sentences go through the microphone of the scenes: those that the suite's users say (grammar), and strings
of the same words in random order, which no grammar helps to guess (random).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from imkit.stream import InteractionModel

from .cast import Cast
from .kinds import SceneKind
from .scoring import RESAMPLES, Verdict
from .suite import Settings, Suite
from .texts import spoken_texts
from .trial import play_trial
from .world import Scene, World

Kind = Literal["grammar", "random"]
SENTENCE_KINDS: tuple[Kind, ...] = ("grammar", "random")
GRAMMAR_TRIALS = 4
RANDOM_WORDS = (3, 6)
LEAD_S = 0.6
TAIL_S = 1.6
UNKNOWN = "…"


@dataclass(frozen=True)
class Sentence:
    """One sentence to be heard, said by the suite's voice number ``voice``. ``number`` is its round."""

    number: int
    voice: int
    kind: Kind
    text: str

    @property
    def row(self) -> dict[str, Any]:
        """What names it among results."""
        return {"number": self.number, "voice_number": self.voice, "kind": self.kind, "text": self.text}


def sentences(suite: Suite, kinds: Mapping[str, SceneKind], rounds: int) -> list[Sentence]:
    """One sentence of each kind for each voice in each round, round by round.

    Grammar sentences are drawn from what the scenes have said, which is every phrase with its blanks filled in.
    """
    said = sorted({text for _, _, text in spoken_texts(suite, kinds, GRAMMAR_TRIALS)})
    words = sorted({word for text in said for word in text.split()})
    if not said:
        return []
    rng = np.random.default_rng([suite.seed, zlib.crc32(b"hearing")])
    out = []
    for number in range(rounds):
        for voice in range(len(suite.voices)):
            count = int(rng.integers(RANDOM_WORDS[0], RANDOM_WORDS[1] + 1))
            out.append(Sentence(number, voice, "grammar", said[int(rng.integers(len(said)))]))
            out.append(Sentence(number, voice, "random", " ".join(rng.choice(words, count).tolist())))
    return out


def hear(
    sentence: Sentence, suite: Suite, cast: Cast, seat: Callable[[World], InteractionModel[Any]], rate: int
) -> dict[str, Any]:
    """Plays one sentence to a model: its row, the voice, what was heard, and the words that the model cannot know."""
    seed = [suite.seed, zlib.crc32(f"hearing {sentence.kind}".encode()), sentence.number, sentence.voice]
    world = World(suite, Settings("hearing", {}), cast, np.random.default_rng(seed), sentence.number, rate)
    chosen = suite.voices[sentence.voice]
    world.voice = cast.vary(chosen, world.rng)

    def listening(world: World) -> Scene:
        said = world.say(sentence.text, LEAD_S)
        yield from world.until(said.end_s + TAIL_S)
        return Verdict(())

    model = seat(world)
    _, timeline = play_trial(listening, world, model)
    vocabulary = getattr(getattr(model, "config", None), "vocabulary", None)
    strangers = [] if vocabulary is None else [w for w in sentence.text.split() if w not in set(vocabulary)]
    heard = [word.text for word in timeline.heard()]
    return {**sentence.row, "voice": f"{chosen.engine}:{chosen.name}", "heard": heard, "strangers": strangers}


def errors(said: Sequence[str], heard: Sequence[str], strangers: Collection[str] = ()) -> tuple[int, int, int]:
    """Words substituted, missed and added on the cheapest alignment (Levenshtein 1966). "…" is right for strangers."""
    best = [(j, 0, 0, j) for j in range(len(heard) + 1)]  # cost, substituted, missed, added
    for i, word in enumerate(said, 1):
        row = [(i, 0, i, 0)]
        for j, guess in enumerate(heard, 1):
            wrong = guess != word and not (guess == UNKNOWN and word in strangers)
            pair, left_out, extra = best[j - 1], best[j], row[j - 1]
            row.append(
                min(
                    (pair[0] + wrong, pair[1] + wrong, pair[2], pair[3]),
                    (left_out[0] + 1, left_out[1], left_out[2] + 1, left_out[3]),
                    (extra[0] + 1, extra[1], extra[2], extra[3] + 1),
                )
            )
        best = row
    return best[-1][1:]


def word_error(heard: Sequence[Mapping[str, Any]], seed: int = 0) -> dict[str, Any]:
    """Word error rates of results of ``hear``: of all voices by kind, and of each voice by kind.

    ``wer`` is errors over words said, and may exceed 1; its 95 % interval is from resampled sentences.
    """
    if not any(result["heard"] for result in heard):
        return {"skipped": "the model gives no transcript of what it hears"}

    def of(kind: Kind, voice: str | None = None) -> dict[str, Any]:
        chosen = [r for r in heard if r["kind"] == kind and voice in (None, r["voice"])]
        return _rate(sorted(chosen, key=lambda r: (r["number"], r["voice_number"])), seed)

    voices = sorted({str(r["voice"]) for r in heard})
    return {
        **{kind: of(kind) for kind in SENTENCE_KINDS},
        "voices": {voice: {kind: of(kind, voice) for kind in SENTENCE_KINDS} for voice in voices},
    }


def _rate(results: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    rows = [(*errors(r["text"].split(), r["heard"], r["strangers"]), len(r["text"].split())) for r in results]
    counts = np.array(rows, np.int64).reshape(-1, 4)
    substituted, missed, added, words = counts.sum(0).tolist()
    out: dict[str, Any] = {
        "sentences": len(results),
        "words": words,
        "strangers": sum(len(r["strangers"]) for r in results),
    }
    if words:
        drawn = counts[np.random.default_rng(seed).integers(0, len(results), (RESAMPLES, len(results)))].sum(1)
        low, high = np.quantile(drawn[:, :3].sum(1) / drawn[:, 3], (0.025, 0.975))
        out["wer"] = round((substituted + missed + added) / words, 4)
        out["ci"] = (round(float(low), 4), round(float(high), 4))
        out |= {"substituted": substituted, "missed": missed, "added": added}
    return out

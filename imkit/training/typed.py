"""Requests typed one after another, with none of the time that speaking takes."""

from __future__ import annotations

from collections.abc import Callable

from imkit.model.voice import Speaker

from .language import NUMBERS, OTHER_NAMES, OWN_NAMES, Language
from .script import Script
from .speech import is_held_out

LONGEST_COUNT, LONGEST_TIMER_S = 20, 5
SHARES = {"parrot": 0.25, "count": 0.25, "named": 0.25, "ask": 0.25}


class TypedDrills:
    """Writes into scripts what is typed: words to say, counts to any number, sums for the model and for others.

    ``held_out_share`` of all texts are kept from training, see ``speech.is_held_out``.
    """

    def __init__(self, language: Language, clips: Speaker, held_out_share: float) -> None:
        self.language, self.clips, self.held_out_share = language, clips, held_out_share
        self.kinds: dict[str, Callable[[Script, int], int]] = {
            "parrot": self._parrot, "count": self._count, "named": self._named, "ask": self._ask,
        }  # fmt: skip

    def drill(self, script: Script, at_s: float) -> float:
        """A few requests from a time on; gives the time when the floor is free again, both in seconds."""
        rng, tick = script.rng, int(at_s * 5)
        for _ in range(int(rng.integers(4, 10))):
            if tick >= script.ticks:
                break
            kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
            tick = self.kinds[kind](script, tick) + int(rng.integers(1, 4))
        return tick / 5

    def _text(self, script: Script, family: str) -> str:
        """A request that training may see."""
        while True:
            text = self.language.request(script.rng, family)
            if not (is_held_out(text, self.held_out_share) and len(text.split()) > 3):
                return text

    def _ask(self, script: Script, tick: int) -> int:
        """A sum or a short timer."""
        rng = script.rng
        text = self._text(script, "sum" if rng.random() < 0.8 else "timer")
        asked = self.language.meaning[text]
        if asked.topic == "timer" and asked.number > LONGEST_TIMER_S:
            return tick
        script.type(text, tick)
        free = script.say(asked.reply, tick)
        if asked.topic == "timer":
            due = tick + asked.number * 5 - 1
            script.count_down(tick, due)
            free = script.say(["now"], due)
        return free

    def _named(self, script: Script, tick: int) -> int:
        """A sum after a name: answered where it is the model's own, left alone where it is another's."""
        rng = script.rng
        own = rng.random() < 0.4
        text = self._text(script, "sum")
        script.type(f"{rng.choice(OWN_NAMES if own else OTHER_NAMES)} {text}", tick)
        script.moment[tick] = int(own)
        return script.say(self.language.meaning[text].reply, tick) if own else tick + int(rng.integers(1, 5))

    def _count(self, script: Script, tick: int) -> int:
        """Numbers up to the one that is asked for, from one or from another, then nothing more."""
        rng = script.rng
        first = 1 if rng.random() < 0.5 else int(rng.integers(2, 16))
        last = min(LONGEST_COUNT, first + int(rng.integers(1, 9)))
        text = f"count to {NUMBERS[last]}" if first == 1 else f"count from {NUMBERS[first]} to {NUMBERS[last]}"
        script.type(str(rng.choice(["{}", "please {}", "can you {}", "{} please"])).format(text), tick)
        return script.recite(NUMBERS[first : last + 1], tick, pace=int(rng.integers(2, 4)))

    def _parrot(self, script: Script, tick: int) -> int:
        """A typed word to say, at once or in some seconds; gives the first act after it."""
        rng = script.rng
        word = str(rng.choice(sorted(self.clips.sounds)))
        if rng.random() < 0.5:
            script.type(f"say {word}", tick)
            return script.say([word], tick)
        seconds = int(rng.integers(2, 5))
        wait = f"in {NUMBERS[seconds]} seconds"
        script.type(f"say {word} {wait}" if rng.random() < 0.5 else f"{wait} say {word}", tick)
        script.say(["okay"], tick)
        due = tick + seconds * 5 - 1
        script.count_down(tick, due)
        script.promise(word, tick, due)
        return script.say([word], due)

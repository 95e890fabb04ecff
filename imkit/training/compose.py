"""Generated scenes: what a user does, and what nano should hear, say and do, micro-turn by micro-turn.

A scene is written like a script: somebody says or types something at a time, the reply is placed where a good listener
would place it, and both become arrays. The rules here are the teacher; the network only ever sees sound, pictures,
typed words and events.
"""

from __future__ import annotations

import numpy as np

from imkit.model.voice import Speaker
from imkit.voices.sound import RATE

from .bank import Bank, BankUtterance
from .finish import finished
from .language import CALLS, COLOURS, NUMBERS, RESULT_REPLIES, SHAPES, Language, Request, vocabulary
from .orders import PeopleOrders
from .pictures import wanted_class
from .script import LATE_HUSH, YIELD_DELAY_S, Scene, Script, act_after, answer_after
from .speech import Digits
from .typed import TypedDrills
from .wake import WakeWords

TYPED_AT_ONCE = ("sum", "sum", "plot", "plot", "describe", "list", "search", "count", "set", "timer")
SEEING = ("watch", "sight", "spot")  # activities that need a camera
VIDEO_SHARE = 0.35  # of scenes, where the mix has anything to see
WAKE_SHARE = 0.05  # of what is said in "dense"
AT_ONCE_SHARE = 0.25  # of scenes, which begin with something typed in their first micro-turns


class Composer:
    """Writes scenes from a bank of speech. ``mix`` says how often each kind of activity is drawn.

    ``orders`` are people's; they are spoken where only hearing is learned, since nobody answers them. ``wakes`` are
    names by people, which ask for nothing.
    """

    def __init__(
        self,
        bank: Bank,
        language: Language,
        clips: Speaker,
        digits: Digits | None,
        held_out_share: float = 0.0,
        orders: PeopleOrders | None = None,
        wakes: WakeWords | None = None,
    ) -> None:
        self.bank, self.language, self.clips, self.digits, self.orders = bank, language, clips, digits, orders
        self.wakes = wakes
        self.held_out_share, self.late_hush = held_out_share, LATE_HUSH
        self.ids = {word: i for i, word in enumerate(vocabulary())}
        self.typed = TypedDrills(language, clips, held_out_share)
        self.by_family: dict[str, list[int]] = {}
        family_of = {text: name for name, items in language.families.items() for text, _ in items}
        for i in range(len(bank)):
            text = bank[i].text
            self.by_family.setdefault(family_of.get(text, "babble"), []).append(i)

    def utterance(self, rng: np.random.Generator, family: str) -> BankUtterance:
        """A spoken sentence of a family; sums may be spoken by a recorded person where digits are at hand."""
        options = self.by_family[family]
        return self.bank[options[int(rng.integers(len(options)))]]

    def scene(
        self, rng: np.random.Generator, seconds: float, mix: dict[str, float], video_share: float = VIDEO_SHARE
    ) -> Scene:
        """One scene of ``seconds`` whose activities are drawn from ``mix`` (see the ``_activity`` methods).

        ``video_share`` of the scenes have a camera; without one, what needs it is replaced by talk.
        """
        script = Script(round(seconds * 5), self.clips, self.ids, rng)
        names = list(mix)
        weights = np.array([mix[n] for n in names])
        weights = weights / weights.sum()
        seeing = [name in SEEING for name in names]
        video = any(seeing) and rng.random() < video_share
        if video:
            weights = weights * np.where(seeing, 5.0, 1.0)
            weights /= weights.sum()
        at_s = float(rng.uniform(0.2, 1.2))
        if rng.random() < AT_ONCE_SHARE:
            asked = self.type(script, str(rng.choice(TYPED_AT_ONCE)), int(rng.integers(0, 4)))
            at_s = self._respond(script, *asked)
        while at_s < script.end_s - 1.5:
            kind = str(rng.choice(names, p=weights))
            if kind in SEEING and not video:
                kind = "talk"
            at_s = getattr(self, "_" + kind)(script, at_s)
            if kind != "dense":
                at_s += float(rng.exponential(0.6)) + 0.1
        return finished(script, rng, video, lambda: self.utterance(rng, "babble").audio)

    # --- activities: each takes the script and a time, and gives the time when the floor is free again ---

    def _dense(self, script: Script, at_s: float) -> float:
        rng = script.rng
        if self.wakes is not None and rng.random() < WAKE_SHARE:
            said = self.wakes.say(rng)
        elif self.orders is not None and rng.random() < 0.12:
            said = self.orders.say(rng)
        elif self.digits is not None and rng.random() < 0.12:
            said = self.digits.say(rng, [int(d) for d in rng.integers(0, 10, int(rng.integers(2, 6)))])
        else:
            said = self.utterance(rng, "babble") if rng.random() < 0.45 else self._any(rng)
        asked = self.language.meaning.get(said.text)
        end_s = script.speak(said, at_s)
        if asked is not None:
            return self._respond(script, asked, end_s)
        return end_s + float(rng.uniform(0.15, 0.6))

    def _any(self, rng: np.random.Generator) -> BankUtterance:
        return self.utterance(rng, "sum" if rng.random() < 0.45 else self._family(rng))

    def _family(self, rng: np.random.Generator) -> str:
        names = [n for n in self.by_family if n not in ("babble",)]
        return str(rng.choice(names))

    def _ask(self, script: Script, family: str, at_s: float, pause: float = 0.35) -> tuple[Request, float]:
        """A request by voice (perhaps with a pause inside) or by keyboard; gives its meaning and its end in seconds."""
        rng = script.rng
        said = self.utterance(rng, family)
        meaning = self.language.meaning[said.text]
        if rng.random() < 0.14:
            return self.type(script, family, int(at_s * 5))
        cuts = self.language.cut_points(said.text)
        pauses: list[tuple[int, float]] = []
        if cuts and rng.random() < pause:
            pauses.append((int(rng.choice(cuts)), float(rng.uniform(0.3, 2.0))))
        start = at_s
        end_s = script.speak(said, at_s, pauses)
        script.notes.append({"text": said.text, "start": start, "end": end_s, "pauses": pauses})
        return meaning, end_s

    def type(self, script: Script, family: str, tick: int) -> tuple[Request, float]:
        """A request by keyboard; gives its meaning and its end in seconds."""
        text = self.utterance(script.rng, family).text
        if tick < script.ticks:
            script.type(text, tick)
        return self.language.meaning[text], tick / 5 + 0.05

    def _respond(self, script: Script, asked: Request, end_s: float) -> float:
        """Reply to a request that ended at ``end_s``; long-lived ones are played out."""
        typed = int(end_s * 5) in script.words_in
        tick = act_after(end_s, 0.0) if typed else answer_after(end_s)
        if tick >= script.ticks:
            return end_s + 0.5
        if asked.topic == "count":
            return self._play_count(script, asked.number, tick)
        if asked.topic == "delegate":
            return self._play_delegate(script, asked, tick)
        if asked.topic == "timer":
            return self._play_timer(script, asked, tick, end_s)
        if asked.topic == "look":
            before = script.shown.get(tick)
            return (script.say(list(before) if before else ["nothing"], tick) + 1) / 5
        free = script.say(asked.reply, tick)
        return (free + 1) / 5 if asked.reply else end_s + 0.3

    def _talk(self, script: Script, at_s: float) -> float:
        rng = script.rng
        draw = rng.random()
        if draw < 0.22:
            return script.speak(self.utterance(rng, "babble"), at_s) + 0.4
        if draw < 0.28 and self.digits is not None:
            said = self.digits.say(rng, [int(d) for d in rng.integers(0, 10, int(rng.integers(2, 6)))])
            return script.speak(said, at_s) + 0.4
        family = "sum" if draw < 0.75 else str(rng.choice(["set", "set", "look", "stop", "cancel"]))
        asked, end_s = self._ask(script, family, at_s)
        return self._respond(script, asked, end_s)

    def _drill(self, script: Script, at_s: float) -> float:
        return self.typed.drill(script, at_s)

    def _sight(self, script: Script, at_s: float) -> float:
        """Typed requests about the picture, one after another: what is there now, and tell me when."""
        rng = script.rng
        tick = int(at_s * 5)
        for _ in range(int(rng.integers(3, 7))):
            if tick + 14 >= script.ticks:
                break
            seen = (str(rng.choice(COLOURS)), str(rng.choice(SHAPES)))
            watching = rng.random() < 0.5
            wanted: tuple[str, ...] = ()
            if watching:
                text = self.language.request(rng, "watch")
                wanted = self.language.meaning[text].target
                if rng.random() < 0.45:
                    seen = (
                        next((w for w in wanted if w in COLOURS), seen[0]),
                        next((w for w in wanted if w in SHAPES), seen[1]),
                    )
                script.type(text, tick)
                script.wanted[tick:] = wanted_class(wanted)
                tick = script.say(self.language.meaning[text].reply, tick) + int(rng.integers(1, 6))
            length = int(rng.integers(7, 11))
            for k in range(tick, tick + length):
                script.shown[k] = seen
            if watching and all(word in seen for word in wanted):
                script.say(seen, tick)
            elif not watching:
                asked = tick + int(rng.integers(0, 3))
                script.type(self.language.request(rng, "look"), asked)
                script.say(seen, asked)
            tick += length
            if watching:
                script.type("never mind", tick)
                script.wanted[tick:] = 0
                tick = script.say(("okay",), tick)
            tick += int(rng.integers(1, 4))
        return tick / 5

    def _spot(self, script: Script, at_s: float) -> float:
        """One typed request to watch for something, then many things in a row: named if asked for, else passed over."""
        rng = script.rng
        text = self.language.request(rng, "watch")
        wanted = self.language.meaning[text].target
        tick = int(at_s * 5)
        script.type(text, tick)
        script.wanted[tick:] = wanted_class(wanted)
        tick = script.say(self.language.meaning[text].reply, tick) + int(rng.integers(1, 5))
        for _ in range(int(rng.integers(5, 11))):
            seen = (str(rng.choice(COLOURS)), str(rng.choice(SHAPES)))
            if rng.random() < 0.4:
                seen = (
                    next((w for w in wanted if w in COLOURS), seen[0]),
                    next((w for w in wanted if w in SHAPES), seen[1]),
                )
            length = int(rng.integers(5, 9))
            if tick + length >= script.ticks:
                break
            for k in range(tick, tick + length):
                script.shown[k] = seen
            if all(word in seen for word in wanted):
                script.say(seen, tick)
            tick += length + int(rng.integers(1, 4))
        script.type("never mind", min(tick, script.ticks - 1))
        script.wanted[tick:] = 0
        return script.say(("okay",), tick) / 5 + 0.2

    def _count(self, script: Script, at_s: float) -> float:
        asked, end_s = self._ask(script, "count", at_s)
        return self._respond(script, asked, end_s)

    def _play_count(self, script: Script, number: int, tick: int) -> float:
        rng = script.rng
        free = script.recite(NUMBERS[1 : number + 1], tick, pace=3)
        if rng.random() < 0.5 and free - tick > 8:
            at_s = (tick + 1) / 5 + float(rng.uniform(0.6, (min(free, script.ticks) - tick) / 5 - 0.6))
            if rng.random() < 0.6:
                said = self.utterance(rng, "stop")
                early = act_after(at_s + said.words[0][1], YIELD_DELAY_S)
                script.hush(answer_after(at_s + said.words[-1][2]) if rng.random() < self.late_hush else early)
                return script.speak(said, at_s) + 0.5
            script.hush(act_after(at_s, YIELD_DELAY_S + 0.05))
            said = self.utterance(rng, "sum" if rng.random() < 0.7 else "set")
            end_s = script.speak(said, at_s)
            return self._respond(script, self.language.meaning[said.text], end_s)
        return (free + 1) / 5

    def _timer(self, script: Script, at_s: float) -> float:
        asked, end_s = self._ask(script, "timer", at_s)
        return self._respond(script, asked, end_s)

    def _play_timer(self, script: Script, asked: Request, tick: int, end_s: float) -> float:
        rng = script.rng
        free_s = (script.say(asked.reply, tick) + 1) / 5
        due = round((end_s + asked.number) * 5) - 1
        stop = due
        if rng.random() < 0.12 and asked.number > 4:
            at_s = free_s + float(rng.uniform(0.2, asked.number - 3.0))
            cancelled, ended = self._ask(script, "cancel", at_s, pause=0)
            stop = act_after(ended, 0)
            script.count_down(tick, due)
            script.countdown[stop:] = 0
            return self._respond(script, cancelled, ended)
        script.count_down(tick, due)
        room_s = due / 5 - 0.4 - free_s
        if room_s > 3.2 and rng.random() < 0.5:
            at_s = free_s + float(rng.uniform(0.2, room_s - 3.0))
            said = self.utterance(rng, "sum" if rng.random() < 0.6 else "babble")
            if len(said.audio) / RATE < room_s - 1.8:
                ended = script.speak(said, at_s)
                meaning = self.language.meaning.get(said.text)
                if meaning is not None:
                    script.say(meaning.reply, answer_after(ended))
        if due < script.ticks:
            script.say(["now"], due)
        return (due + 4) / 5

    def _delegate(self, script: Script, at_s: float) -> float:
        family = str(script.rng.choice(["plot", "plot", "describe", "list", "search"]))
        asked, end_s = self._ask(script, family, at_s)
        return self._respond(script, asked, end_s)

    def _play_delegate(self, script: Script, asked: Request, tick: int) -> float:
        rng = script.rng
        script.call[tick] = 1 + CALLS.index(asked.call)
        if asked.slots:
            script.slots[tick] = list(asked.slots)
        free = script.say(asked.reply, tick)
        quick = rng.random() < 0.4  # done before the acknowledgement is said to its end
        arrival = tick + int(rng.integers(1, 5)) if quick else free + int(rng.integers(2, 20))
        if not quick and rng.random() < 0.3:
            said = self.utterance(rng, "sum" if rng.random() < 0.7 else "babble")
            at_s = free / 5 + float(rng.uniform(0.3, 0.8))
            ended = script.speak(said, at_s)
            meaning = self.language.meaning.get(said.text)
            free = answer_after(ended) + 1
            if meaning is not None:
                free = script.say(meaning.reply, answer_after(ended))
            arrival = max(arrival, free + 1)
        ok = rng.random() < 0.85
        if arrival >= script.ticks:
            return script.end_s
        script.event(ok, asked.call, arrival)
        words = RESULT_REPLIES[asked.call].split() if ok else ["sorry", "that", "failed"]
        return (script.say(words, max(arrival, free)) + 1) / 5

    def _watch(self, script: Script, at_s: float) -> float:
        """Ask to be told of something on camera, then show it and other things; or show things unasked."""
        rng = script.rng
        wanted: tuple[str, ...] = ()
        free_s = at_s
        draw = rng.random()
        if draw < 0.75:
            asked, end_s = self._ask(script, "watch", at_s)
            wanted = asked.target
            script.wanted[answer_after(end_s) :] = wanted_class(wanted)
            free_s = (script.say(asked.reply, answer_after(end_s)) + 1) / 5
        tick = int(free_s * 5) + int(rng.integers(1, 8))
        for _ in range(int(rng.integers(1, 5))):
            seen = (str(rng.choice(COLOURS)), str(rng.choice(SHAPES)))
            if wanted and rng.random() < 0.55:
                seen = (
                    next((w for w in wanted if w in COLOURS), seen[0]),
                    next((w for w in wanted if w in SHAPES), seen[1]),
                )
            length = int(rng.integers(7, 16))
            if tick + length >= script.ticks:
                break
            for k in range(tick, tick + length):
                script.shown[k] = seen
            if wanted and all(w in seen for w in wanted):
                script.say(seen, tick)
            elif rng.random() < 0.25 and length > 9:  # somebody asks what is there
                said = self.utterance(rng, "look")
                ended = script.speak(said, (tick + 1) / 5)
                due = answer_after(ended)
                for k in range(tick, min(due + 4, script.ticks)):
                    script.shown[k] = seen
                length = max(length, due + 4 - tick)
                script.say(seen, due)
                length = max(length, due + 6 - tick)
            tick += length + int(rng.integers(2, 10))
        if wanted:
            asked, end_s = self._ask(script, "cancel", tick / 5 + 0.3, pause=0)
            script.wanted[answer_after(end_s) :] = 0
            return self._respond(script, asked, end_s)
        return tick / 5 + 0.3

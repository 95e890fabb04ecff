"""What nano can do, measured: ``python -m imkit.training.evaluate models/nano/recipe.toml`` writes ``scores.json``.

Every trial steps the shipped model, tick by tick, on sentences and voices of the dev bank that training never had.
festival is an engine left out of training altogether. Rates come with their n.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imkit.model.nano import Nano, load_nano
from imkit.stream import Act, Event, OpenConfig, Percept, Provenance
from imkit.voices.sound import microphone

from .bank import Bank, BankUtterance
from .language import COLOURS, NUMBERS, RESULT_REPLIES, SHAPES, Language
from .pictures import Camera
from .script import TICK, Script
from .speech import Digits, ensure_bank, is_held_out, plan_bank
from .train import read_recipe
from .workers import open_digits

Rng = np.random.Generator
ONSET_WINDOW_S = (-0.05, 0.5)


def word_errors(truth: Sequence[str], guess: Sequence[str]) -> int:
    """Substitutions, deletions and insertions between two word sequences (Levenshtein distance)."""
    row = list(range(len(guess) + 1))
    for i, word in enumerate(truth, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(guess, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


@dataclass
class Trial:
    """What goes in, by time, for one stream; ``run`` steps the model over it."""

    ticks: int
    sound: npt.NDArray[np.float32]
    typed: dict[int, str] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)
    frames: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)

    def run(self, model: Nano, react: Callable[[Act], None] | None = None) -> list[Act]:
        """The acts, one a tick. ``react`` may add events for later ticks (a closed loop)."""
        state = model.open(OpenConfig())
        acts = []
        for k in range(self.ticks):
            percept = Percept(
                k,
                self.sound[k * TICK : (k + 1) * TICK],
                (self.frames[k],) if k in self.frames else (),
                self.typed.get(k, ""),
                events=(self.events[k],) if k in self.events else (),
            )
            act, state = model.step(state, percept)
            acts.append(act)
            if react is not None:
                react(act)
        return acts


def said(acts: Sequence[Act]) -> list[tuple[str, float]]:
    """The model's words with their onset in seconds."""
    return [(word.text, word.start_s) for act in acts for word in act.words]


class Bench:
    """Trials from a bank of dev speech."""

    def __init__(self, model: Nano, bank: Bank, digits: Digits | None, held_out_share: float, seed: int = 7) -> None:
        self.model, self.bank, self.language, self.digits = model, bank, Language(), digits
        self.held_out_share = held_out_share
        self.rng = np.random.default_rng(seed)
        family_of = {text: name for name, items in self.language.families.items() for text, _ in items}
        self.rows: dict[tuple[str, str], list[int]] = {}
        for i in range(len(bank)):
            utterance = bank[i]
            family = family_of.get(utterance.text, "babble")
            self.rows.setdefault((utterance.voice.engine, family), []).append(i)

    def pick(self, engine: str, family: str, count: int) -> list[BankUtterance]:
        """Up to ``count`` dev utterances of an engine and family."""
        rows = self.rows.get((engine, family), [])
        if len(rows) > count:
            rows = [rows[int(i)] for i in self.rng.permutation(len(rows))[:count]]
        return [self.bank[i] for i in rows]

    def heard_by(self, voice: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Through a room and a microphone as in training."""
        return microphone(self.rng, voice, np.zeros_like(voice), None)

    def stream(
        self, utterance: BankUtterance, tail_s: float, pauses: list[tuple[int, float]] | None = None
    ) -> tuple[Trial, float]:
        """One utterance in a stream with ``tail_s`` of quiet after it, and when its last word ends."""
        length = 0.6 + len(utterance.audio) / 16000 + sum(p for _, p in pauses or []) + tail_s
        script = Script(int(np.ceil(length * 5)), self.model.clips, self.model.ids, self.rng)
        end_s = script.speak(utterance, 0.6, pauses)
        return Trial(script.ticks, self.heard_by(script.voice)), end_s

    # --- what is measured ---

    def hearing(self, utterances: Sequence[BankUtterance]) -> dict[str, Any]:
        """Word error of the running transcript. A word outside the vocabulary counts as right when written "…"."""
        errors = words = 0
        for utterance in utterances:
            trial, _ = self.stream(utterance, 0.8)
            guess = [word.text for act in trial.run(self.model) for word in act.heard]
            truth = [word if word in self.model.ids else "…" for word in utterance.text.split()]
            errors += word_errors(truth, guess)
            words += len(truth)
        return {"word_error": round(errors / max(1, words), 4), "words": words, "utterances": len(utterances)}

    def answers(self, utterances: Sequence[BankUtterance], pause_share: float = 0.5) -> dict[str, Any]:
        """Replies to spoken questions: when they start, whether they are right, and whether a pause is respected."""
        onsets: list[float] = []
        right = in_time = pauses = false_starts = missed = 0
        for utterance in utterances:
            cuts = self.language.cut_points(utterance.text)
            pause: list[tuple[int, float]] = []
            if cuts and self.rng.random() < pause_share:
                pause = [(int(self.rng.choice(cuts)), float(self.rng.uniform(0.6, 1.8)))]
            trial, end_s = self.stream(utterance, 2.4, pause)
            words = said(trial.run(self.model))
            pauses += bool(pause)
            early = [t for _, t in words if t < end_s + ONSET_WINDOW_S[0]]
            false_starts += bool(pause) and bool(early)
            reply = [w for w, t in words if t >= end_s + ONSET_WINDOW_S[0]]
            if not words:
                missed += 1
            else:
                onsets.append(words[0][1] - end_s)
                in_time += ONSET_WINDOW_S[0] <= words[0][1] - end_s <= ONSET_WINDOW_S[1]
            right += not early and tuple(reply) == self.language.meaning[utterance.text].reply
        n = len(utterances)
        quantiles = np.quantile(onsets, (0.05, 0.5, 0.95)).round(3).tolist() if onsets else []
        return {
            "n": n,
            "in_time": round(in_time / n, 3),
            "right": round(right / n, 3),
            "missed": round(missed / n, 3),
            "onset_s_p5_p50_p95": quantiles,
            "pauses": pauses,
            "false_starts": false_starts,
        }

    def typed(self, count: int) -> dict[str, Any]:
        """Replies to typed sums, in sentences that training never had."""
        right = in_time = 0
        options = [text for text, _ in self.language.families["sum"] if is_held_out(text, self.held_out_share)]
        options = [text for text in options if len(text.split()) > 3]
        for _ in range(count):
            text = str(self.rng.choice(options))
            trial = Trial(16, np.zeros(16 * TICK, np.float32), {4: text})
            words = said(trial.run(self.model))
            right += tuple(w for w, _ in words) == self.language.meaning[text].reply
            in_time += bool(words) and words[0][1] - 0.8 <= ONSET_WINDOW_S[1]
        return {"n": count, "right": round(right / count, 3), "in_time": round(in_time / count, 3)}

    def silence(self, utterances: Sequence[BankUtterance]) -> dict[str, Any]:
        """Speech that asks for nothing must be left alone."""
        spoke = 0
        for utterance in utterances:
            trial, _ = self.stream(utterance, 1.6)
            spoke += bool(said(trial.run(self.model)))
        return {"n": len(utterances), "spoke": round(spoke / max(1, len(utterances)), 3)}

    def counting(self, utterances: Sequence[BankUtterance], stops: Sequence[BankUtterance]) -> dict[str, Any]:
        """Counts aloud on request, to the right number; and, told to stop, stops."""
        right = stopped = tried = 0
        lags = []
        for i, utterance in enumerate(utterances):
            number = self.language.meaning[utterance.text].number
            trial, end_s = self.stream(utterance, number * 0.6 + 2.0)
            words = [w for w, _ in said(trial.run(self.model))]
            right += words == NUMBERS[1 : number + 1]
            if number < 6:
                continue
            stop = stops[i % len(stops)]
            script = Script(trial.ticks + 10, self.model.clips, self.model.ids, self.rng)
            end_s = script.speak(utterance, 0.6)
            at_s = end_s + 0.4 + float(self.rng.uniform(0.8, 2.0))
            script.speak(stop, at_s)
            acts = Trial(script.ticks, self.heard_by(script.voice)).run(self.model)
            speaking_at = [act.starts_s for act in acts if act.audio.any()]
            if not any(t < at_s for t in speaking_at):
                continue
            tried += 1
            last = max(t for t in speaking_at) + 0.2
            again = [t for t in speaking_at if t > at_s + 1.2]
            stopped += not again
            if not again:
                lags.append(last - at_s)
        p50, p95 = np.quantile(lags, (0.5, 0.95)).round(3).tolist() if lags else (None, None)
        n = len(utterances)
        shares = {"right": right / max(1, n), "stopped": stopped / max(1, tried)}
        rounded = {name: round(share, 3) for name, share in shares.items()}
        return {"n": n, "stop_n": tried, **rounded, "stop_s_p50_p95": [p50, p95]}

    def timers(self, utterances: Sequence[BankUtterance]) -> dict[str, Any]:
        """Asked to tell in N seconds: fires once, within max(0.4 s, 10 %)."""
        fired = right = 0
        errors = []
        for utterance in utterances:
            number = self.language.meaning[utterance.text].number
            trial, end_s = self.stream(utterance, number + 3.0)
            now = [t for w, t in said(trial.run(self.model)) if w == "now"]
            fired += bool(now)
            if now:
                errors.append(now[0] - (end_s + number))
                right += len(now) == 1 and abs(errors[-1]) <= max(0.4, 0.1 * number)
        p50 = round(float(np.median(np.abs(errors))), 3) if errors else None
        n = max(1, len(utterances))
        return {"n": len(utterances), "fired": round(fired / n, 3), "right": round(right / n, 3), "error_s_p50": p50}

    def watching(self, utterances: Sequence[BankUtterance]) -> dict[str, Any]:
        """Asked by voice to tell of a colour or shape; see ``watched``."""
        asked = [(*self.stream(u, 9.0), self.language.meaning[u.text].target) for u in utterances]
        return self.watched(asked)

    def watching_typed(self, count: int) -> dict[str, Any]:
        """The same, asked by keyboard."""
        asked = []
        for _ in range(count):
            text = self.language.request(self.rng, "watch")
            silence = self.heard_by(np.zeros(50 * TICK, np.float32))
            asked.append((Trial(50, silence, {3: text}), 0.8, self.language.meaning[text].target))
        return self.watched(asked)

    def watched(self, asked: Sequence[tuple[Trial, float, tuple[str, ...]]]) -> dict[str, Any]:
        """(trial, end of the request in seconds, target): is it named on appearing, and are others passed over?"""
        right = lured = 0
        for trial, end_s, target in asked:
            camera = Camera(self.rng)
            plan = [self._other(target), self._match(target)]
            ask_end = int(end_s * 5) + 6
            spans = [(ask_end + int(self.rng.integers(0, 5)), plan[0])]
            spans.append((spans[0][0] + 14 + int(self.rng.integers(0, 5)), plan[1]))
            for k in range(trial.ticks):
                for start, seen in spans:
                    if k == start:
                        camera.appear(*seen)
                trial.frames[k] = camera.frame(any(start <= k < start + 10 for start, _ in spans))
            words = said(trial.run(self.model))
            lure_s, show_s = spans[0][0] / 5, spans[1][0] / 5
            lured += any(lure_s <= t < show_s and w != "okay" for w, t in words)
            after = [w for w, t in words if show_s <= t <= show_s + 1.6]
            right += after[:2] == list(plan[1])
        n = max(1, len(asked))
        return {"n": len(asked), "right": round(right / n, 3), "lured": round(lured / n, 3)}

    def _match(self, target: tuple[str, ...]) -> tuple[str, str]:
        colour = next((w for w in target if w in COLOURS), str(self.rng.choice(COLOURS)))
        return colour, next((w for w in target if w in SHAPES), str(self.rng.choice(SHAPES)))

    def _other(self, target: tuple[str, ...]) -> tuple[str, str]:
        while True:
            seen = (str(self.rng.choice(COLOURS)), str(self.rng.choice(SHAPES)))
            if not all(w in seen for w in target):
                return seen

    def delegating(self, utterances: Sequence[BankUtterance]) -> dict[str, Any]:
        """Calls the right work in time, and says something fitting when the result comes."""
        called = right = spoke = 0
        for utterance in utterances:
            trial, end_s = self.stream(utterance, 6.0)
            calls: list[tuple[str, float]] = []

            def react(act: Act, trial: Trial = trial, calls: list[tuple[str, float]] = calls) -> None:
                for call in act.calls:
                    calls.append((call.name, act.starts_s))
                    trial.events[act.index + 12] = Event(
                        "result", Provenance.BACKGROUND, call_id=call.id, payload={"ok": True, "topic": call.name}
                    )

            words = [w for w, _ in said(trial.run(self.model, react))]
            wanted = self.language.meaning[utterance.text].call
            called += bool(calls)
            good = [t for name, t in calls if name == wanted and -0.1 <= t - end_s <= 0.8]
            right += len(calls) == 1 and bool(good)
            spoke += " ".join(words).endswith(RESULT_REPLIES[wanted])
        n = max(1, len(utterances))
        return {
            "n": len(utterances),
            "called": round(called / n, 3),
            "right": round(right / n, 3),
            "told": round(spoke / n, 3),
        }


def measure(bench: Bench, count: int) -> dict[str, Any]:
    """Everything, per engine."""
    engines = sorted({engine for engine, _ in bench.rows})
    out: dict[str, Any] = {"hearing_requests": {}, "hearing_random_words": {}, "answers": {}}
    for engine in engines:
        asks = [u for family in bench.language.families for u in bench.pick(engine, family, max(4, count // 8))]
        out["hearing_requests"][engine] = bench.hearing(asks[: 2 * count])
        out["hearing_random_words"][engine] = bench.hearing(bench.pick(engine, "babble", count))
        out["answers"][engine] = bench.answers(
            bench.pick(engine, "sum", 2 * count) + bench.pick(engine, "set", count // 2)
        )

    def pool(*families: str) -> list[BankUtterance]:
        return [u for e in engines for f in families for u in bench.pick(e, f, count // len(engines))]

    if bench.digits is not None:
        people = [bench.digits.say(bench.rng, [int(d) for d in bench.rng.integers(0, 10, 4)]) for _ in range(count)]
        out["hearing_recorded_digits"] = bench.hearing(people)
    out["typed"] = bench.typed(count)
    out["left_alone"] = bench.silence(pool("babble"))
    out["counting"] = bench.counting(pool("count"), pool("stop"))
    out["timers"] = bench.timers(pool("timer"))
    out["watching"] = bench.watching(pool("watch"))
    out["watching_typed"] = bench.watching_typed(count)
    out["delegating"] = bench.delegating(pool("plot", "describe", "list", "search"))
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write ``scores.json`` beside the weights."""
    parser = argparse.ArgumentParser(prog="python -m imkit.training.evaluate", description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--count", type=int, default=60, help="trials of each kind")
    parser.add_argument(
        "--out", type=Path, default=None, help="where to write (default: scores.json beside the weights)"
    )
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    folder = Path(recipe["out"])
    plan = plan_bank(recipe["bank_dev"], recipe["texts"], Language(), recipe["seed"] + 1, held_out=True)
    bank = ensure_bank(Path(recipe["work"]) / "bank_dev", plan, 1, print)
    people = open_digits(recipe, held_out=True)
    scores = measure(Bench(load_nano(folder), bank, people, recipe["texts"]["held_out_share"]), options.count)
    path = options.out or folder / "scores.json"
    path.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(scores, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Scene 11: told beforehand what to look for, the model speaks up when it is there, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from imkit.stream import TICK_S, Word

from .kinds import SceneKind
from .painters import light
from .pictures import COLOURS, SHAPES, Span, seen_s, shapes
from .scoring import Check, Verdict
from .suite import SuiteError
from .world import Scene, World

OKAY_S = 1.5  # an acknowledgement may come so long after the request
REACTION_S = 0.5  # forgiven: a micro-turn to see it, one to speak, and a little
WINDOW_S = 2.0  # what appeared must be told within
CHANGE_S = 1.0  # a switched light is told in time within
JOINED_S = 1.0  # words that start no further apart are one utterance
FIRST_S, LAST_S = 2.2, 2.2  # nothing happens so long after the request, and before the end
NEVER_IN_TEN = 3
NEAR_MISS = 0.7


# --- what the scenes in which one watches share


def ask(world: World, text: str, at_s: float) -> float:
    """The user asks, by voice or by keyboard as ``typed_share`` says. Gives when all of it has been asked."""
    if world.rng.random() < world.settings.number("typed_share"):
        at_s = round(at_s / TICK_S) * TICK_S
        world.type(text, at_s)
        return at_s
    return world.say(text, at_s).end_s


def said_besides_okay(world: World, asked_s: float) -> list[Word]:
    """Every word of the model but one "okay" that may follow the request."""
    words = world.agent.words()
    for i, word in enumerate(words):
        if word.text == "okay" and asked_s - 0.25 <= word.start_s <= asked_s + OKAY_S:
            return words[:i] + words[i + 1 :]
    return words


def placed(rng: np.random.Generator, lengths: Sequence[float], clip_s: float, gap_s: float) -> list[Span]:
    """Spans of the given lengths in order, at least ``gap_s`` apart, anywhere from FIRST_S to LAST_S before the end."""
    free = clip_s - FIRST_S - LAST_S - sum(lengths) - gap_s * (len(lengths) - 1)
    if free < 0:
        raise SuiteError(f"{len(lengths)} events of {sum(lengths):.1f} s do not fit into clip_s = {clip_s:.1f} s")
    spans, at_s = [], FIRST_S
    for length, cut in zip(lengths, np.diff(np.sort(rng.uniform(0, free, len(lengths))), prepend=0.0), strict=True):
        at_s += float(cut)
        spans.append((at_s, at_s + length))
        at_s += length + gap_s
    return spans


# --- the scene


def visual_cue(world: World) -> Scene:
    """Say when a light is on (half a), or tell when something of a colour or shape appears (half b).

    Mirrors the temporal grounding of Charades-STA, with "start" and "stop" said aloud, and ProactiveVideoQA (arXiv
    2507.09313) scored as OmniInteract does (arXiv 2605.26485); how others score such speech in detail is not public, so
    this is our reading. The event lasts at most a fifth of the clip. In three of ten trials of half b it never comes.
    """
    half = _light if world.number % 2 == 0 else _appearance
    return (yield from half(world))


def _light(world: World) -> Scene:
    rng, settings = world.rng, world.settings
    text, lead_s = world.line("light_cue"), world.draw("lead_s")
    asked_s = ask(world, text, lead_s)
    clip_s, share, count = world.draw("clip_s"), world.draw("light_share"), settings.whole(rng, "lights")
    lengths = clip_s * share * rng.dirichlet(np.full(count, 20.0))
    lit = [(asked_s + a, asked_s + b) for a, b in placed(rng, lengths.tolist(), clip_s, settings.number("dark_s"))]
    world.painter = light(rng, lit)
    world.expect("okay", asked_s)
    for on_s, off_s in lit:
        world.expect("start", seen_s(on_s))
        world.expect("stop", seen_s(off_s))
    end_s = asked_s + clip_s
    yield from world.until(end_s)
    said = said_besides_okay(world, asked_s)
    claimed, changes = claimed_spans(said, lit, end_s)
    overlap = iou(claimed, lit)
    checks = [
        Check("act", *_in_time(said, word, at_s), group="light")
        for span in lit
        for word, at_s in zip(("start", "stop"), span, strict=True)
    ]
    right = sum(check.passed for check in checks)
    others = len(said) - right
    checks.append(Check("hold", others == 0, f"{others} words out of place" if others else "", group="light"))
    measures = {
        "miou": overlap,
        "r_at_iou_0.5": float(overlap >= 0.5),
        "light_credit": overlap * (changes / len(said) if said else 0.0),
        "fp_per_min": others / clip_s * 60,
        "duplicates": float(sum(a.text == b.text for a, b in pairwise(said))),
        "lights": float(count),
    }
    for i, (on_s, off_s) in enumerate(lit, 1):
        measures |= {f"light_{i}_on_s": on_s - asked_s, f"light_{i}_off_s": off_s - asked_s}
    return Verdict(tuple(checks), measures)


def claimed_spans(said: Sequence[Word], lit: Sequence[Span], end_s: float) -> tuple[list[Span], int]:
    """When the light was on by what was said, and how many words made a change of it.

    "start" opens a span and "stop" closes it; one left open lasts to the end. A word is taken back by REACTION_S, but
    not past the change of the light that it can have followed.
    """
    spans: list[Span] = []
    changes, open_s = 0, None
    for word in said:
        if word.text not in ("start", "stop") or (word.text == "start") == (open_s is not None):
            continue
        changes += 1
        times = [span[word.text == "stop"] for span in lit if span[word.text == "stop"] <= word.start_s]
        at_s = max(times[-1], word.start_s - REACTION_S) if times else word.start_s
        if open_s is None:
            open_s = at_s
        else:
            spans.append((open_s, max(open_s, at_s)))
            open_s = None
    return (spans if open_s is None else [*spans, (open_s, max(open_s, end_s))]), changes


def iou(left: Sequence[Span], right: Sequence[Span]) -> float:
    """Intersection over union of two sets of spans of time, each without overlaps of its own."""
    both = sum(max(0.0, min(b, d) - max(a, c)) for a, b in left for c, d in right)
    union = sum(b - a for a, b in [*left, *right]) - both
    return both / union if union > 0 else 0.0


def _in_time(said: Sequence[Word], text: str, at_s: float) -> tuple[bool, str, float | None]:
    late_s = next((w.start_s - at_s for w in said if w.text == text and w.start_s >= at_s), None)
    if late_s is None:
        return False, f"never said {text!r}", None
    return late_s <= CHANGE_S, "" if late_s <= CHANGE_S else f"{text!r} too late", round(late_s, 3)


def _appearance(world: World) -> Scene:
    rng, settings = world.rng, world.settings
    turn = world.number // 2
    happens = (7 * turn + NEVER_IN_TEN) % 10 >= NEVER_IN_TEN
    target = _draw_target(rng)
    name = "_".join(["target", *(("colour",) if target[0] else ()), *(("shape",) if target[1] else ())])
    text = world.line("watch_cue", target=world.line(name, colour=target[0], shape=target[1]))
    lead_s = world.draw("lead_s")
    asked_s = ask(world, text, lead_s)
    wanted = tuple(word for word in target if word)
    things = [_draw_lure(rng, target) for _ in range(settings.whole(rng, "lures") + (not happens))]
    shown = (target[0] or str(rng.choice(COLOURS)), target[1] or str(rng.choice(SHAPES)))
    at = int(rng.integers(len(things) + 1))
    if happens:
        things.insert(at, shown)
    clip_s = world.draw("clip_s")
    lengths = [world.draw("shown_s") for _ in things]
    spans = [(asked_s + a, asked_s + b) for a, b in placed(rng, lengths, clip_s, settings.number("gap_s"))]
    world.painter = shapes(rng, [(span, *thing) for span, thing in zip(spans, things, strict=True)])
    appears_s = spans[at][0] if happens else None
    world.expect("okay", asked_s)
    if appears_s is not None:
        world.expect(shown, seen_s(appears_s))
    yield from world.until(asked_s + clip_s + 0.4)
    told, others, again, late_s = judged(said_besides_okay(world, asked_s), appears_s, {wanted, shown})
    why = f"{others} utterances out of place"
    checks = [Check("hold", others == 0, why if others else "", group="watch" if happens else "never")]
    measures = {"told": told, "false_alarms": float(others), "fp_per_min": others / clip_s * 60}
    if appears_s is not None:
        why = "" if told else f"did not tell of the {' '.join(shown)}"
        checks.append(Check("act", told > 0, why, late_s, group="watch"))
        measures |= {
            "ia_qtf1": 2 * told / (2 * told + others + 1 - told),
            "appears_s": appears_s - asked_s,
            "duplicates": float(again),
        }
    return Verdict(tuple(checks), measures)


def _draw_target(rng: np.random.Generator) -> tuple[str, str]:
    """A colour, a shape, or both; "" for what does not matter."""
    colour, shape = str(rng.choice(COLOURS)), str(rng.choice(SHAPES))
    kind = rng.random()
    return (colour, "") if kind < 0.25 else ("", shape) if kind < 0.5 else (colour, shape)


def _draw_lure(rng: np.random.Generator, target: tuple[str, str]) -> tuple[str, str]:
    """A colour and a shape that are not the target; often one of the two is."""
    near, keep = rng.random() < NEAR_MISS, int(rng.integers(2))
    while True:
        seen = [str(rng.choice(COLOURS)), str(rng.choice(SHAPES))]
        if near and all(target):
            seen[keep] = target[keep]
        if any(want and want != got for want, got in zip(target, seen, strict=True)):
            return seen[0], seen[1]


def utterances(said: Sequence[Word]) -> list[list[Word]]:
    """Words in groups that start no further apart than JOINED_S."""
    groups: list[list[Word]] = []
    for word in said:
        if groups and word.start_s - groups[-1][-1].start_s <= JOINED_S + 1e-9:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def credit(late_s: float) -> float:
    """What telling is worth so long after the appearance: 1 up to REACTION_S, then less, 0 from WINDOW_S on."""
    return 0.0 if late_s < 0 else min(1.0, max(0.0, (WINDOW_S - late_s) / (WINDOW_S - REACTION_S)))


def judged(
    said: Sequence[Word], appears_s: float | None, accepted: set[tuple[str, ...]]
) -> tuple[float, int, int, float | None]:
    """Credit of the first right utterance in time, how many others came, how many of those said it again, the delay."""
    told, others, again, delay_s = 0.0, 0, 0, None
    for group in utterances(said):
        right = tuple(word.text for word in group) in accepted
        late_s = -1.0 if appears_s is None else group[0].start_s - appears_s
        if right and told == 0 and credit(late_s) > 0:
            told, delay_s = credit(late_s), round(late_s, 3)
        else:
            others += 1
            again += right and told > 0
    return told, others, again, delay_s


# --- the score


def above(value: float, chance: float) -> float:
    """What is left of a value in [0, 1] when chance is taken out, as in Cohen's kappa; never below 0."""
    return max(0.0, (value - chance) / (1 - chance)) if chance < 1 else 0.0


def cue_score(verdicts: Sequence[Verdict]) -> float:
    """100 * the mean of the two halves, each with what knowing nothing is worth taken out.

    a  mean over trials of IoU * (words that switched / words said); chance is the mean IoU of the best single span of
       whole seconds after the request, the same in every trial; it is the event's share of the clip or a little more
    b  IA-QTF1 = 2 TP / (2 TP + FP + FN) over all trials (OmniInteract): TP sums ``credit``, FN what is missing of it,
       FP counts all other utterances; chance is the best single delay after the request, taken from the trials' own
       appearances, with the right words in every trial
    """
    halves = []
    lights = [v.measures for v in verdicts if "light_credit" in v.measures]
    if lights:
        halves.append(above(float(np.mean([m["light_credit"] for m in lights])), _best_span(lights)))
    watched = [v.measures for v in verdicts if "told" in v.measures]
    if watched:
        appears = np.array([m["appears_s"] for m in watched if "appears_s" in m])
        missing = len(appears) - sum(m["told"] for m in watched)
        value = _soft_f1(sum(m["told"] for m in watched), sum(m["false_alarms"] for m in watched), missing)
        halves.append(above(value, _best_delay(appears, len(watched))))
    return 100 * float(np.mean(halves)) if halves else 0.0


def _soft_f1(told: float, false_alarms: float, missing: float) -> float:
    return 2 * told / (2 * told + false_alarms + missing) if told else 0.0


def _best_span(lights: Sequence[dict[str, float]]) -> float:
    """Mean IoU of the same span in every trial: the best one can do blindly."""
    if len(lights) < 2:
        return 0.0  # one event fits itself
    begin, end = (x[:, None] for x in np.array([(a, b) for b in range(1, 40) for a in range(b)], float).T)
    both, union = np.zeros((2, len(begin), len(lights)))
    union += end - begin
    for i in range(1, int(max(m["lights"] for m in lights)) + 1):
        on_s, off_s = (np.array([m.get(f"light_{i}_{edge}_s", 0.0) for m in lights]) for edge in ("on", "off"))
        overlap = np.clip(np.minimum(end, off_s) - np.maximum(begin, on_s), 0, None)
        both += overlap
        union += off_s - on_s - overlap
    return float((both / union).mean(1).max())


def _best_delay(appears: np.ndarray[tuple[int], np.dtype[np.float64]], trials: int) -> float:
    """IA-QTF1 of the right words once in every trial, always after the same delay: the best one can do blindly."""
    if len(appears) < 2:
        return 0.0  # one moment fits itself
    late = appears[:, None] - appears[None, :]  # [delay, appearance]
    gain = np.clip((WINDOW_S - late) / (WINDOW_S - REACTION_S), 0, 1) * (late >= 0)
    told = gain.sum(1)
    return float(max(2 * told / (2 * told + trials - (gain > 0).sum(1) + len(appears) - told)))


KINDS = (SceneKind(visual_cue, cue_score),)

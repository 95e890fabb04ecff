"""Scene 3: listening to a story. A short word where the teller invites one, nothing elsewhere, and never the turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S

from .agent import Agent, Utterance
from .kinds import SceneKind
from .scoring import Check, Verdict, weakest
from .world import Scene, World

WINDOW_S = (-0.2, 1.0)  # a backchannel starts here, from the end of the clause that invites it
LONGEST_S, MOST_WORDS = 1.0, 2  # more is no backchannel
TAKEOVER_WORDS = 3  # more, or longer than LONGEST_S, takes the turn
USUAL_S = (0.2, 0.6)  # where a listener's word usually sounds, from the same end
ALONE_S = 2.2  # listened to after the story

Segment = tuple[float, float]


@dataclass(frozen=True)
class ClauseEnd:
    """Where a clause of the story ends, and whether it ends in words that invite the listener."""

    at_s: float
    invites: bool


def backchannel(world: World) -> Scene:
    """A story of short clauses. Half of them end in "you know" or the like: there, and only there, say "mhm".

    Mirrors Full-Duplex-Bench v1 backchannel (arXiv 2503.04721). The pauses after inviting clauses are those after the
    others, in another order, so silence tells nothing. In every second trial the user asks to be listened to without
    a word: then every clause end is a hold. Who takes the turn before the story ends fails the whole trial. The score
    is the weakest side's, so nodding without being asked to, or at every end, is worth nothing.
    """
    told_to_nod = world.number % 2 == 0
    instruction = world.line("nod_along" if told_to_nod else "just_listen")
    start_s, rest_s = world.draw("lead_s"), world.draw("rest_s")
    words = world.suite.lines("listener_word")
    clauses = _draw_story(world, last_invites=world.number // 2 % 2 == 0)

    at_s = world.say(instruction, start_s).end_s + rest_s
    story_s, ends = at_s, list[ClauseEnd]()
    for text, invites, gap_s in clauses:
        end_s = world.say(text, at_s).end_s
        ends.append(ClauseEnd(end_s, invites))
        if told_to_nod and invites:
            world.expect(words[0], end_s, floor="backchannel")
        at_s = end_s + gap_s
    yield from world.until(ends[-1].at_s + ALONE_S)
    return judge(world.agent, story_s, ends, told_to_nod, words)


def _draw_story(world: World, last_invites: bool) -> list[tuple[str, bool, float]]:
    """Clauses in the order of the suite's story: text, whether it invites, and the pause after it in seconds."""
    rng, lines = world.rng, world.suite.lines("story")
    count = min(world.settings.whole(rng, "clauses"), len(lines))
    chosen = np.sort(rng.choice(len(lines), count, replace=False))
    inviting = count // 2 - last_invites
    flags = [*rng.permutation([True] * inviting + [False] * (count - 1 - inviting)).tolist(), last_invites]
    gaps_s = [world.draw("gap_s") for _ in range((count + 1) // 2)]
    left = {invites: rng.permutation(gaps_s).tolist() for invites in (True, False)}
    tags = [world.line("inviting_tag") for _ in range(count)]
    return [
        (f"{lines[i]} {tag}" if invites else lines[i], invites, left[invites].pop())
        for i, tag, invites in zip(chosen, tags, flags, strict=True)
    ]


def judge(
    agent: Agent, story_s: float, ends: Sequence[ClauseEnd], told_to_nod: bool, accepted: Sequence[str]
) -> Verdict:
    """One check for every clause end, from what was heard between it (less 0.2 s) and the next one.

    The first clause answers for all that was said since the story began at ``story_s``.
    """
    said = agent.utterances()
    took = next((u for u in said if u.start_s < ends[-1].at_s and _takes_turn(u)), None)
    edges = [story_s, *(end.at_s + WINDOW_S[0] for end in ends[1:]), float("inf")]
    checks, hits = list[Check](), 0
    for i, end in enumerate(ends):
        spoke = [u for u in said if edges[i] - 1e-9 <= u.start_s < edges[i + 1] - 1e-9]
        latency = round(spoke[0].start_s - end.at_s, 3) if spoke else None
        if told_to_nod and end.invites:
            why = _fault(spoke, end.at_s, accepted)
            hits += not why
            check = Check("act", not why, why, latency, "inviting")
        else:
            asked = "plain" if told_to_nod else "just listen, inviting" if end.invites else "just listen"
            why = f"spoke {latency:+.2f} s from a clause end" if spoke else ""
            check = Check("hold", not why, why, None, asked)
        checks.append(check)
    if took is not None:
        why = f"took the turn at {took.start_s:.2f} s"
        checks, hits = [replace(check, passed=False, why=why) for check in checks], 0
    return Verdict(tuple(checks), _measures(agent, story_s, ends, told_to_nod, hits, took is not None))


def _takes_turn(said: Utterance) -> bool:
    return said.end_s - said.start_s > LONGEST_S + 1e-9 or len(said.words) > TAKEOVER_WORDS


def _fault(spoke: Sequence[Utterance], end_s: float, accepted: Sequence[str]) -> str:
    """What is wrong with what was said after an inviting end; "" where nothing is."""
    if len(spoke) != 1:
        return f"spoke {len(spoke)} times, expected once"
    (said,) = spoke
    late_s, length_s = said.start_s - end_s, said.end_s - said.start_s
    if not WINDOW_S[0] - 1e-9 <= late_s <= WINDOW_S[1] + 1e-9:
        return f"spoke {late_s:+.2f} s from the end"
    if length_s > LONGEST_S + 1e-9 or len(said.words) > MOST_WORDS:
        return f"{len(said.words)} words in {length_s:.2f} s are no backchannel"
    known = {word for line in accepted for word in line.split()}
    return "" if said.texts and set(said.texts) <= known else f"said {' '.join(said.texts)!r}"


def _measures(
    agent: Agent, story_s: float, ends: Sequence[ClauseEnd], told_to_nod: bool, hits: int, took: bool
) -> dict[str, float]:
    """TOR, Freq, JSD as in Full-Duplex-Bench v1, and F1 of backchannels.

    TOR      1 where the turn was taken
    Freq     short stretches of speech a second, from the start of the story; by itself where silence was asked for
    JSD      root of the Jensen-Shannon divergence (nats, at most 0.833; 1 without any backchannel) between where they
             sound and where a listener's would, in bins of 200 ms
    JSD_bits the divergence itself in bits, at most 1
    """
    span_s = ends[-1].at_s + ALONE_S - story_s
    said = [(a - story_s, b - story_s) for a, b in agent.segments if a >= story_s - 1e-9]
    short = [s for s in said if s[1] - s[0] <= LONGEST_S + 1e-9]
    frequency = len(short) / span_s
    if not told_to_nod:
        return {"TOR": float(took), "Freq_asked_for_silence": round(frequency, 4)}
    invited = [end.at_s - story_s for end in ends if end.invites]
    usual = [(at_s + USUAL_S[0], at_s + USUAL_S[1]) for at_s in invited]
    nats = divergence(occupied(short, span_s), occupied(usual, span_s))
    return {
        "TOR": float(took),
        "Freq": round(frequency, 4),
        "JSD": round(float(np.sqrt(nats)), 4) if short else 1.0,
        "JSD_bits": round(nats / float(np.log(2)), 4) if short else 1.0,
        "BC_F1": round(2 * hits / (len(said) + len(invited)), 4),
    }


def occupied(spans: Sequence[Segment], length_s: float) -> npt.NDArray[np.float64]:
    """Seconds of ``spans`` in every 200 ms of a length of time, float64 [bin]."""
    edges = np.arange(int(np.ceil(length_s / TICK_S)) + 1) * TICK_S
    total = np.zeros(len(edges) - 1)
    for start, end in spans:
        total += np.clip(np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1]), 0, None)
    return total


def divergence(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence of two histograms in nats (Lin 1991); ln 2 where one of them is empty."""
    if not left.sum() or not right.sum():
        return float(np.log(2))
    p, q = left / left.sum(), right / right.sum()
    middle = (p + q) / 2
    parts = [x[x > 0] * np.log(x[x > 0] / middle[x > 0]) for x in (p, q)]
    return max(0.0, float(parts[0].sum() + parts[1].sum()) / 2)


KINDS = (SceneKind(backchannel, weakest),)

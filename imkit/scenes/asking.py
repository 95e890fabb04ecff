"""What the user says in scene 12: requests of one to three clauses, uneven as speech is, and what is right to call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .answers import draw_sum, number_words
from .desk import SCHEMAS, Asked, Clerk, Job, run_all
from .suite import SuiteError
from .world import Said, World

CALL_S = 1.0  # a call is due by so long after the end of the speech that asks for it
SETTLE_S = 0.4  # a result never comes sooner after the user's words
ANSWER_S = (-0.25, 1.0)
VALUES: Final = {
    "column": "columns", "topic": "topics", "minutes": "minutes", "genre": "genres", "room": "rooms",
    "state": "states", "size": "sizes", "roast": "roasts", "shots": "shots", "milk": "milks", "drink": "drinks",
}  # fmt: skip
DISFLUENCIES: Final = ("none", "filler", "pause", "hesitation", "false_start", "correction")
AFTERWARDS: Final = ("nothing", "question", "correction")


@dataclass(frozen=True)
class Errand:
    """A call that is right, in [fixed_s, by_s]."""

    name: str
    arguments: Mapping[str, Any]
    fixed_s: float
    by_s: float

    @property
    def asked(self) -> Asked:
        """Name and arguments."""
        return self.name, self.arguments

    def is_asked_by(self, job: Job) -> bool:
        """Whether name and arguments are the same, whenever."""
        return job.call.name == self.name and dict(job.arguments) == dict(self.arguments)

    def in_time(self, job: Job) -> bool:
        """Whether the call came when it was known and still wanted; its time is the end of its micro-turn."""
        return self.fixed_s - 1e-9 <= job.asked_s <= self.by_s + 1e-9


@dataclass
class Request:
    """What the user says in one trial, and what is right to do about it. ``wrong`` was asked for and then corrected."""

    said: Said
    errands: list[Errand]
    wrong: Errand | None = None
    correction: Said | None = None
    question: Said | None = None
    answer: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[Errand]:
        """All calls that are to be made, the one that is corrected later included."""
        return [*([] if self.wrong is None else [self.wrong]), *self.errands]

    @property
    def end_s(self) -> float:
        """When the user has said everything."""
        return max(said.end_s for said in (self.said, self.correction, self.question) if said is not None)


@dataclass
class Clause:
    """One tool's part of a request, word by word.

    starts  where each slot's words begin;  drawn: a right and a wrong value of each slot
    fixed   the word that fixes the last slot, or the last word where there is none; 0 is the first
    """

    name: str
    words: list[str] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)
    drawn: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    fixed: int = 0
    pause_after: int | None = None

    def insert(self, words: Sequence[str], at: int) -> None:
        """Put words before word ``at``."""
        self.words[at:at] = words
        self.fixed += len(words) if self.fixed >= at else 0


def ask(world: World, earnest: bool) -> tuple[Request, Clerk]:
    """Draws a trial and has the user say it, with everything that does not depend on the model.

    Without ``earnest`` the same clauses are part of a story. Only a request of one call is corrected afterwards or
    followed by a question. Disfluencies and what follows take turns from trial to trial, so that each occurs.
    """
    rng, round_ = world.rng, world.number // 2
    kinds, follow = _known(world, "disfluencies", DISFLUENCIES), _known(world, "afterwards", AFTERWARDS)
    kind = kinds[round_ % len(kinds)]
    after = follow[(round_ + round_ // len(kinds)) % len(follow)]
    late = earnest and after == "correction" and kind != "correction"
    side = earnest and after == "question"
    names = _tools(world, 1 if late or side else world.settings.whole(rng, "chain"), slots=int(late))
    if kind == "correction":
        names = list(dict.fromkeys([*_tools(world, 1, slots=2), *names[1:]]))
    clauses = [_clause(world, name) for name in names]
    _disturb(world, clauses[0 if kind == "correction" else int(rng.integers(len(clauses)))], kind)
    words, begins = _joined(world, clauses, world.line("errand_request" if earnest else "errand_story", request="|"))
    if kind == "false_start":
        false = world.line("errand_false_start").split()
        words, begins = [*false, *words], [begin + len(false) for begin in begins]
    pause_s, placed = world.draw("pause_s"), list(zip(clauses, begins, strict=True))
    pauses = [(begin + c.pause_after, pause_s) for c, begin in placed if c.pause_after is not None]
    said = world.say(" ".join(words), world.draw("lead_s"), pauses=pauses)
    request = Request(
        said,
        [
            Errand(c.name, {s: v for s, (v, _) in c.drawn.items()}, said.words[begin + c.fixed][2], said.end_s + CALL_S)
            for c, begin in placed
        ],
    )
    delays_s, free_s, first_s = [world.draw("delay_s"), world.draw("next_delay_s")], said.end_s + SETTLE_S, None
    if late:
        first_s = _correct(world, request, clauses[0])
        delays_s.reverse()
        free_s = request.end_s + SETTLE_S
    if side:
        sum_, request.answer = draw_sum(rng)
        request.question = world.say(world.line("side_question", sum=sum_), said.end_s + world.draw("side_after_s"))
        delays_s[0] = world.draw("wait_s")
        free_s = request.question.end_s + ANSWER_S[1] + 0.2
    clerk = Clerk(strings(world, "columns"), strings(world, "rooms"), delays_s, free_s, first_s)
    for errand in request.wanted:
        ((works, why),) = run_all(clerk.fresh(), [errand.asked])
        if not works:
            raise _error(world, why)
    return request, clerk


def _correct(world: World, request: Request, clause: Clause) -> float:
    """The user names another value once the call is due. Gives the moment of the first call's result.

    That falls into the correction, or so long after it that a right call has replaced the wrong one by then.
    """
    if world.settings.span("late_after_s")[0] <= CALL_S:
        raise _error(world, f"late_after_s begins before the call is due, expected more than {CALL_S:.1f} s")
    slot = list(clause.drawn)[int(world.rng.integers(len(clause.drawn)))]
    right = clause.drawn[slot][1]
    text = world.line("errand_late_correction", value=" ".join(_spoken(slot, right)))
    said = world.say(text, request.said.end_s + world.draw("late_after_s"))
    request.correction, request.wrong = said, request.errands[0]
    arguments = {**request.wrong.arguments, slot: right}
    request.errands = [Errand(clause.name, arguments, said.end_s, said.end_s + CALL_S)]
    stale = world.rng.random() < world.settings.number("stale_share")
    return said.words[0][2] + 0.1 if stale else said.end_s + CALL_S + SETTLE_S


def strings(world: World, name: str) -> list[str]:
    """A setting that is a list of words. Raises SuiteError."""
    values = world.settings[name]
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise _error(world, f"{name} = {values!r}, expected a list of words")
    return values


def _known(world: World, name: str, known: Sequence[str]) -> list[str]:
    values = strings(world, name)
    if not set(values) <= set(known):
        raise _error(world, f"{name} = {values!r}, expected some of {', '.join(known)}")
    return values


def _error(world: World, what: str) -> SuiteError:
    return SuiteError(f"suite {world.suite.name}, [scene.tool_call]: {what}")


def _tools(world: World, count: int, slots: int) -> list[str]:
    """So many different tools out of those that have at least so many slots in every phrase."""
    names = strings(world, "tools")
    unknown = [name for name in names if name not in SCHEMAS]
    if unknown:
        raise _error(world, f"tools has {', '.join(unknown)}; there are {', '.join(SCHEMAS)}")
    fitting = [name for name in names if all(line.count("{") >= slots for line in world.suite.lines(f"call_{name}"))]
    if len(fitting) < count:
        raise _error(world, f"tools = {names!r}, expected {count} or more whose phrases have {slots} slots or more")
    return [str(name) for name in world.rng.choice(fitting, count, replace=False)]


def _clause(world: World, name: str) -> Clause:
    lines = world.suite.lines(f"call_{name}")
    clause = Clause(name)
    for word in lines[int(world.rng.integers(len(lines)))].split():
        slot = word.strip("{}")
        if slot == word:
            clause.words.append(word)
            continue
        if slot not in SCHEMAS[name] or slot not in VALUES:
            raise _error(world, f"[phrases] call_{name} has {word}, which is no slot of {name}")
        clause.drawn[slot] = _two(world, slot)
        clause.starts[slot] = len(clause.words)
        clause.words += _spoken(slot, clause.drawn[slot][0])
        clause.fixed = len(clause.words) - 1
    if not clause.drawn:
        clause.fixed = len(clause.words) - 1
    return clause


def _two(world: World, slot: str) -> tuple[Any, Any]:
    """Two different values of a slot."""
    values = world.settings[VALUES[slot]]
    kind, called = (int, "whole numbers") if slot == "minutes" else (str, "strings")
    if not isinstance(values, list) or len(values) < 2 or not all(type(value) is kind for value in values):
        raise _error(world, f"{VALUES[slot]} = {values!r}, expected two or more {called}")
    right, wrong = world.rng.choice(len(values), 2, replace=False)
    return values[int(right)], values[int(wrong)]


def _spoken(slot: str, value: Any) -> list[str]:
    return [*number_words(value), "minutes"] if slot == "minutes" else str(value).split()


def _disturb(world: World, clause: Clause, kind: str) -> None:
    """Makes speech uneven before the words of the last slot; a correction is one of the slot that comes first."""
    at = max(1, *clause.starts.values()) if clause.starts else max(1, clause.fixed)
    match kind:
        case "filler":
            clause.insert(world.line("errand_filler").split(), at)
        case "pause":
            clause.pause_after = at
        case "hesitation":
            clause.insert([clause.words[at - 1]], at)
        case "correction":
            slot = min(clause.starts, key=lambda name: clause.starts[name])
            wrong = _spoken(slot, clause.drawn[slot][1])
            clause.insert([*wrong, *world.line("errand_correction").split()], clause.starts[slot])


def _joined(world: World, clauses: Sequence[Clause], frame: str) -> tuple[list[str], list[int]]:
    """All clauses in one sentence, in place of the frame's bar: its words, and where each clause begins."""
    before, _, after = frame.partition("|")
    words, begins = before.split(), []
    for i, clause in enumerate(clauses):
        words += world.line("errand_then").split() if i else []
        begins.append(len(words))
        words += clause.words
    return [*words, *after.split()], begins

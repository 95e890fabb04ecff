"""A timeline as a plotly figure: everything that came in, was decided and was done, on one clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imkit.stream import Ledger, Timeline

from .lanes import DEADLINE_MS, Lanes, Span, lanes_of
from .palette import Theme, faint, theme_of
from .sound_lanes import Mel, Pictures, Wave, WhoSounds
from .stack import Lane, Stack
from .tasks import recorded
from .unheard import Unheard, unheard
from .word_lanes import Compute, FloorStates, Hooks, Marks, Tasks, Words

if TYPE_CHECKING:
    from imkit.session import TaskRecord

LANE_NAMES = (
    "turns",
    "microphone",
    "spectrogram",
    "heard",
    "camera",
    "typed",
    "draft",
    "events",
    "floor",
    "says",
    "own voice",
    "tasks",
    "surfaces",
    "hooks",
    "compute, ms",
)


def figure(
    timeline: Timeline,
    start_s: float | None = None,
    end_s: float | None = None,
    lanes: Sequence[str] | None = None,
    theme: str = "light",
    *,
    width: int = 960,
    ledger: Ledger | None = None,
    tasks: Iterable[TaskRecord] | None = None,
    live: bool | None = None,
) -> Any:
    """The timeline as lanes on one clock, with a line every 200 ms where there is room for it.

    start_s, end_s  what to show at first; None is from the beginning, to the end
    lanes           which lanes, of ``LANE_NAMES``; None is all that hold anything
    theme           "light" or "dark"
    width           of the figure in px; words are fitted to it, so it does not change with the page
    ledger          whose word to take on what was sent and played; None takes the timeline's own (``timeline.fates``)
    tasks           the session's (``session.tasks``): the lane then also has what a person asked for past the model,
                    and what was let go before it was told; None draws what the timeline itself tells
    live            True gives a ``FigureWidget`` that asks the kernel for more detail when it is zoomed, False a plain
                    ``Figure``; None a widget where there is a notebook's kernel

    Own sound that nobody heard is drawn apart: hollow and red where it was never sent, grey where it was sent and never
    played. Two voices at once run as a band through all lanes, and so does a silence in which the turn goes over. Only
    what is visible is drawn: waveforms by their extremes, words where they do not touch, so an hour is as quick as a
    minute.
    Raises ValueError for an unknown lane or theme, or an empty range.
    """
    colours = theme_of(theme)
    known = lanes_of(timeline)
    if tasks is not None:
        known = replace(known, tasks=recorded(tasks, timeline.moments))
    whole = (known.start_s, max(known.end_s, known.start_s + 0.2))
    first = whole[0] if start_s is None else max(whole[0], start_s)
    last = whole[1] if end_s is None else min(whole[1], end_s)
    if last <= first:
        raise ValueError(
            f"figure(start_s={start_s}, end_s={end_s}) shows nothing; "
            f"this timeline runs from {whole[0]:.1f} to {whole[1]:.1f} s"
        )
    fates = timeline.fates if ledger is None else ledger.fates
    parts = [] if fates is None else unheard(timeline.moments, fates)
    stack = Stack(
        chosen(rows(timeline, known, colours, parts), lanes),
        first,
        last,
        colours,
        width,
        legend_of(colours, parts),
        bands_of(known, colours),
        level=whole,
    )
    return stack.figure(live)


def rows(timeline: Timeline, known: Lanes, theme: Theme, parts: Sequence[Unheard] = ()) -> dict[str, Lane]:
    """Every lane that holds something, by name, from the top."""
    you, me = theme.you, theme.me
    events = [mark for mark in known.marks if mark.kind == "event"]
    surfaces = [mark for mark in known.marks if mark.kind == "surface"]
    words, one_row, two_rows = (-0.5, 2.0), (0.0, 1.0), (0.0, 2.0)
    deep = min(3, 1 + max(_at_once(known.hooks), default=0))
    found: list[tuple[bool, Lane]] = [
        (
            bool(known.turns.user or known.turns.model),
            WhoSounds(name="turns", height_px=58, span=one_row, turns=known.turns),
        ),
        (_any(known, "mic"), Wave(name="microphone", height_px=54, colour=you, sound=known.mic, lost=known.lost)),
        (
            _any(known, "mic") and _kept(timeline),
            Mel(name="spectrogram", height_px=52, colour=you, span=(-0.5, 39.5), timeline=timeline),
        ),
        (bool(known.heard), Words(name="heard", height_px=46, colour=you, span=words, spans=known.heard)),
        (bool(known.frames), Pictures(name="camera", height_px=50, colour=you, timeline=timeline, frames=known.frames)),
        (bool(known.typed), Words(name="typed", height_px=30, colour=you, span=(-0.5, 1.0), spans=known.typed, rows=1)),
        (
            bool(known.drafts),
            Words(name="draft", height_px=30, colour=theme.soft, span=(-0.5, 1.0), spans=_grown(known.drafts), rows=1),
        ),
        (bool(events), Marks(name="events", height_px=40, colour=theme.soft, span=two_rows, marks=events, rows=2)),
        (
            bool(known.compute_ms),
            FloorStates(
                name="floor",
                height_px=26,
                colour=me,
                span=one_row,
                runs=known.floor,
                start_s=known.start_s,
                end_s=known.end_s,
            ),
        ),
        (bool(known.words), Words(name="says", height_px=46, colour=me, span=words, spans=known.words)),
        (_any(known, "voice"), Wave(name="own voice", height_px=54, colour=me, sound=known.voice, unplayed=parts)),
        (
            bool(known.tasks),
            Tasks(name="tasks", height_px=44, colour=theme.act, span=two_rows, tasks=known.tasks, end_s=known.end_s),
        ),
        (bool(surfaces), Marks(name="surfaces", height_px=26, colour=theme.act, span=one_row, marks=surfaces)),
        (
            bool(known.hooks),
            Hooks(name="hooks", height_px=22 * deep + 4, span=(0.0, float(deep)), spans=known.hooks, rows=deep),
        ),
        (
            any(ms > 0 for _, ms in known.compute_ms),
            Compute(name="compute, ms", height_px=44, span=(0.0, 1.2 * DEADLINE_MS), compute_ms=known.compute_ms),
        ),
    ]
    lanes = {lane.name: lane for shown, lane in found if shown}
    return lanes or {found[8][1].name: found[8][1]}


def chosen(lanes: dict[str, Lane], names: Sequence[str] | None) -> list[Lane]:
    """The lanes of those names, in that order; those that hold nothing are left out unless nothing would remain."""
    if names is None:
        return list(lanes.values())
    unknown = [name for name in names if name not in LANE_NAMES]
    if unknown:
        raise ValueError(
            f"lanes={list(names)!r}: no lane is called {unknown[0]!r}; expected some of {', '.join(LANE_NAMES)}"
        )
    return [lanes[name] for name in names if name in lanes] or list(lanes.values())[:1]


def bands_of(known: Lanes, theme: Theme) -> list[tuple[float, float, str]]:
    """Overlaps, gaps and losses, through all lanes."""
    return [
        *((a, b, faint(theme.ink, 0.06)) for a, b in known.turns.gaps),
        *((a, b, faint(theme.both, 0.22)) for a, b in known.turns.overlaps),
        *((lost.start_s, lost.end_s, faint(theme.late, 0.12)) for lost in known.lost),
    ]


def legend_of(theme: Theme, parts: Sequence[Unheard] = ()) -> str:
    """What the colours say, as one line."""
    signs = (
        ("■", theme.you, "you"),
        ("■", theme.me, "the model"),
        ("■", theme.both, "both at once"),
        ("▬", theme.ink, "silence between turns, s"),
        *([("□", theme.late, "never sent")] if any(not part.sent for part in parts) else []),
        *([("■", theme.soft, "never played")] if any(part.sent for part in parts) else []),
    )
    return "&nbsp;&nbsp;&nbsp;".join(
        f"<span style='color:{colour}'>{sign}</span> {words}" for sign, colour, words in signs
    )


def _any(known: Lanes, side: str) -> bool:
    sound = known.mic if side == "mic" else known.voice
    return bool((sound.peaks > 0).any()) or (side == "mic" and bool(known.lost))


def _at_once(spans: Sequence[Span]) -> list[int]:
    """How many of the spans before each one are still there when it begins."""
    return [sum(one.end_s > span.start_s + 1e-6 for one in spans[:number]) for number, span in enumerate(spans)]


def _kept(timeline: Timeline) -> bool:
    return any(moment.has_media for moment in timeline.moments[-1:])


def _grown(drafts: Sequence[Span]) -> list[Span]:
    """Drafts that follow one another as one, with the words they grew to."""
    runs: list[Span] = []
    for draft in drafts:
        if runs and abs(draft.start_s - runs[-1].end_s) < 1e-6:
            runs[-1] = Span(draft.text, runs[-1].start_s, draft.end_s)
        else:
            runs.append(draft)
    return runs

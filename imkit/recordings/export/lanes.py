"""A timeline as lanes of labelled intervals: what every annotation format is written from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imkit.measures import Interval, units_by_words
from imkit.recordings.annotations.lanes import Annotations, in_order
from imkit.stream import TICK_S, Call, Event, Floor, Moment, Timeline, Word

UTTERANCE_S = 1.2
"""A longer silence between words begins a new utterance, as in ``Timeline.transcript``."""
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

Row = list[tuple[int, int, str]]


def lanes_of(timeline: Timeline) -> Annotations:
    """Seconds on the session clock, in these lanes; "events" holds instants.

    user, model              utterances: words joined over silences up to 1.2 s
    user words, model words  as they were recognised, and as they were said
    typed                    what was sent by keyboard, a tick long
    floor                    where the model holds the floor: backchannel or speak, at the time it is heard
    calls                    from the call to its result, or a tick long without one
    events                   results, progress, notebook, system
    """
    moments = timeline.moments
    heard, said = timeline.heard(), timeline.words()
    lanes = {
        "user": list(units_by_words(heard, UTTERANCE_S)),
        "user words": _words(heard),
        "model": list(units_by_words(said, UTTERANCE_S)),
        "model words": _words(said),
        "typed": [Interval(m.start_s, m.start_s + TICK_S, m.percept.text) for m in moments if m.percept.text.strip()],
        "floor": _floor(moments),
        "calls": [
            Interval(start_s, end_s, f"{call.kind} {call.name}".strip()) for call, start_s, end_s in calls(moments)
        ],
        "events": [Interval(m.start_s, m.start_s, name_of(event)) for m in moments for event in m.percept.events],
    }
    ends = [one.end_s for lane in lanes.values() for one in lane]
    starts = [one.start_s for lane in lanes.values() for one in lane]
    end_s = max([timeline.end_s + (TICK_S if moments else 0.0), *ends])
    return in_order(lanes, min([timeline.start_s, *starts]), end_s)


def calls(moments: Iterable[Moment]) -> list[tuple[Call, float, float]]:
    """Every call with the time of its tick and of the tick that its result came in; without one, a tick later."""
    made: list[tuple[Call, float]] = []
    ended: dict[str, float] = {}
    for moment in moments:
        made += [(call, moment.start_s) for call in moment.act.calls]
        for event in moment.percept.events:
            if event.kind == "result" and event.call_id:
                ended.setdefault(event.call_id, moment.start_s)
    return [(call, at_s, max(ended.get(call.id, 0.0), at_s + TICK_S)) for call, at_s in made]


def name_of(event: Event) -> str:
    """An event in a few words: its text, or its kind."""
    return event.text or event.kind


def tidy(text: str) -> str:
    """One line without characters that XML 1.0 and UTF-8 have no place for."""
    return " ".join(_UNFIT.sub("", text).split())


def rows(intervals: Iterable[Interval], least_ms: int = 1) -> list[Row]:
    """Intervals in whole milliseconds, at least ``least_ms`` long, in as few rows as hold them without overlap.

    Formats whose tiers hold no two annotations at once get a second tier for words that overlap.
    """
    found: list[Row] = []
    for one in sorted(intervals, key=lambda one: (one.start_s, one.end_s)):
        start_ms = round(one.start_s * 1000)
        item = (start_ms, max(round(one.end_s * 1000), start_ms + least_ms), tidy(one.label))
        row = next((row for row in found if row[-1][1] <= start_ms), None)
        if row is None:
            found.append([item])
        else:
            row.append(item)
    return found


def numbered(name: str, number: int) -> str:
    """The name of the row ``number`` (from 0) of a lane."""
    return name if number == 0 else f"{name} ({number + 1})"


def _words(words: Iterable[Word]) -> list[Interval]:
    return [Interval(float(word.start_s), float(word.end_s), word.text) for word in words if word.text.strip()]


def _floor(moments: Iterable[Moment]) -> list[Interval]:
    runs: list[Interval] = []
    for moment in moments:
        floor, start_s, end_s = moment.act.floor, moment.act.starts_s, moment.act.ends_s
        if floor is Floor.LISTEN:
            continue
        if runs and runs[-1].label == floor and abs(runs[-1].end_s - start_s) < 1e-6:
            runs[-1] = Interval(runs[-1].start_s, end_s, str(floor))
        else:
            runs.append(Interval(start_s, end_s, str(floor)))
    return runs

"""Timelines that formats find hard: words that overlap, right-to-left, very long, with quotes, markup and controls."""

import numpy as np

from imkit.stream import Act, Call, Event, Floor, Moment, Percept, Provenance, Timeline, Word

RATE = 16_000
LONG = "Donaudampfschifffahrt" * 200
HEARD = [
    Word("שלום", 1.0, 1.4), Word("عليكم", 1.35, 1.8), Word('say "so"', 1.8, 2.0), Word("<b>&amp;", 2.0, 2.0),
    Word("日本語\nか", 2.1, 2.6),
]  # fmt: skip
SAID = [
    Word("well\x00", 3.0, 3.4), Word("😀", 3.2, 3.9), Word("a --> b", 4.0, 4.2), Word(LONG, 4.2, 4.9),
    Word("  ", 5.0, 5.1),
]  # fmt: skip


def hard_timeline(start=0, media=True):
    """6 s: the user sounds from 1.0 to 2.6 s, the model from 3.0 to 5.0 s; ticks 27 and 28 are lost."""
    timeline = Timeline(RATE) if media else Timeline(RATE, keep_media_s=0.2)
    shift = start / 5
    tone = (0.2 * np.sin(np.arange(3200) * 0.3)).astype(np.float32)
    frame = np.full((31, 40, 3), 90, np.uint8)
    for k in range(30):
        if k in (27, 28):
            continue
        index = start + k
        heard = [Word(w.text, w.start_s + shift, w.end_s + shift) for w in HEARD if k == 13]
        said = [Word(w.text, w.start_s + shift, w.end_s + shift) for w in SAID if k == 14]
        calls = (Call("tool", "c1", "plot", {"what": "price < 3"}, index),) if k == 12 else ()
        events = ()
        if k == 20:
            events = (Event("result", Provenance.TOOL, 'drawn: "ok"', "c1", {"ok": True}),)
        if k == 29:
            lost = Event("system", Provenance.MICROPHONE, "sound was lost", payload={"gap_ticks": 2})
            events = (lost, Event("notebook", Provenance.NOTEBOOK, "", payload={"cell": 3}))
        percept = Percept(
            index,
            tone * (5 <= k < 13),
            (frame,) if k == 3 else (),
            "and <i>typed</i>" if k == 25 else "",
            events=events,
        )
        floor = Floor.SPEAK if 14 <= k < 24 else Floor.LISTEN
        act = Act(index, tone * (14 <= k < 24), floor, tuple(said), tuple(heard), calls)
        timeline.append(Moment(percept, act, compute_ms=12.5, late=k == 7))
    return timeline

"""A made-up conversation with something in every lane."""

import numpy as np

from imkit.stream import Act, Call, Event, Floor, Moment, Percept, Provenance, Timeline, Word

RATE = 16_000


def example_timeline(ticks=90, start=0):
    rng = np.random.default_rng(0)
    asked = ["can", "you", "please", "plot", "the", "price", "against", "the", "area", "of", "each", "house"]
    said = ["sure", "one", "moment", "here", "is", "the", "chart", "of", "price", "against", "area"]
    timeline = Timeline(RATE)
    for index in range(start, start + ticks):
        k = index - start
        talking, speaking = 3 <= k < 3 + len(asked) * 1.4, 24 <= k < 30 or 52 <= k < 70
        hum = np.abs(np.sin(np.arange(3200) / 3200 * np.pi * 2)) if talking or speaking else 0.003
        user = (rng.normal(size=3200) * 0.12 * hum).astype(np.float32) if not speaking else np.zeros(3200, np.float32)
        own = (rng.normal(size=3200) * 0.15 * hum * speaking).astype(np.float32)
        n = round((k - 3) / 1.4)
        heard = ()
        if talking and 0 <= n < len(asked) and round((k - 4) / 1.4) != n:
            heard = (Word(asked[n], index / 5, (index + 1.4) / 5),)
        words = ()
        if 24 <= k < 30 and k % 2 == 0:
            words = (Word(said[(k - 24) // 2], (index + 1) / 5, (index + 2.8) / 5),)
        if 52 <= k < 68 and k % 2 == 0:
            words = (Word(said[3 + (k - 52) // 2], (index + 1) / 5, (index + 2.8) / 5),)
        floor = Floor.SPEAK if speaking else Floor.BACKCHANNEL if 14 <= k < 17 else Floor.LISTEN
        calls = (Call("delegate", "c1", "plot", {"request": "plot <price> & area"}, index),) if k == 23 else ()
        surface = {"id": "c1", "title": "price against area", "kind": "chart", "spec": {}}
        events = ()
        if k == 50:
            payload = {"ok": True, "topic": "plot", "surface": surface}
            events = (Event("result", Provenance.BACKGROUND, "Here is </script> the chart", "c1", payload),)
        if k == 40:
            events = (Event("notebook", Provenance.NOTEBOOK, "cell 3 finished"),)
        if k == 75:
            events = (Event("system", Provenance.MICROPHONE, "sound was lost", payload={"gap_ticks": 2}),)
        frame = np.full((48, 64, 3), (k * 3) % 255, np.uint8)
        frame[10:38, 20:44] = (220, 60, 60)
        percept = Percept(
            index, user, (frame,) if 30 <= k < 60 else (), "and the 2 <b>largest</b>" if k == 72 else "", events=events
        )
        ms = 25 + 8 * rng.random() + (215 if k == 44 else 0)
        act = Act(index, own, floor, words, heard, calls)
        timeline.append(Moment(percept, act, compute_ms=ms, late=ms > 200))
    return timeline

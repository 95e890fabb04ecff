"""Generated lines are held to 500 at once and 100 a second in a session, live and in virtual time."""

from __future__ import annotations

import time

from fakes import FakeModel

from imkit.background import Answer, Desk, Task
from imkit.capture import Script
from imkit.session import Session


class Floods:
    """A background model that shows the same panel twenty times, each time with 100 lines."""

    def answer(self, task: Task, desk: Desk) -> Answer:
        for part in range(20):
            lines = [[f"a{n}", "heading", {"text": f"part {part}"}, []] for n in range(100)]
            desk.show({"id": "flood", "title": "Flood", "components": lines})
        return Answer("done")


def test_in_virtual_time_a_flood_is_cut_by_the_ticks() -> None:
    with Session(FakeModel(), Floods(), namespace={}) as session:
        for _ in range(2):  # a run begins anew, its clock too
            session.run(Script([{"t": 0.2, "text": "plot it"}]), tail_s=2.0)
            (surface,) = session.surfaces
            faults = [one for one in surface.layout.components.values() if one.kind == "fault"]
            assert ["faster" in str(one.props) for one in faults] == [True]
            texts = {one.props["text"] for one in surface.components.values() if one.kind == "heading"}
            assert texts == {"part 4"}
        assert session.stats()["dropped_surface_lines"] == 2 * 1500


def test_live_too() -> None:
    with Session(FakeModel(), Floods(), namespace={}) as session:
        session.say("plot it")
        session.start()
        end_s = time.monotonic() + 30
        while not session.stats()["dropped_surface_lines"]:
            assert time.monotonic() < end_s, session.stats()
            time.sleep(0.02)

"""A session with a page whose model, socket and recorder are in a child process of the kernel."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeModel
from fakes_apart import Said, Timed, hold, running, until
from fakes_page import opened

from imkit.notebook.apart.link import LinkApart
from imkit.notebook.codec import Kind, decode, encode, json_frame
from imkit.notebook.live import LiveSession
from imkit.notebook.roads import CommRoad
from imkit.probe import ProbeError
from imkit.recordings import RecordingError, open_recording, replay
from imkit.session import State

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def test_sound_flows_between_page_and_model_while_the_kernel_is_held() -> None:
    down: list[Any] = []
    with LiveSession(Timed(), namespace={}, isolate=True) as session:
        link = LinkApart(session, CommRoad(lambda data: down.append(decode(data, upward=False))))
        lane = link.join(session._place)  # type: ignore[arg-type]
        session._outlets.page = link
        session.on_state(lambda *_: link.state_changed())
        address = lane.address()
        assert address is not None
        page = opened(address, 6.0)
        assert page.stdout is not None
        assert page.stdout.readline() == b"live\n"
        assert until(lambda: len(session.timeline) > 2)
        assert link.stats()["lane"] == "socket"
        begins_s = time.monotonic()
        hold(2)
        ends_s = time.monotonic()
        got = json.loads(page.stdout.readline())
        page.wait()
        page.stdout.close()
        assert until(lambda: session.state is State.STOPPED)  # the page's Stop

        def during(kind: str, told: str = "") -> int:
            return sum(one[0] == kind and one[3] == told and begins_s + 0.01 < one[1] < ends_s - 0.01 for one in got)

        assert during("MOMENT") >= 4
        assert during("SPEECH") >= 1
        assert during("CONTROL_DOWN", "pong") >= 1
        told = [one[2] for one in got if one[0] == "MOMENT"]
        assert [moment.index for moment in session.timeline][: len(told)] == list(range(len(told)))
        assert session.ledger.counts().sent == 3200 * sum(one[0] == "SPEECH" for one in got)
        assert session.stats()["audio_ticks"] > 20
        assert {"hello", "there"} == {word.text for word in session.timeline.words()}
        link.close()
        lane.close()


def test_a_page_on_the_comm_is_heard_too() -> None:
    down: list[Any] = []
    with LiveSession(FakeModel(), namespace={}, isolate=True) as session:
        link = LinkApart(session, CommRoad(lambda data: down.append(decode(data, upward=False))))
        session._outlets.page = link

        def say(kind: Kind, message: dict[str, Any]) -> None:
            link.receive(encode(json_frame(kind, message)))

        for message in ({"type": "hello", "page_session": "p"}, {"type": "lease", "take": True}, {"type": "start"}):
            say(Kind.CONTROL_UP, {**message, "view": "v1"})
        assert until(lambda: session.live)
        say(Kind.TEXT, {"draft": "hel"})
        say(Kind.TEXT, {"text": "hello"})
        assert until(lambda: any(frame.kind is Kind.SPEECH for frame in down))
        assert until(lambda: session.stats()["sent_s"] == 0.2)
        say(Kind.CONTROL_UP, {"type": "played", "epoch": session.epoch, "samples": 3200})
        assert until(lambda: session.stats()["played_s"] == 0.2)
        assert [word.text for word in session.ledger.heard_words()] == ["hello"]
        link.close()


def test_it_records_there_and_what_is_killed_can_be_opened(tmp_path: Path) -> None:
    with LiveSession(Timed(), source=Said(1000, {1: "hello there"}), isolate=True, namespace={}) as session:
        session.run(Said(20, {1: "hello there friend"}, loud=(3,)), record=tmp_path / "run")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine.txt").write_text("mine")
        with pytest.raises(RecordingError, match="full"):
            session.record(tmp_path / "full")
        with pytest.raises(ProbeError, match="isolate=True"):
            session.capture()
        recording = session.record(tmp_path / "killed")
        session.start()
        assert until(lambda: recording.counts.get("moments", 0) >= 8)
        assert session.stats()["recording"].startswith("recording sound")
        pid = session._place.host.process.pid  # type: ignore[attr-defined]
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: session.state is State.STOPPED)
        assert "SIGKILL" in session.reason
        assert recording.over
        assert session.stats()["recording"] == ""
        assert len(open_recording(tmp_path / "killed").timeline()) >= 7
        session.stop_recording()
        with session.record(tmp_path / "again") as again:
            session.start()
            assert until(lambda: again.counts.get("moments", 0) >= 5)
            assert again.forget(last_s=0.4) == 2
        assert again.state == "closed"
    assert replay(open_recording(tmp_path / "run"), FakeModel()).same
    assert not running(pid)

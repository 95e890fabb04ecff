"""The browser as a source: a thread-safe, bounded inbox that the transport fills and the loop reads, a tick at a time.

The browser's sample count is the clock. While it captures nothing, because nobody pressed Start or a permission was
refused, typed text runs a clock of the kernel for a while, so that a conversation in writing needs no microphone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_SAMPLES, TICK_S, ContractError, Event, Percept, Provenance, SourceError

from .clock import SourceClock, elapsed_s

MAX_GAP_TICKS: Final = 3600 * 5
KEEP_TICKS: Final = 5
KEEP_FRAMES: Final = 4
KEEP_TEXTS: Final = 64
KEEP_EVENTS: Final = 64
QUIET_S: Final = 0.6
WRITING_S: Final = 60.0
LONGEST_GAP_TICKS: Final = 300
_FRAMES_A_TICK: Final = 2
_EARLY_S: Final = 0.02


class BrowserSource:
    """Microphone, camera and keyboard of one page.

    All ``put_`` methods return at once and may be called from any thread; ``read`` and ``wait`` belong to the loop.
    What does not fit is dropped by rule and counted in ``counts``: of sound the oldest tick (the next percept then says
    so in an event), of pictures all but the newest, of texts and events the newest arrival. Of the sound that arrived
    (``audio_ticks``) each tick is read, dropped, or ``unheard_audio_ticks``: it came while no session was open, or
    waited when one closed. What comes between Start (``expect``) and the session's ``open`` is a loss, and told.

    A page that slept or was cut off while its count stood still (``pauses``) is told like lost sound, about a second
    after it is back: as so many lost ticks, at most 300, and with how long it was in ``paused_s``. Ticks that typed
    text ran meanwhile were lived, and are not lost.
    """

    clocked: bool = True
    provenance: Provenance = Provenance.MICROPHONE

    def __init__(self, clock: Callable[[], float] = elapsed_s) -> None:
        self._clock = clock
        self.sound_clock = SourceClock()
        """The page's count of samples against the kernel's clock."""
        self._fresh = Condition()
        self._ticks: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._frames: deque[tuple[float, bytes]] = deque()
        self._texts: deque[str] = deque()
        self._events: deque[Event] = deque()
        self._draft = ""
        self._open = self._closed = self._awaited = False
        self._unopened = 0
        self._expected_seq = 0
        self._gap_ticks = 0
        self._paused_s = 0.0
        self._written = self._lived_asleep = 0
        self._heard_from_s = float("-inf")
        self._writing_until_s = float("-inf")
        self._due_s = 0.0
        self.last_seq = -1
        self.counts: dict[str, int] = {
            "audio_ticks": 0,
            "dropped_audio_ticks": 0,
            "missing_audio_ticks": 0,
            "late_audio_ticks": 0,
            "wild_audio_ticks": 0,
            "unheard_audio_ticks": 0,
            "dropped_frames": 0,
            "bad_frames": 0,
            "dropped_texts": 0,
            "dropped_events": 0,
            "pauses": 0,
        }

    # what the transport calls

    def expect(self) -> None:
        """A person pressed Start: a session is about to open, and sound from here on is meant for it."""
        with self._fresh:
            self._awaited = True
            if not self._open:
                self._expected_seq = self._unopened = self._gap_ticks = 0

    def put_audio(self, seq: int, pcm: NDArray[np.float32], gap: bool = False) -> None:
        """One tick of sound, float32 [3200] at 16 kHz. ``seq`` counts from 0 at every start of the capture.

        ``gap``: the browser lost sound just before this tick. Ticks that come twice, late, or more than an hour ahead
        (which would move the clock for good) are counted and dropped.
        """
        if pcm.shape != (INPUT_SAMPLES,):
            raise ContractError(f"browser audio {seq}: shape {pcm.shape}, expected ({INPUT_SAMPLES},) at 16 kHz")
        with self._fresh:
            if seq == 0:
                self.sound_clock.begin()
                self._leave_unheard()
                self._unopened = 0
                self._frames.clear()
            elif seq < self._expected_seq:
                self.counts["late_audio_ticks"] += 1
                return
            elif seq > self._expected_seq + MAX_GAP_TICKS and (self.counts["audio_ticks"] or self._awaited):
                self.counts["wild_audio_ticks"] += 1
                return
            else:
                missing = seq - self._expected_seq if self.counts["audio_ticks"] or self._awaited else 0
                self.counts["missing_audio_ticks"] += missing
                self._gap_ticks += max(missing - self._written, 1) if missing else int(gap)
                self._lived_asleep += 0 if missing else self._written
            self._expected_seq, self._written = seq + 1, 0
            self._heard_from_s = self._clock()
            self._due_s = self._heard_from_s + TICK_S  # where typed text goes on from, if no sound comes any more
            self._note_pause(self.sound_clock.note((seq + 1) * TICK_S, self._heard_from_s))
            self.counts["audio_ticks"] += 1
            self._ticks.append((seq, np.ascontiguousarray(pcm, np.float32)))
            while len(self._ticks) > (KEEP_TICKS if self._open else 1):
                if not self._open:
                    self._leave_unheard(1)
                    continue
                self._ticks.popleft()
                self.counts["dropped_audio_ticks"] += 1
                self._gap_ticks += 1
            self._fresh.notify_all()

    def put_frame(self, jpeg: bytes, time_s: float) -> None:
        """A JPEG picture and when it was taken, in seconds on the clock of the sound. Decoded when it is read."""
        with self._fresh:
            self._frames.append((time_s, jpeg))
            while len(self._frames) > KEEP_FRAMES:
                self._frames.popleft()
                self.counts["dropped_frames"] += 1

    def put_text(self, text: str) -> None:
        """A text that was sent. It ends the draft."""
        with self._fresh:
            if len(self._texts) >= KEEP_TEXTS:
                self.counts["dropped_texts"] += 1
                return
            self._texts.append(text)
            self._draft = ""
            now_s = self._clock()
            if now_s >= self._writing_until_s:
                self._due_s = now_s
            self._writing_until_s = now_s + WRITING_S
            self._fresh.notify_all()

    def put_draft(self, text: str) -> None:
        """What is typed by now and not sent."""
        with self._fresh:
            self._draft = text

    def put_event(self, event: Event) -> None:
        """Anything else that happened in the page: a click on a generated control, for one."""
        with self._fresh:
            if len(self._events) >= KEEP_EVENTS:
                self.counts["dropped_events"] += 1
                return
            self._events.append(event)

    def silence(self) -> None:
        """The page stopped capturing: forget what was not read, and let written text keep time again."""
        with self._fresh:
            self._leave_unheard()
            self._frames.clear()
            self._heard_from_s = float("-inf")
            self.sound_clock.begin()

    # what the loop calls

    @property
    def ended(self) -> bool:
        """True once closed: a browser can always come back."""
        return self._closed

    @property
    def lost_ticks(self) -> int:
        """Ticks of sound that never arrived or came too fast to be taken."""
        return self.counts["dropped_audio_ticks"] + self.counts["missing_audio_ticks"]

    def take_texts(self) -> list[str]:
        """Texts that wait, taken out: for a session that plays something else instead."""
        with self._fresh:
            texts = list(self._texts)
            self._texts.clear()
            return texts

    def take_events(self) -> list[Event]:
        """Events that wait, taken out, as ``take_texts``."""
        with self._fresh:
            events = list(self._events)
            self._events.clear()
            return events

    def open(self) -> None:
        """Take part in a session; sound from before is forgotten, text is not.

        Sound since Start, if that was what opened it, was lost to the session: it is counted, and the first percept
        says how much.
        """
        with self._fresh:
            lost = self._unopened if self._awaited else 0
            self.counts["unheard_audio_ticks"] -= lost
            self.counts["dropped_audio_ticks"] += lost
            self._gap_ticks = lost + (self._gap_ticks if self._awaited else 0)
            self._open, self._closed, self._awaited, self._unopened = True, False, False, 0

    def close(self) -> None:
        """Let go of everything that waits, and wake whoever waits. May be called twice, and opened again."""
        with self._fresh:
            self._open, self._closed = False, True
            self._unopened = 0
            self._leave_unheard()
            for queue in (self._frames, self._texts, self._events):
                queue.clear()
            self._draft = ""
            self._gap_ticks, self._paused_s = 0, 0.0
            self._writing_until_s = float("-inf")
            self._fresh.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Block until a tick is complete, at most ``timeout_s`` seconds; True when one is."""
        end_s = self._clock() + timeout_s
        with self._fresh:
            while not self._ready() and not self._closed:
                now_s = self._clock()
                if now_s >= end_s:
                    return False
                self._fresh.wait(min(end_s, self._next_due_s(now_s)) - now_s)
            return not self._closed

    def read(self, index: int) -> Percept | None:
        """The percept of tick ``index``, None while it is not complete."""
        with self._fresh:
            if not self._ready():
                return None
            if self._ticks:
                seq, audio = self._ticks.popleft()
                self.last_seq = seq
                jpegs = self._frames_until((seq + 1) * TICK_S + _EARLY_S)
            else:
                audio, jpegs = np.zeros(INPUT_SAMPLES, np.float32), []
                self._due_s += TICK_S
                self._written += 1
            text = "\n".join(self._texts)
            self._texts.clear()
            events = tuple(self._events)
            self._events.clear()
            gap_ticks, self._gap_ticks = self._gap_ticks, 0
            paused_s, self._paused_s = self._paused_s, 0.0
            draft = self._draft
        if gap_ticks:
            lost: dict[str, Any] = {"gap_ticks": gap_ticks}
            text_of_gap = f"{gap_ticks * TICK_S:.1f} s of sound were lost before this"
            if paused_s:
                lost["paused_s"] = round(paused_s, 1)
                text_of_gap += f"; the page slept or was cut off for {paused_s:.1f} s"
            events = (Event("system", Provenance.MICROPHONE, text_of_gap, payload=lost), *events)
        frames = tuple(picture for picture in map(self._decoded, jpegs) if picture is not None)
        return Percept(index, audio, frames, text, draft, events)

    def _note_pause(self, paused_s: float) -> None:
        """The page's count stood still for so long. With the lock held."""
        if paused_s and self._open:
            self.counts["pauses"] += 1
            self._paused_s += paused_s
            self._gap_ticks += min(max(round(paused_s / TICK_S) - self._lived_asleep, 1), LONGEST_GAP_TICKS)
        if not self.sound_clock.late:
            self._lived_asleep = 0

    def _leave_unheard(self, ticks: int | None = None) -> None:
        """Lets go of the oldest ticks, of all where no number is given, that nobody will hear. With the lock held."""
        for _ in range(len(self._ticks) if ticks is None else ticks):
            self._ticks.popleft()
            self.counts["unheard_audio_ticks"] += 1
            self._unopened += 1

    def _ready(self) -> bool:
        """Whether a tick is complete. With the lock held."""
        if not self._open:
            return False
        return bool(self._ticks) or self._clock() >= self._next_due_s(self._clock())

    def _next_due_s(self, now_s: float) -> float:
        """When the kernel's own clock gives the next tick; never, while the page captures or nobody wrote."""
        if now_s >= self._writing_until_s:
            return float("inf")
        if now_s < self._heard_from_s + QUIET_S:
            return self._heard_from_s + QUIET_S
        self._due_s = max(self._due_s, now_s - KEEP_TICKS * TICK_S)
        return self._due_s

    def _frames_until(self, time_s: float) -> list[bytes]:
        taken = [jpeg for at_s, jpeg in self._frames if at_s <= time_s]
        kept = [item for item in self._frames if item[0] > time_s]
        self._frames = deque(kept)
        self.counts["dropped_frames"] += max(0, len(taken) - _FRAMES_A_TICK)
        return taken[-_FRAMES_A_TICK:]

    def _decoded(self, jpeg: bytes) -> NDArray[np.uint8] | None:
        """uint8 [height, width, 3], at most 320 px wide and high; None, counted, when it is no picture."""
        import av

        from .picture import rgb_of

        try:
            decoder: Any = av.CodecContext.create("mjpeg", "r")
            return rgb_of(decoder.decode(av.Packet(jpeg))[0])
        except (av.error.FFmpegError, ValueError, IndexError, MemoryError):
            self.counts["bad_frames"] += 1
            return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._ticks)} ticks waiting, {self.counts['audio_ticks']} heard)"


class MediaStreamSource(BrowserSource):
    """A ``MediaStream`` widget of ipywebrtc in place of the page's own microphone and camera.

    ``widget`` is, say, ``ipywebrtc.CameraStream()`` or ``VideoStream.from_file("talk.mp4")``. The front end asks
    the widget for its stream, clones the tracks and sends them like a microphone; it never stops the widget's own.
    """

    def __init__(self, widget: Any, clock: Callable[[], float] = elapsed_s) -> None:
        if "MediaStream" not in {base.__name__ for base in type(widget).__mro__} or not hasattr(widget, "model_id"):
            raise SourceError(
                type(widget).__name__,
                "is no MediaStream widget of ipywebrtc.",
                "Pass ipywebrtc.CameraStream(), AudioStream, VideoStream, ImageStream or WidgetStream.",
            )
        super().__init__(clock)
        self.widget = widget

    def __repr__(self) -> str:
        return f"MediaStreamSource({type(self.widget).__name__})"

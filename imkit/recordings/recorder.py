"""A session as a folder of plain files, written while it runs."""

from __future__ import annotations

import errno
import json
import platform
import threading
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from imkit.stream import (
    INPUT_RATE,
    INPUT_SAMPLES,
    TICK_S,
    TICKS_PER_S,
    Fates,
    Moment,
    OpenConfig,
    Percept,
    Timeline,
    plain,
    samples_per_tick,
)
from imkit.stream.outline import Side

from .consent import Consent
from .errors import RecordingError
from .exact import exact, is_exact, jpeg_of, pcm_of
from .files import Appended, flac_of, prepared
from .forget import forget_from
from .journal import Part, Segment, read_journal, sealed
from .layout import (
    EVENTS,
    FORMAT,
    HEADER,
    JOURNAL,
    MACHINE,
    MAX_LINE_BYTES,
    MODEL,
    SEGMENT_TICKS,
    TAIL,
    USER,
    VERSION,
    created,
    frame_name,
    levels_name,
    read_bytes,
    remove,
    replace_file,
    sound_name,
    write_all,
)
from .levels import levels_of
from .sounded import Sounded
from .tail import TailTick, max_bytes, read_ticks

SYNC_S = 1.0
MAX_ADMITTED = 256


class Recorder:
    """Writes a session into ``folder``: ``put`` every moment, then ``close``. Made only by somebody's say, ``consent``.

    A session whose ``tap`` it is gives the model exactly what the recording gives back later, so that it can be run
    again to the byte; moments that come from elsewhere (``record``) are rounded, and that is counted.

    What was put survives a kill of the process; what is older than a second survives the machine's (fsync once a
    second, and whenever 30 s became files of their own). In memory are the newest 30 s of sound and nothing else.
    When the disk takes no more, moments are lost and counted in ``counts["lost"]``, ``state`` says why, and it is tried
    again with every tick: nothing is raised, so that the session goes on.

    output_rate   of the model's sound, in Hz
    facts         what else ``session.json`` should say, JSON values
    frames, acts  keep pictures; keep what acts tell besides (``diagnostics``: logits, where a model gives them)
    force         write into a folder that holds something; only files of a recording are replaced
    fates         gives what is known of what was sent and played, or None
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        output_rate: int,
        model: str = "",
        seed: int = 0,
        facts: Mapping[str, Any] | None = None,
        consent: Consent | None = None,
        frames: bool = True,
        acts: bool = False,
        force: bool = False,
        fates: Callable[[], Fates | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tick_samples = samples_per_tick(output_rate)
        self.output_rate = output_rate
        self.folder = prepared(folder, force=force)
        self.frames, self.acts = frames, acts
        self.counts: Counter[str] = Counter()
        """moments, frames, rounded (put without being admitted), lost, frames_lost (of slow disks), forgotten."""
        self.stopped = ""
        """Why the recording is not whole; set it before ``close``."""
        self.state = "recording"
        """recording, "failing: ..." while the disk takes nothing, closed or deleted."""
        self._clock = clock
        self._lock = threading.RLock()
        self._admitted: OrderedDict[int, tuple[bytes, ...]] = OrderedDict()
        self._ticks: list[TailTick] = []
        self._owed: list[bytes] = []
        self._lost = (0, 0, "")
        self._next = 0
        self._sounded = Sounded(fates)
        given = consent or Consent("Recorder()")
        if not frames:
            given = replace(given, streams=tuple(name for name in given.streams if name != "pictures"))
        self.consent = given
        head = {
            "format": FORMAT,
            "version": VERSION,
            "model": model,
            "seed": seed,
            "tick_s": TICK_S,
            "input_rate": INPUT_RATE,
            "output_rate": output_rate,
            "began": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "machine": {"python": platform.python_version(), "platform": platform.platform()},
            **(facts or {}),
        }
        try:
            self._files = {JOURNAL: Appended(self.folder / JOURNAL)}
            self._note("consent", given.to_json())
            replace_file(self.folder / HEADER, (json.dumps(head, indent=1, sort_keys=True) + "\n").encode())
            self._files |= {name: Appended(self.folder / name) for name in (EVENTS, MACHINE, TAIL)}
        except OSError as error:
            raise RecordingError(f"{self.folder}: cannot be written: {error.strerror or error}.") from error
        self._synced_s = self._clock()

    # --- what a session calls

    def opened(self, index: int, config: OpenConfig, epoch: int) -> None:
        """From tick ``index`` on a fresh state of the model is stepped."""
        value = {"seed": config.seed, "tools": list(config.tools), "options": plain(config.options)}
        with self._lock:
            self._owed.append(sealed("opened", {"tick": index, "epoch": epoch, **value}))

    def admit(self, percept: Percept) -> Percept:
        """The percept as it will be stored; give the model this one."""
        percept, jpegs = exact(percept, frames=self.frames)
        self._admitted[percept.index] = jpegs
        while len(self._admitted) > MAX_ADMITTED:
            self._admitted.popitem(last=False)
        return percept

    def put(self, moment: Moment, *, pictures: bool = True) -> None:
        """Append one moment, without its pictures where there is no time for them.

        Raises RecordingError when closed, and for a moment that is not newer than the last.
        """
        with self._lock:
            if self.state in {"closed", "deleted"}:
                raise RecordingError(f"{self.folder}: the recording is closed; open a new one for further moments.")
            if moment.index < self._next:
                raise RecordingError(
                    f"{self.folder}: tick {moment.index} is not newer than tick {self._next - 1}; a session that "
                    "begins anew needs a recording of its own."
                )
            self._next = moment.index + 1
            try:
                self._write(moment, pictures)
                self.state = "recording"
            except OSError as error:
                self._take_back(moment.index)
                self.missed(moment.index, 1, error.strerror or str(error))
                return
            try:
                self._sync()
            except OSError as error:
                self.state = f"failing: {error.strerror or error}; what was written may not be on the disk"

    def missed(self, index: int, moments: int, why: str) -> None:
        """So many moments from tick ``index`` on were not written; the journal will say so."""
        with self._lock:
            for file in self._files.values():
                file.roll_back()
            first, before, _ = self._lost
            self._lost = (first if before else index, before + moments, why[:200])
            self._next = max(self._next, index + moments)
            self.counts["lost"] += moments
            self.state = f"failing: {why[:200]}; {self.counts['lost']} moments were not written"

    def flush(self, epoch: int) -> None:
        """A new epoch began: what was generated stays in the recording, so there is nothing to drop."""

    def forget(self, last_s: float) -> int:
        """Deletes the newest ``last_s`` seconds from all files, and returns how many ticks those were.

        What was derived from them lives on elsewhere: in the model's own memory, in the session's timeline, in a later
        result of delegated work. Raises RecordingError when it cannot be done.
        """
        with self._lock:
            if self.state == "deleted":
                return 0
            ticks = self._next - max(0, self._next - round(last_s * TICKS_PER_S))
            closed = self.state == "closed"
            try:
                self._note_owed()
                for file in self._files.values():
                    file.close()
                forget_from(self.folder, self._next - ticks, self.output_rate)
            except OSError as error:
                raise RecordingError(f"{self.folder}: could not be forgotten: {error.strerror or error}.") from error
            finally:
                if not closed:
                    self._resume()
            self.counts["forgotten"] += ticks
            return ticks

    def delete(self) -> None:
        """Stops, and deletes every file of the recording, and the folder when nothing else is in it."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._ticks, self.state = [], "deleted"
            remove(self.folder)

    def close(self) -> None:
        """Finish all files. May be called twice."""
        with self._lock:
            if self.state in {"closed", "deleted"}:
                return
            try:
                if self._ticks:
                    self._fold()
                self._note_owed()
                when, played = datetime.now(UTC).isoformat(timespec="seconds"), self._sounded.rest()
                self._note("closed", {"when": when, "stopped": self.stopped, "played": played})
            except OSError as error:
                self.stopped = self.stopped or f"could not be closed: {error.strerror or error}"
            self.state = "closed"
            for file in self._files.values():
                file.close()

    # --- inside

    def _write(self, moment: Moment, pictures: bool) -> None:
        if self._ticks and moment.index >= self._ticks[0].tick + SEGMENT_TICKS:
            self._fold()
        self._note_owed()
        percept, act = moment.percept, moment.act
        pcm = pcm_of(percept.audio)
        jpegs = self._admitted.pop(moment.index, None)
        rounded = not is_exact(percept, pcm) or (jpegs is None and self.frames and bool(percept.frames))
        if not pictures:
            self.counts["frames_lost"] += len(percept.frames if self.frames else ())
            jpegs = ()
        elif jpegs is None:
            jpegs = tuple(map(jpeg_of, percept.frames)) if self.frames else ()
        told = {"i": moment.index, "ms": moment.compute_ms, "late": moment.late, **self._sounded.of(moment)}
        if rounded:
            told["rounded"] = True
        if act.diagnostics.get("eager"):
            told["inside"] = list(map(str, act.diagnostics.get("hooks", ())))
        if self.acts:
            told["act"] = plain(act.diagnostics)
        line = (json.dumps(moment.to_json(), sort_keys=True) + "\n").encode()
        machine = (json.dumps(told, sort_keys=True) + "\n").encode()
        if max(len(line), len(machine)) > MAX_LINE_BYTES:
            raise OSError(errno.EFBIG, f"its line is longer than {MAX_LINE_BYTES} bytes")
        said = pcm_of(act.audio) if moment.has_media else np.zeros(self._tick_samples, "<i2")
        frames = tuple(map(Part.of, jpegs))
        one = TailTick(moment.index, zlib.crc32(line), zlib.crc32(machine), pcm, said, frames)
        for number, jpeg in enumerate(jpegs):
            with created(self.folder / frame_name(moment.index, number)) as file:
                write_all(file.fileno(), jpeg)
        for name, content in ((EVENTS, line), (MACHINE, machine), (TAIL, one.to_bytes())):
            self._files[name].append(content)
        for name in (EVENTS, MACHINE, TAIL):
            self._files[name].commit()
        self._ticks.append(one)
        self.counts["moments"] += 1
        self.counts["frames"] += len(jpegs)
        self.counts["rounded"] += rounded

    def _take_back(self, index: int) -> None:
        """Nothing is left of a moment that could not be written whole."""
        for number in range(2):
            (self.folder / frame_name(index, number)).unlink(missing_ok=True)

    def _note(self, kind: str, value: Mapping[str, Any]) -> None:
        file = self._files[JOURNAL]
        file.append(sealed(kind, value))
        file.sync()
        file.commit()

    def _note_owed(self) -> None:
        """Journal lines that wait for a moment that can be written."""
        file = self._files[JOURNAL]
        if self._lost[1]:
            first, moments, why = self._lost
            file.append(sealed("lost", {"from": first, "moments": moments, "why": why}))
        for line in self._owed:
            file.append(line)
        file.commit()
        self._owed, self._lost = [], (0, 0, "")

    def _fold(self) -> None:
        """The tail becomes a segment: sound files first, then its line in the journal, then the tail is emptied."""
        ticks = self._ticks
        first, count = ticks[0].tick, ticks[-1].tick + 1 - ticks[0].tick
        user = np.zeros((count, INPUT_SAMPLES), "<i2")
        model = np.zeros((count, self._tick_samples), "<i2")
        for one in ticks:
            user[one.tick - first], model[one.tick - first] = one.user, one.model
        sounds: dict[str, Part] = {}
        outlines: dict[str, Part] = {}
        sides: tuple[tuple[Side, NDArray[np.int16], int], ...] = (
            ("user", user, INPUT_RATE),
            ("model", model, self.output_rate),
        )
        for side, pcm, rate in sides:
            files = {
                sound_name(side, first): flac_of(pcm.reshape(-1), rate),
                levels_name(side, first): levels_of(pcm, side),
            }
            for place, content in files.items():
                replace_file(self.folder / place, content)
            sounds[side], outlines[side] = map(Part.of, files.values())
        events, machine = self._files[EVENTS].since_mark(), self._files[MACHINE].since_mark()
        frames = tuple((one.tick, number, part) for one in ticks for number, part in enumerate(one.frames))
        levels = outlines[USER], outlines[MODEL]
        segment = Segment(first, count, len(ticks), sounds[USER], sounds[MODEL], events, machine, frames, *levels)
        for name in (EVENTS, MACHINE):
            self._files[name].sync()
        self._note("segment", segment.to_json())
        self._files[TAIL].clear()
        for name in (EVENTS, MACHINE):
            self._files[name].mark()
        self._ticks = []

    def _sync(self) -> None:
        now_s = self._clock()
        if now_s - self._synced_s >= SYNC_S:
            self._synced_s = now_s
            for file in self._files.values():
                file.sync()

    def _resume(self) -> None:
        """Goes on with what is on the disk."""
        self._sounded.again()
        self._files = {name: Appended(self.folder / name, again=True) for name in self._files}
        journal = read_journal(self.folder)
        self._files[EVENTS].mark_at(sum(one.events.size for one in journal.segments))
        self._files[MACHINE].mark_at(sum(one.machine.size for one in journal.segments))
        tail = read_bytes(self.folder, TAIL, max_bytes(self.output_rate))
        self._ticks = list(read_ticks(tail, self.output_rate))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        seconds = self.counts["moments"] / TICKS_PER_S
        return f"Recorder({str(self.folder)!r}, {self.state}, {seconds:.1f} s, {self.counts['frames']} pictures)"


def record(timeline: Timeline, folder: str | Path, *, model: str = "", seed: int = 0, force: bool = False) -> Path:
    """Writes what a timeline still holds into ``folder`` and returns it. Sound it has let go of is silence."""
    consent = Consent("record(timeline)")
    rate = timeline.output_rate
    fates = timeline.fates
    with Recorder(
        folder, output_rate=rate, model=model, seed=seed, force=force, consent=consent, fates=lambda: fates
    ) as recorder:
        for moment in timeline:
            recorder.put(moment)
    return recorder.folder

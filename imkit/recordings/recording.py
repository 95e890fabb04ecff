"""A recording that was opened: facts, words, events, and a timeline whose sound is read when it is asked for."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imkit.session import Origin, Snapshots
from imkit.stream import TICKS_PER_S, Event, Moment, OpenConfig, Timeline, Utterance, Word

from .errors import RecordingError
from .forget import forget_from
from .layout import HEADER, MODEL, USER, remove
from .media import Media
from .reading import Content, read_content

FOREVER_S = 1e9
COMES_WITH_IMKIT = frozenset({"nano", "cascade"})


class RecordedTimeline(Timeline):
    """A timeline that keeps every moment of a recording and none of its sound: each tick's is read where it is used."""

    def __init__(self, output_rate: int, moments: list[Moment]) -> None:
        super().__init__(output_rate, keep_frames_s=FOREVER_S, keep_media_s=FOREVER_S, keep_s=FOREVER_S)
        self._moments = list(moments)


class Recording:
    """The folder of a recording, read. Everything but sound and pictures was checked and is in memory.

    Sound and pictures are read, checked and decoded where they are used, half a minute at a time. What is damaged there
    raises RecordingError then; ``verify`` looks at all of it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.abspath(Path(path).expanduser()))
        self._content = self._read()

    def _read(self) -> Content:
        try:
            return read_content(self.path)
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be read: {error.strerror or error}.") from error

    # --- what it holds

    @property
    def facts(self) -> dict[str, Any]:
        """What the header says, and: consent, start_s, duration_s, complete, stopped, bytes, forgotten_s, counts."""
        content, moments = self._content, self._content.moments
        journal = content.journal
        ticks = moments[-1].index + 1 - moments[0].index if moments else 0
        closed = journal.closed or {}
        stopped = str(closed.get("stopped", ""))
        if journal.closed is None:
            cut = f", and its newest {content.behind} ticks are missing" if content.behind > 1 else ""
            stopped = f"it was not closed{cut}"
        lost = sum(number for _, number, _ in journal.lost)
        streams = journal.consent.get("streams")
        pictured = isinstance(streams, list) and "pictures" in streams
        unseen = sum(max(0, m.frame_count - content.media.frame_count(m.index)) for m in moments) if pictured else 0
        return dict(content.header) | {
            "consent": dict(journal.consent),
            "start_s": moments[0].index / TICKS_PER_S if moments else 0.0,
            "duration_s": ticks / TICKS_PER_S,
            "complete": not stopped and not lost,
            "stopped": stopped,
            "bytes": content.size,
            "forgotten_s": sum(number for _, number in journal.forgot) / TICKS_PER_S,
            "counts": {
                "moments": len(moments),
                "frames": sum(m.frame_count for m in moments),
                "texts": sum(bool(m.percept.text) for m in moments),
                "calls": sum(len(m.act.calls) for m in moments),
                "events": sum(len(m.percept.events) for m in moments),
                "yields": sum(m.yielded for m in moments),
                "gaps": sum(m.gap for m in moments),
                "words": sum(len(m.act.words) for m in moments),
                "heard": sum(len(m.act.heard) for m in moments),
                "late": sum(m.late for m in moments),
                "lost": lost,
                "frames_lost": unseen,
                "rounded": len(content.rounded),
            },
        }

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last tick."""
        return float(self.facts["duration_s"])

    @property
    def consent(self) -> Mapping[str, Any]:
        """Who said that it may be recorded, how, when, and which streams."""
        return self._content.journal.consent

    @property
    def content(self) -> Content:
        """Header, journal and media, for those who replay."""
        return self._content

    @property
    def media(self) -> Media:
        """Sound and pictures by tick."""
        return self._content.media

    def timeline(self) -> Timeline:
        """All moments. Times are those of the session; what was lost or forgotten is a hole.

        Of a model that comes with imkit it can be forked as it is; of any other say which when you run the fork: a
        recording is somebody's input, and must not name what is loaded.
        """
        timeline = RecordedTimeline(self._content.header["output_rate"], self._content.moments)
        timeline.fates = self._content.fates
        model, opened = self._content.header["model"], self._content.journal.opened
        if model in COMES_WITH_IMKIT and opened:
            first = opened[min(opened)]
            config = OpenConfig(first["seed"], tuple(first["tools"]), first["options"])
            timeline.origin = Origin(model, config, Snapshots(), tuple(sorted(opened)))
        return timeline

    def words(self) -> list[Word]:
        """Words that the model said, in order."""
        return [word for moment in self._content.moments for word in moment.act.words]

    def heard(self) -> list[Word]:
        """Words of the user that the model recognised, in order."""
        return [word for moment in self._content.moments for word in moment.act.heard]

    def events(self) -> list[Event]:
        """What happened beside sound, sight and typing, in order."""
        return [event for moment in self._content.moments for event in moment.percept.events]

    def transcript(self) -> list[Utterance]:
        """Both sides, and what was typed, as utterances."""
        return self.timeline().transcript()

    def verify(self) -> None:
        """Reads and decodes all sound and pictures. Raises RecordingError that names the first file that is damaged."""
        for segment in self._content.journal.segments:
            if segment.end <= self._content.end:
                for stream in (USER, MODEL):
                    self.media.check(stream, segment)
        for moment in self._content.moments:
            self.media.frames(moment.index)

    # --- what is taken away

    def forget(self, last_s: float) -> int:
        """Deletes the newest ``last_s`` seconds from all files, and returns how many ticks those were.

        Not for a recording that is being written: ``session.recording.forget`` is.
        """
        content = self._content
        ticks = min(content.end, round(last_s * TICKS_PER_S))
        try:
            forget_from(self.path, content.end - ticks, content.header["output_rate"])
        except OSError as error:
            raise RecordingError(f"{self.path}: could not be forgotten: {error.strerror or error}.") from error
        self._content = self._read()
        return ticks

    def delete(self) -> None:
        """Deletes every file of the recording, and the folder when nothing else is in it."""
        try:
            remove(self.path)
        except OSError as error:
            raise RecordingError(f"{self.path}: could not be deleted: {error.strerror or error}.") from error

    # --- showing

    def __iter__(self) -> Iterator[Moment]:
        return iter(self._content.moments)

    def __len__(self) -> int:
        return len(self._content.moments)

    def __repr__(self) -> str:
        facts = self.facts
        counts = facts["counts"]
        note = f", {facts['stopped']}" if facts["stopped"] else ""
        return (
            f"Recording({self.path.name!r}, {facts['model'] or 'no model'}, {facts['duration_s']:.1f} s, "
            f"{counts['heard']} words heard, {counts['words']} said, {counts['frames']} pictures{note})"
        )

    def _repr_html_(self) -> str:
        consent = self.consent
        told = f"recorded by {consent.get('who', '')} with {consent.get('how', '')}, {consent.get('when', '')}"
        page = self.timeline()._repr_html_()
        return f"<div><p>{html.escape(repr(self))}<br><small>{html.escape(told)}</small></p>{page}</div>"


def open_recording(path: str | Path) -> Recording:
    """Opens the folder of a recording, or its ``session.json``.

    Raises RecordingError when it is none, is of another version, was cut or changed, or holds links or other files that
    no recorder writes. Nothing outside of the folder is touched.
    """
    path = Path(path).expanduser()
    return Recording(path.parent if path.name == HEADER and not path.is_dir() else path)

"""Rerun recordings (.rrd), written by Rerun's own SDK: levels, states, words, events, pictures, on two timelines.

The timeline "session" is seconds on the session clock, "tick" the number of the micro-turn. Rerun has no sound, so a
waveform's peaks stand for it, 50 a second.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, TICK_S, TICKS_PER_S, Moment, Timeline, tick_of

from .files import ExportError
from .lanes import lanes_of, name_of, tidy

PEAKS_PER_S = 50


def encode(timeline: Timeline) -> bytes:
    """One recording of application "imkit". Needs rerun-sdk, which is large (170 MB) and loaded only here."""
    try:
        import rerun as rr
    except ImportError as error:
        raise ExportError(
            "Rerun recordings need rerun-sdk, which is not installed: pip install imkit[rerun]"
        ) from error
    recording = rr.RecordingStream("imkit", recording_id="session", send_properties=False)
    stream = rr.binary_stream(recording)

    def send(path: str, times_s: Iterable[float], columns: Any) -> None:
        times = list(times_s)
        if times:
            ticks = [tick_of(max(0.0, at_s)) for at_s in times]
            indexes = [rr.TimeColumn("session", duration=times), rr.TimeColumn("tick", sequence=ticks)]
            recording.send_columns(path, indexes=indexes, columns=columns)

    moments, lanes = timeline.moments, lanes_of(timeline)
    starts = [moment.start_s for moment in moments]
    for name, values in {
        "levels/user_db": [moment.level_db for moment in moments],
        "levels/model_db": [moment.own_db for moment in moments],
        "compute_ms": [moment.compute_ms for moment in moments],
    }.items():
        send(name, starts, rr.Scalars.columns(scalars=values))
    for name, audio, rate_hz in (
        ("sound/user", timeline.user_audio(), INPUT_RATE),
        ("sound/model", timeline.model_audio(), timeline.output_rate),
    ):
        peaks = _peaks(audio, rate_hz)
        times_s = timeline.start_s + np.arange(len(peaks)) / PEAKS_PER_S
        send(name, times_s.tolist(), rr.Scalars.columns(scalars=peaks))
    changes = _changes(moments)
    send("floor", [at_s for at_s, _ in changes], rr.StateChange.columns(state=[floor for _, floor in changes]))
    for name in ("user words", "model words", "typed", "calls"):
        lane = lanes[name]
        send(
            name.replace(" ", "/"),
            [one.start_s for one in lane],
            rr.TextLog.columns(text=[tidy(o.label) for o in lane]),
        )
    noted = [(moment.start_s, tidy(name_of(event))) for moment in moments for event in moment.percept.events]
    send("events", [at_s for at_s, _ in noted], rr.TextLog.columns(text=[text for _, text in noted]))
    for moment in moments:
        for number, frame in enumerate(moment.percept.frames):
            recording.set_time("session", duration=moment.start_s + number * TICK_S / 2)
            recording.set_time("tick", sequence=moment.index)
            recording.log("camera", rr.EncodedImage(contents=_jpeg(frame), media_type="image/jpeg"))
    data = stream.read()
    if data is None:
        raise ExportError("Rerun's SDK gave nothing to write; is it switched off (RERUN=off in the environment)?")
    return bytes(data)


def _peaks(audio: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    size = rate_hz // PEAKS_PER_S
    whole = len(audio) // size * size
    return np.asarray(np.abs(audio[:whole]).reshape(-1, size).max(axis=1) if whole else audio[:0], np.float32)


def _changes(moments: list[Moment]) -> list[tuple[float, str]]:
    """When the floor changes, as it is heard."""
    changes: list[tuple[float, str]] = []
    for moment in moments:
        if not changes or changes[-1][1] != moment.act.floor:
            changes.append((moment.act.starts_s, str(moment.act.floor)))
    return changes


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    """An RGB picture, uint8 [height, width, 3], as JPEG."""
    import av

    height, width = frame.shape[:2]
    frame = frame[: max(2, height // 2 * 2), : max(2, width // 2 * 2)]
    file = io.BytesIO()
    with av.open(file, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=TICKS_PER_S)
        stream.height, stream.width, stream.pix_fmt = frame.shape[0], frame.shape[1], "yuvj420p"
        for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")):
            container.mux(packet)
        container.mux(stream.encode(None))
    return file.getvalue()

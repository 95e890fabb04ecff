"""Where percepts come from: the browser, files, scripts, arrays. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imkit.stream import SourceError

from .source import ClockedSource, OrderedSource, Source

if TYPE_CHECKING:
    from .audio_file import AudioArray, AudioFile
    from .browser import BrowserSource, MediaStreamSource
    from .image_sequence import ImageSequence
    from .mix import Mix
    from .script import Script
    from .silence import Silence
    from .video_file import VideoFile

_HOME = {
    "AudioArray": "audio_file",
    "AudioFile": "audio_file",
    "BrowserSource": "browser",
    "ImageSequence": "image_sequence",
    "MediaStreamSource": "browser",
    "Mix": "mix",
    "Script": "script",
    "Silence": "silence",
    "VideoFile": "video_file",
}

__all__ = [
    "AudioArray",
    "AudioFile",
    "BrowserSource",
    "ClockedSource",
    "ImageSequence",
    "MediaStreamSource",
    "Mix",
    "OrderedSource",
    "Script",
    "Silence",
    "Source",
    "VideoFile",
    "as_source",
]

_VIDEO = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mjpeg", ".y4m", ".ogv"}


def as_source(thing: Any) -> Source:
    """A source for ``thing``: a source itself, a path (by its ending; a folder holds pictures), or several to mix."""
    from . import audio_file, image_sequence, mix, script, video_file

    if isinstance(thing, Source):
        return thing
    if isinstance(thing, str | Path):
        path = Path(thing).expanduser()
        if path.is_dir():
            return image_sequence.ImageSequence(path)
        suffix = path.suffix.lower()
        if suffix in _VIDEO:
            return video_file.VideoFile(path)
        return script.Script(path) if suffix in {".jsonl", ".ndjson"} else audio_file.AudioFile(path)
    if isinstance(thing, list | tuple) and thing:
        return mix.Mix(*map(as_source, thing))
    hint = "See imkit.capture."
    if isinstance(thing, int | float):
        hint = f"For so many seconds of silence: run(seconds={thing})."
    elif hasattr(thing, "dtype"):
        hint = "For samples: imkit.capture.AudioArray(samples, rate)."
    raise SourceError(
        repr(thing)[:80], f"is a {type(thing).__name__}, expected a Source, a path or a list of them.", hint
    )


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)

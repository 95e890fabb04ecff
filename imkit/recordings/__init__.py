"""Sessions as folders of plain files: written while they run, opened, replayed, forgotten."""

from .consent import Consent
from .errors import RecordingError
from .files import check_folder
from .library import Library, list_recordings
from .plainfiles import chunks, write_plain
from .queued import QueuedRecorder
from .recorder import Recorder, record
from .recording import Recording, open_recording
from .replay import Difference, Replay, replay

__all__ = [
    "Consent",
    "Difference",
    "Library",
    "QueuedRecorder",
    "Recorder",
    "Recording",
    "RecordingError",
    "Replay",
    "check_folder",
    "chunks",
    "list_recordings",
    "open_recording",
    "record",
    "replay",
    "write_plain",
]

"""Sessions as folders of plain files."""

from .recorder import Recorder, RecordingError, chunks, empty_folder, record

__all__ = ["Recorder", "RecordingError", "chunks", "empty_folder", "record"]

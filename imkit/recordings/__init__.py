"""Sessions as folders of plain files."""

from .recorder import Recorder, RecordingError, check_folder, chunks, record

__all__ = ["Recorder", "RecordingError", "check_folder", "chunks", "record"]

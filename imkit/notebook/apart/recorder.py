"""The kernel's hold on a recorder that writes in a process apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

from imkit.recordings import RecordingError
from imkit.session.isolated.host import Host
from imkit.stream import SessionError

ANSWER_S: Final = 5.0


class RecorderApart:
    """Records there as ``QueuedRecorder`` does here. Raises RecordingError when the folder cannot be written."""

    def __init__(
        self,
        host: Host,
        folder: str | Path,
        how: str,
        *,
        seed: int,
        frames: bool,
        acts: bool,
        force: bool,
        queued: bool,
    ) -> None:
        self.folder = Path(folder)
        self.stopped = ""
        """Why the recording is not whole; set it before ``close``."""
        self._host = host
        self._told: dict[str, Any] = {"state": "recording", "told": "", "counts": {}}
        self._told = self._ask(
            "record",
            folder=str(self.folder.expanduser().absolute()),
            how=how,
            seed=seed,
            frames=frames,
            acts=acts,
            force=force,
            queued=queued,
        )

    @property
    def state(self) -> str:
        """recording, "failing: ..." while the disk takes nothing, closed or deleted; closed with its process, too."""
        return str(self._now()["state"])

    @property
    def over(self) -> bool:
        """Closed or deleted."""
        return self.state in {"closed", "deleted"}

    @property
    def told(self) -> str:
        """What a person must know: which streams are recorded, or why they are not; "" once it is over."""
        return str(self._now()["told"])

    @property
    def counts(self) -> dict[str, int]:
        """moments, frames, rounded, lost, frames_lost, forgotten."""
        return dict(self._now()["counts"])

    def forget(self, last_s: float) -> int:
        """Deletes the newest ``last_s`` seconds from all files; see ``Recorder.forget``."""
        return int(self._ask("forget", last_s=float(last_s))["ticks"])

    def delete(self) -> None:
        """Stops, and deletes every file of the recording, and the folder when nothing else is in it."""
        self._told = self._ask("delete")

    def close(self) -> None:
        """Writes what waits and finishes all files. May be called twice."""
        if self._told["state"] in {"closed", "deleted"}:
            return
        if self._host.alive:
            self._told = self._ask("record_no_more", stopped=self.stopped)
        else:
            self._told = {**self._told, "state": "closed", "told": ""}

    def _now(self) -> dict[str, Any]:
        if self._told["state"] not in {"closed", "deleted"}:
            if not self._host.alive:
                self._told = {**self._told, "state": "closed", "told": ""}
            else:
                self._told = self._ask("recording")
        return self._told

    def _ask(self, order: str, **values: Any) -> dict[str, Any]:
        try:
            return dict(self._host.ask(order, **values, timeout_s=None if order != "recording" else ANSWER_S))
        except SessionError:
            if order != "recording":
                raise
            return self._told
        except Exception as error:
            if type(error).__name__ == "RecordingError":
                raise RecordingError(str(error)) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RecorderApart({str(self.folder)!r}, {self.state})"

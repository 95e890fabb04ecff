"""The recorder in the process apart: what is heard and said is written there, whatever the kernel does meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imkit.recordings import Consent, QueuedRecorder, Recorder
from imkit.session.isolated.child import Child
from imkit.session.isolated.wire import Message


class Keeper:
    """Records for the kernel: the tap of the process apart."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._recorder: Recorder | QueuedRecorder | None = None
        child.orders |= {
            "record": self._record,
            "recording": lambda _: self._told(),
            "forget": self._forget,
            "delete": self._delete,
            "record_no_more": self._end,
        }
        child.closing.append(self.close)

    def close(self) -> None:
        """Finishes the recording under way, if there is one."""
        recorder, self._recorder, self._child.tap = self._recorder, None, None
        if recorder is not None:
            recorder.close()

    def _record(self, order: Message) -> Mapping[str, Any]:
        self.close()
        told, child = order.values, self._child
        recorder = Recorder(
            told["folder"],
            output_rate=child.model.spec.output_rate,
            model=child.model.spec.name,
            seed=told["seed"],
            consent=Consent(told["how"]),
            frames=told["frames"],
            acts=told["acts"],
            force=told["force"],
            fates=lambda: child.ledger.fates,
        )
        self._recorder = child.tap = QueuedRecorder(recorder) if told["queued"] else recorder
        return self._told()

    def _told(self) -> Mapping[str, Any]:
        recorder = self._recorder
        if recorder is None:
            return {"state": "closed", "told": "", "counts": {}}
        told = recorder.told if isinstance(recorder, QueuedRecorder) else recorder.state
        counts = {name: int(number) for name, number in recorder.counts.items()}
        return {"state": recorder.state, "told": told, "counts": counts}

    def _forget(self, order: Message) -> Mapping[str, Any]:
        return {"ticks": self._recorder.forget(order.values["last_s"]) if self._recorder is not None else 0}

    def _delete(self, _: Message) -> Mapping[str, Any]:
        recorder, self._recorder, self._child.tap = self._recorder, None, None
        if recorder is not None:
            recorder.delete()
        return {"state": "deleted", "told": "", "counts": {}}

    def _end(self, order: Message) -> Mapping[str, Any]:
        recorder, self._recorder, self._child.tap = self._recorder, None, None
        if recorder is None:
            return {"state": "closed", "told": "", "counts": {}}
        if isinstance(recorder, Recorder):
            recorder.stopped = order.values["stopped"]
        recorder.close()
        counts = {name: int(number) for name, number in recorder.counts.items()}
        return {"state": recorder.state, "told": "", "counts": counts}

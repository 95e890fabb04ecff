"""The kernel's hold on a process apart: starts it, speaks with it, and sees to it that it ends."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from numpy.typing import NDArray

from imkit.stream import ModelError, SessionError, SourceError

from .line import Line
from .wire import Message

CLOSE_S: Final = 1.5
JOIN_S: Final = 5.0
KEEP_LINES: Final = 40
LOOK_S: Final = 0.1

_BOOT: Final = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "import json, sys; from importlib import import_module\n"
    "told = json.loads(sys.stdin.buffer.readline()); sys.path[:] = told['path']\n"
    "import_module(told['module']).main(sys.stdin.buffer)"
)
_NAMES: Final = frozenset(
    "PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR TEMP TMP VIRTUAL_ENV CONDA_PREFIX LD_LIBRARY_PATH LD_PRELOAD "
    "SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA NUMBER_OF_PROCESSORS "
    "CUDA_VISIBLE_DEVICES CUDA_HOME CUDA_PATH CUDA_DEVICE_ORDER HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES "
    "HF_HOME HF_HUB_CACHE HF_HUB_OFFLINE HF_ENDPOINT TRANSFORMERS_OFFLINE SSL_CERT_FILE SSL_CERT_DIR IMKIT_LANE".split()
)
_BEGIN: Final = (
    "LC_",
    "PYTHON",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "KMP_",
    "NUMEXPR_",
    "DYLD_",
    "XDG_",
    "TORCH_",
    "PYTORCH_",
)
_NETWORK: Final = ("HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_KEYS: Final = ("IMKIT_REALTIME_KEY", "OPENAI_API_KEY")


class Host:
    """One process apart, from its start to its end.

    module    what it runs: has ``main(incoming)``
    heard     is called in the reading thread with every message that is no answer to an order; must only enqueue
    lost      is called there once with the reason when the process is gone, unless it was closed
    """

    def __init__(
        self,
        module: str,
        environment: Mapping[str, str],
        heard: Callable[[Message], object],
        lost: Callable[[str], object],
    ) -> None:
        self._heard, self._lost = heard, lost
        self._waiting: dict[int, Future[Mapping[str, Any]]] = {}
        self._numbers = iter(range(1, sys.maxsize))
        self._lock = threading.Lock()
        self._closing = self._killed = False
        self._timer: threading.Timer | None = None
        self._words: deque[str] = deque(maxlen=KEEP_LINES)
        self.reason = ""
        """Why it is gone, in words; "" while it is there."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
        )
        incoming, outgoing = cast(BufferedReader, self.process.stdout), cast(BinaryIO, self.process.stdin)
        told = {"path": [str(Path(one).absolute()) if one else os.getcwd() for one in sys.path], "module": module}
        outgoing.write(json.dumps(told).encode() + b"\n")
        self._listener = threading.Thread(target=self._listen, name="imkit-line-words", daemon=True)
        self._listener.start()
        self.line = Line(incoming, outgoing, self._receive, self._hung_up)

    @property
    def closing(self) -> bool:
        """Whether it was asked to end."""
        with self._lock:
            return self._closing

    @property
    def alive(self) -> bool:
        """Whether it is there."""
        return not self.reason and not self._closing

    def ask(
        self, kind: str, arrays: tuple[NDArray[Any], ...] = (), timeout_s: float | None = None, **values: Any
    ) -> Mapping[str, Any]:
        """Gives an order and waits for what comes of it.

        Raises the error that it raised there, and SessionError when the process ended, or was not done in time.
        """
        future: Future[Mapping[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            if self.reason or self._closing:
                raise SessionError(self.reason or "The session's process was closed.")
            self._waiting[number] = future
        self.line.send(Message(kind, {**values, "number": number}, arrays))
        try:
            return future.result(timeout_s)
        except Late:
            raise SessionError(f"The session's process did not {kind} within {timeout_s:.0f} s.") from None
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def tell(self, kind: str, **values: Any) -> None:
        """Tells it something and waits for nothing."""
        self.line.send(Message(kind, values))

    def hurry(self) -> None:
        """It is to be closed: where it still runs in 1.5 s, it is killed, whatever it does."""
        with self._lock:
            if self._timer is not None or self._closing:
                return
            self._timer = threading.Timer(CLOSE_S, self._kill)
            self._timer.daemon = True
        self._timer.start()

    def calm(self) -> None:
        """Its model has stopped: there is no hurry."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Asks it to end, and ends it when it has not within 1.5 s. No process, thread or pipe is left."""
        self.hurry()
        with self._lock:
            again, self._closing = self._closing, True
        if again:
            return
        self.tell("close")
        self.process.wait()
        self._clean()

    def _kill(self) -> None:
        self._killed = True
        self.process.kill()

    # in the threads of the line

    def _receive(self, message: Message) -> None:
        if message.kind not in ("done", "failed"):
            self._heard(message)
            return
        with self._lock:
            future = self._waiting.pop(message.values.get("number", 0), None)
        if future is None:
            return
        if message.kind == "done":
            future.set_result(message.values["values"])
        else:
            future.set_exception(error_of(message.values))

    def _hung_up(self, why: str) -> None:
        """The other end is closed, or speaks another language: then it is ended."""
        if why:
            self.process.kill()
        try:
            code = self.process.wait(JOIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        with self._lock:
            closing, waiting = self._closing, list(self._waiting.values())
            self.reason = "" if closing else self._told(code, why)
        for future in waiting:
            if not future.done():
                future.set_exception(SessionError(self.reason or "The session's process was closed."))
        if not closing:
            self._lost(self.reason)

    def _told(self, code: int, why: str) -> str:
        if why or self._killed:
            return f"The session's process was ended: {why or 'its model did not stop when told to'}."
        self._listener.join(LOOK_S)
        last = next((line for line in reversed(self._words) if line.strip()), "")
        how = f"it left with code {code}"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            how = f"it was killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
        words = f" ({last.strip()[:300]})" if last else ""
        return f"The session's process ended: {how}{words}. start() and run() begin with a new one."

    def _listen(self) -> None:
        stream = cast(BinaryIO, self.process.stderr)
        for line in stream:
            self._words.append(line.decode("utf-8", "replace")[:1000])

    def _clean(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        self.line.close()
        self._listener.join(JOIN_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with suppress(OSError):  # what it did not take
                    stream.close()

    def release(self) -> None:
        """Lets go of the threads and pipes of a process that is gone."""
        with self._lock:
            self._closing = True
        self._clean()


class Moments:
    """Where what is heard of a run waits for the kernel's loop. ``lost`` ends it with a reason."""

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def put(self, message: Message) -> None:
        """One message of the run."""
        self._heard.put(message)

    def get(self, timeout_s: float) -> Message | None:
        """The next one, None after ``timeout_s`` seconds."""
        try:
            return self._heard.get(timeout=timeout_s) if timeout_s > 0 else self._heard.get_nowait()
        except queue.Empty:
            return None


def environment_for(model: object, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a process apart is given: where things are and how to compute, and no keys.

    A model by name that may come from a network also gets its proxies and Hugging Face's token; one behind
    ``realtime:`` its own key.
    """
    wanted = set(_NAMES)
    if isinstance(model, str | Path) and not Path(model).exists() and str(model) not in ("nano", "cascade"):
        wanted |= {*_NETWORK, *(_KEYS if str(model).startswith("realtime:") else ())}
    return {name: value for name, value in environ.items() if name.upper() in wanted or name.startswith(_BEGIN)}


def error_of(told: Mapping[str, Any]) -> Exception:
    """The error that a message tells: our own by their class, any other as one of that name."""
    name, text = str(told["error"]), str(told["text"])
    if name == "SourceError":
        return SourceError(told["source"], text.removeprefix(f"{told['source']}: "))
    known: dict[str, type[Exception]] = {"ModelError": ModelError, "SessionError": SessionError}
    kind: type[Exception] = known.get(name) or type(name, (Exception,), {})
    return kind(text)

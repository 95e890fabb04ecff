"""Sharing the notebook with a session: cells that run, what they gave, and what went wrong, as events. Opt-in."""

from __future__ import annotations

import ast
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final

from imkit.stream import Event, Provenance, SessionError
from imkit.tools import CellRun, NotebookLog, explain
from imkit.tools.cells import without_escapes
from imkit.tools.failing import place_of

from .printed import PRINTED, Tail

MAX_SOURCE_LINES: Final = 3
MAX_SOURCE: Final = 200
MAX_RESULT: Final = 200
MAX_PRINTED: Final = 300
MAX_TEXT: Final = 600
KEEP_PRINTED: Final = 20_000
MAX_FRAMES: Final = 16
MAGIC: Final = "%imkit"
CELL_MAGIC: Final = "%%ask"

_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\n])")


class Copresence:
    """Watches the cells of one IPython shell for one session, from ``open`` to ``close``.

    A cell that begins and one that ends are an event each, handed to ``post`` in the kernel's main thread; ``log`` gets
    every run for the tools that read cells. ``own`` says of a value whether it is the session: cells that only speak
    with it, and its magics, are not told. Whatever goes wrong in here is counted in ``counts["faults"]`` and never
    reaches the cell. After ``close``, which may come from any thread and in the middle of a cell, nothing of what was
    seen is told or kept, in the log either.
    """

    def __init__(
        self,
        shell: Any,
        post: Callable[[Event], object],
        log: NotebookLog,
        own: Callable[[object], bool] = lambda _: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._shell = shell
        self._post = post
        self._log = log
        self._own = own
        self._clock = clock
        self._runs: list[_Run] = []
        self._lock = RLock()
        self._opened = False
        self.counts: Counter[str] = Counter()

    def open(self) -> None:
        """Begins to watch, with the next cell. May be called twice."""
        if not self._opened:
            self._opened = self._log.watching = True
            self._shell.events.register("pre_run_cell", self._begins)
            self._shell.events.register("post_run_cell", self._ended)

    def close(self) -> None:
        """Stops watching and forgets what was seen. May be called twice."""
        with self._lock:
            if not self._opened:
                return
            self._opened = self._log.watching = False
            for event, hook in (("pre_run_cell", self._begins), ("post_run_cell", self._ended)):
                if hook in self._shell.events.callbacks[event]:
                    self._shell.events.unregister(event, hook)
            for run in self._runs:
                PRINTED.leave(run.printed)
            self._runs.clear()
            self._log.clear()

    def _begins(self, info: Any) -> None:
        try:
            if info.store_history and not is_own(info.raw_cell, self._shell.user_ns, self._own):
                number = int(self._shell.displayhook.prompt_count)
                run = _Run(info, number, self._clock(), Tail(KEEP_PRINTED, self._displays))
                with self._lock:
                    if self._opened:
                        self._runs.append(run)
                        PRINTED.join(run.printed)
                self._tell(began(run.number, info.raw_cell))
        except Exception:
            self.counts["faults"] += 1

    def _ended(self, result: Any) -> None:
        try:
            run = self._run_of(result)
            if run is not None:
                PRINTED.leave(run.printed)
                self._report(run, result)
        except Exception:
            self.counts["faults"] += 1

    def _displays(self) -> bool:
        """Whether the shell writes a value or a traceback now. In a terminal these go where prints go."""
        shell = self._shell
        return bool(
            getattr(shell.display_pub, "is_publishing", False)
            or getattr(shell.displayhook, "is_active", False)
            or getattr(shell, "showing_traceback", False)
        )

    def _run_of(self, result: Any) -> _Run | None:
        """The run that a result ends. A cell that was cancelled while it waited ends without one: the newest is it."""
        with self._lock:
            for place in reversed(range(len(self._runs))):
                if result is None or self._runs[place].info is result.info:
                    return self._runs.pop(place)
        return None

    def _report(self, run: _Run, result: Any) -> None:
        duration_s = self._clock() - run.began_s
        number, source = run.number, run.info.raw_cell
        error = KeyboardInterrupt() if result is None else result.error_before_exec or result.error_in_exec
        printed = run.printed.text()
        if error is None:
            shown = self._shown(number, result)
            self._tell(done(number, source, duration_s, printed, shown), CellRun(number, source, printed + shown))
            return
        words = explain(error, self._shell.user_ns)
        event = failed(number, source, duration_s, printed, error, words, self._shell.user_ns)
        told = event.payload["error"]
        name = f"{told['name']}: {told['message']}"
        self._tell(event, CellRun(number, source, printed, name, trace(error, self._shell), words))

    def _shown(self, number: int, result: Any) -> str:
        """What the cell's last value was shown as; it is not asked again. "" when nothing was."""
        if result.result is None:
            return ""
        text = self._shell.history_manager.output_hist_reprs.get(number, "")
        return text if isinstance(text, str) else ""

    def _tell(self, event: Event, run: CellRun | None = None) -> None:
        with self._lock:
            if self._opened:
                if run is not None:
                    self._log.add(run)
                self._post(event)


@dataclass(eq=False)
class _Run:
    """A cell under way."""

    info: Any
    number: int
    began_s: float
    printed: Tail


# --- events


def began(number: int, source: str) -> Event:
    """The event of a cell that begins to run."""
    first = first_lines(source)
    text = f"Cell {number} runs: {first.splitlines()[0]}" if first else f"Cell {number} runs."
    return _event(text, {"cell": number, "what": "began", "source": first})


def done(number: int, source: str, duration_s: float, printed: str, shown: str) -> Event:
    """The event of a cell that ended well. Long text keeps the end of what was printed and the start of the value."""
    printed, shown = _tail(printed, MAX_PRINTED), _head(shown, MAX_RESULT)
    text = f"Cell {number} is done after {_spoken_s(duration_s)}"
    if shown:
        text += f"; it gave {' '.join(shown.split())}"
    elif printed:
        text += f"; it printed {' '.join(printed.splitlines()[-1].split())}"
    about = {"cell": number, "what": "done", "source": first_lines(source), "duration_s": round(duration_s, 3)}
    return _event(text + ".", about | _filled(result=shown, printed=printed))


def failed(
    number: int,
    source: str,
    duration_s: float,
    printed: str,
    error: BaseException,
    words: str,
    namespace: Mapping[str, Any],
) -> Event:
    """The event of a cell that raised an error, with the error in words."""
    place = place_of(error, namespace)
    line, at = place.line, place.number
    if isinstance(error, SyntaxError) and not line:
        line, at = (error.text or "").strip()[:MAX_SOURCE], error.lineno or 0
    told: dict[str, Any] = {"name": type(error).__name__[:80], "message": _message(error)}
    told |= {"line": plain_text(line), "line_number": at} if line else {}
    about = {"cell": number, "what": "failed", "source": first_lines(source), "duration_s": round(duration_s, 3)}
    about |= _filled(printed=_tail(printed, MAX_PRINTED)) | {"error": told, "words": words}
    return _event(f"Cell {number} failed: {words}.", about)


def _event(text: str, payload: dict[str, Any]) -> Event:
    return Event("notebook", Provenance.NOTEBOOK, plain_text(text)[:MAX_TEXT], payload=payload)


def _message(error: BaseException) -> str:
    try:
        return _head(str(error), MAX_PRINTED)
    except Exception:  # somebody's own class that cannot even say what went wrong
        return ""


def _filled(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _spoken_s(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _head(text: str, limit: int) -> str:
    text = plain_text(text[: 2 * limit]).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _tail(text: str, limit: int) -> str:
    text = plain_text(_OVERWRITTEN.sub("", text[-4 * limit :])).strip()
    return text if len(text) <= limit else "…" + text[1 - limit :]


def plain_text(text: str) -> str:
    """Text without colours, control characters and whatever else a terminal would act on; line breaks stay."""
    text = without_escapes(text)
    return "".join(character for character in text if character.isprintable() or character == "\n")


def first_lines(source: str) -> str:
    """The first lines of a cell that hold something, short."""
    lines = [line.rstrip() for line in source.splitlines() if line.strip()]
    return _head("\n".join(lines[:MAX_SOURCE_LINES]), MAX_SOURCE)


def trace(error: BaseException, shell: Any) -> str:
    """The traceback as plain text, from the notebook's own code on; of a deep one the last 16 places."""
    here = error.__traceback__
    while here is not None and here.tb_frame.f_globals is not shell.user_ns:
        here = here.tb_next
    shown = traceback.TracebackException(type(error), error, here or error.__traceback__, limit=-MAX_FRAMES)
    return "".join(shown.format(chain=False))


def is_own(source: str, namespace: Mapping[str, Any], own: Callable[[object], bool]) -> bool:
    """Whether a cell only speaks with the session: its magics, and statements such as ``session.stop()``."""
    if source.lstrip().startswith(CELL_MAGIC):
        return True
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(MAGIC)]
    rest = "\n".join(lines).strip()
    if not rest:
        return True
    try:
        tree = ast.parse(rest)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return all(_speaks_with(statement, namespace, own) for statement in tree.body)


def _speaks_with(statement: ast.stmt, namespace: Mapping[str, Any], own: Callable[[object], bool]) -> bool:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.AST = statement.targets[0]
        return isinstance(target, ast.Attribute) and _root_is(target, namespace, own)
    return isinstance(statement, ast.Expr) and _root_is(statement.value, namespace, own)


def _root_is(node: ast.AST, namespace: Mapping[str, Any], own: Callable[[object], bool]) -> bool:
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and own(namespace.get(node.id))


def shell_or_error() -> Any:
    """The shell that runs here. Raises SessionError where none does."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        raise SessionError("notebook=True shares the cells of a notebook, and no IPython runs here; leave it off")
    return shell

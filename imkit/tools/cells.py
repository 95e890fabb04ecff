"""What happened in the notebook's cells, and a cell that is proposed and never run."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import ToolError
from .tool import Tier, Tool, tool

MAX_CELLS = 200
MAX_SOURCE = 20_000
MAX_OUTPUT = 20_000
MAX_TOLD = 600
MAX_SHOWN = 4_000
NOT_SHARED = "I do not see what the cells do: that is shared only after session.notebook = True."

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class CellRun:
    """One run of a cell.

    number     its In[number]
    source     what was run
    output     what it printed and showed, as text
    error      "ZeroDivisionError: division by zero", "" where it went well
    traceback  the traceback as text, "" where it went well
    words      the error in words, as ``explain`` gives them, "" where it went well or nobody looked
    """

    number: int
    source: str
    output: str = ""
    error: str = ""
    traceback: str = ""
    words: str = ""


class NotebookLog:
    """The last 200 runs of cells, oldest first. Whoever watches the notebook adds them; tools only read.

    Texts are kept without colours and control characters, the end of what is too long (20,000 characters).
    ``watching`` says whether somebody adds to it now.
    """

    def __init__(self, runs: Iterable[CellRun] = ()) -> None:
        self.watching = True
        self._runs: deque[CellRun] = deque(maxlen=MAX_CELLS)
        for run in runs:
            self.add(run)

    def add(self, run: CellRun) -> None:
        """Notes a run that has ended."""
        self._runs.append(
            CellRun(
                run.number,
                run.source[:MAX_SOURCE],
                _clean(run.output),
                _clean(run.error[:MAX_SHOWN])[:MAX_TOLD],
                _clean(run.traceback),
                _clean(run.words)[:MAX_TOLD],
            )
        )

    def clear(self) -> None:
        """Forgets all runs."""
        self._runs.clear()

    def last_error(self) -> CellRun | None:
        """The newest run that failed, None when none did."""
        return next((run for run in reversed(list(self._runs)) if run.error), None)

    def cell(self, number: int | None = None) -> CellRun | None:
        """The newest run of In[number], or of all; None when there is none."""
        return next((run for run in reversed(list(self._runs)) if number is None or run.number == number), None)

    def __len__(self) -> int:
        return len(self._runs)


def without_escapes(text: str) -> str:
    """Text without colours and control characters; tabs and line breaks stay."""
    return _ESCAPES.sub("", text)


def _clean(text: str) -> str:
    return without_escapes(text[-MAX_OUTPUT:])


def cell_tools(log: NotebookLog) -> tuple[Tool, ...]:
    """last_error, cell_output and propose_cell over one log."""

    @tool(tier=Tier.READ)
    def last_error() -> dict[str, Any]:
        """Reads the newest error in the notebook: which cell, what went wrong, and its traceback."""
        run = log.last_error()
        if run is None:
            text = "No cell has failed since I have been watching." if log.watching else NOT_SHARED
            return {"text": text, "surface": None}
        words = f"In cell {run.number}, {run.words}." if run.words else f"Cell {run.number} failed with {run.error}"
        return _told(words, run.traceback or run.error, f"Error in [{run.number}]")

    @tool(tier=Tier.READ)
    def cell_output(number: int | None = None) -> dict[str, Any]:
        """Reads what a cell printed or showed, by its number in brackets; without a number, the newest one."""
        run = log.cell(number)
        if run is None:
            if not log.watching:
                raise ToolError(NOT_SHARED.rstrip("."))
            raise ToolError(
                "no cell has run since I have been watching" if number is None else f"I saw no cell {number}"
            )
        if not run.output:
            text = f"Cell {run.number} printed nothing" + (f" and failed with {run.error}." if run.error else ".")
            return {"text": text[:MAX_TOLD], "surface": None}
        last = run.output.strip().splitlines()[-1] if run.output.strip() else ""
        return _told(f"Cell {run.number} ends with: {last[:300]}", run.output, f"Output of [{run.number}]")

    @tool(tier=Tier.PURE)
    def propose_cell(source: str, why: str = "") -> dict[str, Any]:
        """Proposes code for a new cell. It is shown to the person, who may run it; it is never run by itself."""
        if not source.strip():
            raise ToolError("propose_cell: the source is empty")
        if len(source) > MAX_SHOWN:
            raise ToolError(f"propose_cell: the source has {len(source)} characters, at most {MAX_SHOWN} are allowed")
        text = why.strip()[:300] or "Here is a cell that you could run."
        lines = json.dumps(["root", "code", {"text": source, "language": "python"}])
        return {"text": text, "surface": {"title": "Proposed cell", "lines": lines}}

    return last_error, cell_output, propose_cell


def _told(text: str, whole: str, title: str) -> dict[str, Any]:
    """A sentence, and the end of the whole text to read."""
    spec = {"text": whole[-MAX_SHOWN:]}
    return {"text": text[:MAX_TOLD], "surface": {"title": title[:120], "kind": "text", "spec": spec}}

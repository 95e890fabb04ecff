from __future__ import annotations

from typing import Any

import pytest

from imkit.surfaces import Surface
from imkit.tools import CellRun, NotebookLog, Tier, Toolbox, ToolError, cell_tools

RED = "\x1b[31mZeroDivisionError\x1b[39m"
FAILED = CellRun(3, "1 / 0", "about to\n", f"{RED}: division by zero", f"---\n{RED}  Traceback\n 1 / 0\x07\n")
LOG = NotebookLog(
    [CellRun(1, "print(1)", "1\n"), FAILED, CellRun(4, "x = 1"), CellRun(1, "print(2)", "a\n\x1b[1m2\x1b[0m\n")]
)


def call(called: str, log: NotebookLog = LOG, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = Toolbox(cell_tools(log)).call(called, arguments)
    if answer["surface"] is not None:
        Surface.from_json({"id": "s", **answer["surface"]})
    return answer


def test_the_last_error_is_told_without_colours() -> None:
    answer = call("last_error")
    assert answer["text"] == "Cell 3 failed with ZeroDivisionError: division by zero"
    assert answer["surface"]["spec"]["text"] == "---\nZeroDivisionError  Traceback\n 1 / 0\n"
    assert call("last_error", NotebookLog())["text"] == "No cell has failed since I have been watching."


def test_outputs_by_number_or_the_newest() -> None:
    assert call("cell_output", number=1)["text"] == "Cell 1 ends with: 2"
    assert call("cell_output")["text"] == "Cell 1 ends with: 2"
    assert call("cell_output", number=4) == {"text": "Cell 4 printed nothing.", "surface": None}
    assert call("cell_output", number=3)["text"] == "Cell 3 ends with: about to"
    with pytest.raises(ToolError, match="I saw no cell 9"):
        call("cell_output", number=9)
    with pytest.raises(ToolError, match="no cell has run"):
        call("cell_output", NotebookLog())


def test_the_log_is_bounded_in_runs_and_length() -> None:
    log = NotebookLog()
    for number in range(500):
        log.add(CellRun(number, "s" * 50_000, "o" * 50_000 + "end", "e" * 5_000, "t" * 50_000))
    assert len(log) == 200
    assert log.cell(0) is None
    newest = log.cell(499)
    assert newest is not None
    assert (len(newest.source), len(newest.output), newest.output[-3:]) == (20_000, 20_000, "end")
    assert len(call("last_error", log)["text"]) <= 600


def test_a_cell_is_proposed_and_never_run() -> None:
    source = "open('/tmp/imkit-cell-ran', 'w')"
    answer = call("propose_cell", source=source, why="To try it.")
    assert answer["text"] == "To try it."
    shown = Surface.from_json({"id": "s", **answer["surface"]})
    assert shown.components["root"].props["text"] == source
    assert next(tool for tool in cell_tools(LOG) if tool.name == "propose_cell").tier is Tier.PURE
    for wrong in (" \n", "x" * 4_001):
        with pytest.raises(ToolError, match="propose_cell"):
            call("propose_cell", source=wrong)

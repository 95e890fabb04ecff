"""An effect asks on the page with its exact arguments: allowed once, refused, answered for other ones, late, left."""

import pytest
from lab import until

SETUP = '''
from imkit.background import Answer

written = []

@imkit.tool(tier="effect")
def write_note(path: str, text: str) -> str:
    """Writes a note."""
    written.append((path, text))
    return f"wrote {path}"

class Writer:
    def answer(self, task, desk):
        return Answer(desk.tools["write_note"](path="note.txt", text=task.typed))
'''
CALL = "imkit.Session(StandIn(), background=Writer(), tools=[write_note])"
LAST = "[e.text for m in session.timeline for e in m.percept.events if e.kind == 'result']"


def ask(notebook, text):
    notebook.send(text)
    card = notebook.page.locator(".imk-approval").last
    card.wait_for(timeout=20_000)
    return card


def told(notebook, count):
    return until(lambda: len(found := notebook.value(LAST)) >= count and found[-1], 20, "no result was told")


@pytest.mark.parametrize("context", [[]], indirect=True)
def test_an_effect_runs_only_as_it_was_shown_and_only_when_allowed(notebook):
    notebook.show(SETUP, CALL)
    card = ask(notebook, "plot <b>one</b>")
    shown = card.inner_text()
    assert "write_note" in shown
    assert "note.txt" in shown
    assert "plot <b>one</b>" in shown
    assert card.locator("b").count() == 0
    assert notebook.value("written") == []
    card.locator(".imk-refuse").click()
    assert "refused write_note" in told(notebook, 1)
    assert notebook.value("written") == []

    card = ask(notebook, "plot two")
    notebook.page.wait_for_timeout(1000)  # Allow comes alive late
    allow = card.locator(".imk-allow")
    allow.scroll_into_view_if_needed()
    box = allow.bounding_box()
    notebook.page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert told(notebook, 2) == "wrote note.txt"
    assert [list(one) for one in notebook.value("written")] == [["note.txt", "plot two"]]

    ask(notebook, "plot three")  # allowed once is not allowed again
    desk = "session._display.link.approvals"
    assert notebook.value(f"[{desk}.answer(ask.id, 'f' * 64, True) for ask in {desk}.waiting]") == [False]
    assert "other arguments" in told(notebook, 3)
    assert notebook.value("len(written)") == 1

    notebook.run(f"{desk}._timeout_s = 4.0")
    card = ask(notebook, "plot in vain")
    assert "Refused by itself in" in card.inner_text()
    card.wait_for(state="detached", timeout=30_000)  # the page takes it away by itself
    assert "did not answer within 4 seconds" in told(notebook, 4)
    notebook.run(f"{desk}._timeout_s = 600.0")

    ask(notebook, "plot once more").locator(".imk-refuse").click()  # the third no in a row
    assert "refused write_note" in told(notebook, 5)
    notebook.send("plot it, I insist")
    assert "do not ask again for 5 minutes" in told(notebook, 6)
    assert notebook.page.locator(".imk-approval").count() == 0
    assert notebook.value("len(written)") == 1
    notebook.run(f"{desk}.unmute()")

    ask(notebook, "plot four")
    notebook.page.reload()  # whoever was asked is gone
    notebook.ready()
    until(lambda: not notebook.value(f"len({desk}.waiting)"), 90, "the question still waits")
    assert notebook.value("len(written)") == 1

"""A question put to the background model by hand, from a cell, with everything that the session knows."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from imkit.session import Delegation
from imkit.session.package import MAX_LINE_CHARS, Context, in_brief
from imkit.stream import Act, Call, Event, Percept, Provenance, SessionError, samples_per_tick
from imkit.surfaces import Board, Surface

from .live import LiveSession

LOOK_S: Final = 0.05
GRACE_S: Final = 2.0
TOPIC: Final = "question"
MAX_TOLD: Final = 600
MAX_SOURCE: Final = 120


def ask(session: LiveSession, question: str, tell: Callable[[str], object], show: Callable[[Surface], object]) -> bool:
    """Hands a question to the session's background model and waits until all of its answer was told and shown.

    The task holds what every delegated one does: the conversation so far, what the person heard of it, pictures and
    variables; the question counts as typed. ``tell`` is given each piece of text, ``show`` each new surface, both in
    this thread; the surfaces are the session's, so what a person does with their controls is told as ever. While the
    session is live, the model in the chair is told too, so that it can speak of it: of the question as text of the
    notebook, of each piece of the answer as a result of the background model. Whether it went well is returned.
    Leaving early, by an interruption for one, cancels the task. Raises SessionError for a closed session and a question
    of more than 2,000 characters.
    """
    session._refuse_closed("ask")
    question = question.strip()
    if not 0 < len(question) <= MAX_LINE_CHARS:
        raise SessionError(f"the question has {len(question)} characters, expected 1 to {MAX_LINE_CHARS}")
    tick = session.timeline[-1].index if len(session.timeline) else 0
    session.answers.asked += 1
    id = f"ask-{session.answers.asked}"
    executor = ThreadPoolExecutor(1, thread_name_prefix="imkit-ask")
    brief = partial(in_brief, session._variables)
    work = Delegation(session.background, session.tools, executor, heavy=session._executor, notebook=brief)
    work.context = _context_of(session)
    silence = np.zeros(samples_per_tick(session.model.spec.output_rate), np.float32)
    work.note(Percept(tick, text=question), Act(tick, silence))
    session._perceive(_asked(id, question))
    answered, rated = False, Board()
    try:
        work.submit(Call("delegate", id, TOPIC, tick=tick, epoch=session.epoch), session.ledger.heard_words())
        while True:
            for event in work.drain(tick + 1):
                _show(session, rated, event, question, show)
                if event.kind == "result" and event.text:
                    tell(event.text)
                session._perceive(replace(event, payload={**event.payload, "surface": None}, epoch=session.epoch))
                if event.kind == "result" and "part" not in event.payload:
                    answered = True
                    return bool(event.payload["ok"])
            time.sleep(LOOK_S)
    finally:
        if not answered:
            left = {"topic": TOPIC, "ok": False, "surface": None}
            session._perceive(Event("result", Provenance.BACKGROUND, "The question was taken back.", id, left))
        ended = work.close(GRACE_S)
        executor.shutdown(wait=ended, cancel_futures=True)


def _asked(id: str, question: str) -> Event:
    """That a cell asks. Like all text of cells it is nobody's own word: the notebook may have come from elsewhere."""
    text = f"A cell asks the background model: {' '.join(question.split())}"
    return Event("notebook", Provenance.NOTEBOOK, text[:MAX_TOLD], id, {"what": "asked", "question": question})


def _show(session: LiveSession, rated: Board, event: Event, question: str, show: Callable[[Surface], object]) -> None:
    """Puts a surface among the session's, its lines held to their rate by ``rated``; one that is known grows there."""
    value = event.payload.get("surface")
    if value is None:
        return
    made = rated.made(value, time.monotonic(), event.call_id)
    made.source = f"%%ask: {' '.join(question.split())}"[:MAX_SOURCE]
    new = session.board.show(made)
    if new is not None:
        show(new)


def _context_of(session: LiveSession) -> Context:
    """The conversation as it is now: a copy, since the loop goes on writing its own."""
    loop = session._loop
    if loop is None or not isinstance(loop.delegation, Delegation):
        return Context()
    now = copy.copy(loop.delegation.context)
    for name, value in vars(now).items():
        if hasattr(value, "appendleft"):
            setattr(now, name, value.copy())
    return now

"""A question put to the background model by hand, from a cell, with everything that the session knows."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np

from imkit.session import Delegation
from imkit.session.package import MAX_LINE_CHARS, Context, in_brief
from imkit.stream import Act, Call, Percept, SessionError, samples_per_tick
from imkit.surfaces import Surface

from .live import LiveSession

LOOK_S: Final = 0.05
GRACE_S: Final = 2.0
TOPIC: Final = "question"


def ask(session: LiveSession, question: str, tell: Callable[[str], object], show: Callable[[Surface], object]) -> bool:
    """Hands a question to the session's background model and waits until all of its answer was told and shown.

    The task holds what every delegated one does: the conversation so far, what the person heard of it, pictures and
    variables; the question counts as typed. ``tell`` is given each piece of text, ``show`` each surface, both in this
    thread. Whether it went well is returned. The model in the chair is not told. Leaving early, by an interruption for
    one, cancels the task. Raises SessionError for a closed session and a question of more than 2,000 characters.
    """
    session._refuse_closed("ask")
    question = question.strip()
    if not 0 < len(question) <= MAX_LINE_CHARS:
        raise SessionError(f"the question has {len(question)} characters, expected 1 to {MAX_LINE_CHARS}")
    tick = session.timeline[-1].index if len(session.timeline) else 0
    executor = ThreadPoolExecutor(1, thread_name_prefix="imkit-ask")
    brief = partial(in_brief, session._variables)
    work = Delegation(session.background, session.tools, executor, heavy=session._executor, notebook=brief)
    work.context = _context_of(session)
    silence = np.zeros(samples_per_tick(session.model.spec.output_rate), np.float32)
    work.note(Percept(tick, text=question), Act(tick, silence))
    shown: dict[str, Surface] = {}
    try:
        work.submit(Call("delegate", f"ask-{tick}", TOPIC, tick=tick), session.ledger.heard_words())
        while True:
            for event in work.drain(tick + 1):
                _show(event.payload.get("surface"), shown, show)
                if event.kind == "result" and event.text:
                    tell(event.text)
                if event.kind == "result" and "part" not in event.payload:
                    return bool(event.payload["ok"])
            time.sleep(LOOK_S)
    finally:
        ended = work.close(GRACE_S)
        executor.shutdown(wait=ended, cancel_futures=True)


def _show(value: Mapping[str, Any] | None, shown: dict[str, Surface], show: Callable[[Surface], object]) -> None:
    """Shows a surface; one whose id is known is shown again, with what came."""
    if value is None:
        return
    made = Surface.from_json(value)
    known = shown.get(made.id)
    if known is None:
        shown[made.id] = made
    else:
        known.merge(made)
    show(shown[made.id])


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

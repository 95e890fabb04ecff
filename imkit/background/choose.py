"""Which background model a session gets: what was given, else what the environment says, else the analyst.

Nothing is looked for: no port is tried, no vendor's variable is read, no model is fetched that was not named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from imkit.stream import SessionError

from .analyst import Analyst
from .chat import ChatModel
from .local import LocalModel
from .protocol import BackgroundModel

VARIABLE = "IMKIT_BACKGROUND"
KEY_VARIABLE = "IMKIT_BACKGROUND_KEY"
FORMS = "'analyst', 'chat:MODEL@URL' such as 'chat:qwen3@http://localhost:11434/v1', or 'local:FOLDER'"


def choose(background: object = None, environ: Mapping[str, str] | None = None) -> BackgroundModel:
    """The background model for ``background``.

    an object with ``answer(task, desk)``  itself
    a string     "analyst", "chat:MODEL@URL" or "local:PATH_OR_NAME"
    None         the same string from the variable IMKIT_BACKGROUND; the analyst where it is not set

    The key of a chat server comes from IMKIT_BACKGROUND_KEY, or is given to ``ChatModel`` itself. Raises SessionError
    for anything else.
    """
    environ = os.environ if environ is None else environ
    if background is None:
        return _named(environ.get(VARIABLE, "").strip() or "analyst", environ, f"the variable {VARIABLE}")
    if isinstance(background, str):
        return _named(background.strip(), environ, "background")
    if isinstance(background, type) or not isinstance(background, BackgroundModel):
        given = background.__name__ if isinstance(background, type) else type(background).__name__
        raise SessionError(f"background is {given}, expected an object with answer(task, desk), or a string: {FORMS}")
    return background


def _named(text: str, environ: Mapping[str, str], where: str) -> BackgroundModel:
    kind, _, rest = text.partition(":")
    if text == "analyst":
        return Analyst()
    if kind == "local" and rest:
        return LocalModel(os.path.expanduser(rest))
    model, _, base_url = rest.rpartition("@")
    if kind == "chat" and model and base_url:
        return ChatModel(base_url, model, environ.get(KEY_VARIABLE))
    raise SessionError(f"{where} is {text[:40]!r}, expected {FORMS}")

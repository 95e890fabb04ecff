"""``%load_ext imkit``: the line magic ``%imkit`` for a session, and the cell magic ``%%ask`` for a question."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.display import display

from imkit.capture.browser import BrowserSource
from imkit.stream import ImkitError

from .asking import ask
from .live import LiveSession

NAME: Final = "session"
WORDS: Final = {
    "start": "starts the session, and shows it where it is not shown yet",
    "stop": "stops it; start goes on from there",
    "say TEXT": "types TEXT to it",
    "status": "says what it is doing",
    "notebook on|off": "shares what cells do with it, or stops sharing; without a word says which",
}
KNOWN: Final = tuple(word.split()[0] for word in WORDS)
HELP: Final = "\n".join(
    [
        f"The session is the variable {NAME!r}; where there is none, it is made.",
        *(f"  %imkit {word:<16} {does}" for word, does in WORDS.items()),
        "  %%ask                   hands the cell's text to the background model and shows its answer below;",
        "                         a live session is told of both",
    ]
)


@magics_class
class SessionMagics(Magics):
    """``%imkit`` and ``%%ask`` of one shell. ``make`` makes the session where the notebook has none."""

    def __init__(self, shell: Any, make: Callable[[], LiveSession] = LiveSession) -> None:
        super().__init__(shell)
        self._shell = shell
        self._make = make
        self._made: list[LiveSession] = []
        self._shared: list[LiveSession] = []

    @line_magic("imkit")  # type: ignore[arg-type]
    def command(self, line: str) -> None:
        """Works with the notebook's session; without a word it prints what it knows."""
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not word:
            print(HELP)
            return
        if word not in KNOWN:
            near = get_close_matches(word, KNOWN, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"%imkit: {word[:40]!r} is not known, known are: {', '.join(WORDS)}{meant}")
        if rest and word in ("start", "stop", "status"):
            raise UsageError(f"%imkit {word}: takes nothing more, got {rest[:40]!r}")
        try:
            getattr(self, f"_{word}")(rest)
        except ImkitError as error:
            raise UsageError(f"%imkit {word}: {error}") from None

    @cell_magic("ask")  # type: ignore[arg-type]
    def question(self, line: str, cell: str) -> None:
        """Hands the text to the background model, waits, and shows its answer below. An interruption cancels it.

        A session that is live is told of question and answer.
        """
        try:
            session = self._session()
            ask(session, f"{line}\n{cell}".strip(), _tell, session.answers.show)
        except ImkitError as error:
            raise UsageError(f"%%ask: {error}") from None

    def take_back(self) -> None:
        """Closes the session that was made here, and stops sharing the notebook where it was switched on here."""
        for session in self._shared:
            session.notebook = False
        for session in self._made:
            session.close()
            if self._shell.user_ns.get(NAME) is session:
                del self._shell.user_ns[NAME]
        self._made.clear()
        self._shared.clear()

    # --- the words

    def _start(self, _: str) -> None:
        session = self._session()
        if session._display is None:
            display(session)  # type: ignore[no-untyped-call]
        session.start()
        if isinstance(session.source, BrowserSource):
            print("Press Start in the widget for microphone and camera, or type.")

    def _stop(self, _: str) -> None:
        session = self._known()
        if session is None:
            print(f"There is no {NAME} to stop.")
        else:
            session.stop()

    def _say(self, text: str) -> None:
        if not text:
            raise UsageError("%imkit say: nothing to say; write %imkit say TEXT")
        session = self._session()
        session.start()
        session.say(text)

    def _status(self, _: str) -> None:
        session = self._known()
        if session is None:
            print(f"There is no {NAME} yet; %imkit start makes one.")
            return
        stats = session.stats()
        reason = f" ({stats['reason']})" if stats["reason"] else ""
        kept = f"{stats['seconds']} s, {stats['missed_deadlines']} deadlines missed"
        behind = type(session.background).__name__
        print(f"{stats['model']} is {stats['state']}{reason}: {kept}; background model: {behind}; {_sharing(session)}")

    def _notebook(self, word: str) -> None:
        if word not in ("", "on", "off"):
            raise UsageError(f"%imkit notebook: {word[:40]!r} is not known, known are: on, off")
        session = self._session() if word == "on" else self._known()
        if session is None:
            print(f"There is no {NAME} yet, so nothing is shared.")
            return
        if word and session.notebook != (word == "on"):
            session.notebook = word == "on"
            if session.notebook and session not in self._shared:
                self._shared.append(session)
        print(f"{_sharing(session)[0].upper()}{_sharing(session)[1:]}.")

    # --- the session

    def _known(self) -> LiveSession | None:
        """The notebook's session, None where there is none or it is closed. UsageError for another kind of thing."""
        value = self._shell.user_ns.get(NAME)
        if value is not None and not isinstance(value, LiveSession):
            kind = type(value)
            raise UsageError(
                f"the variable {NAME!r} is a {kind.__module__}.{kind.__qualname__}, expected an imkit.Session; "
                f"give it another name, or: {NAME} = imkit.Session()"
            )
        return None if value is None or str(value.state) == "closed" else value

    def _session(self) -> LiveSession:
        session = self._known()
        if session is None:
            session = self._make()
            self._made = [*(one for one in self._made if str(one.state) != "closed"), session]
            self._shell.user_ns[NAME] = session
        return session


def _sharing(session: LiveSession) -> str:
    return "the notebook is shared: cells, outputs, errors" if session.notebook else "the notebook is not shared"


def _tell(text: str) -> None:
    print(text, flush=True)


def load(shell: Any) -> None:
    """Adds the magics to a shell."""
    shell.register_magics(SessionMagics(shell))


def unload(shell: Any) -> None:
    """Takes everything back: the magics, the session that they made, and sharing where they switched it on."""
    manager = shell.magics_manager
    magics = manager.registry.pop(SessionMagics.__name__, None)
    if magics is None:
        return
    magics.take_back()
    for kind, names in magics.magics.items():
        for name in names:
            manager.magics[kind].pop(name, None)

"""The tools of one session, and the policy that lets them run."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from imkit.stream import Provenance

from .approval import Asks, freeze
from .bound import BoundTools
from .errors import ToolError, ToolRefused
from .progress import Progress
from .tool import Tier, Tool, tool

MAX_LOG = 256
UNTRUSTED = frozenset({Provenance.CAMERA, Provenance.FILE, Provenance.NOTEBOOK, Provenance.TOOL})


@runtime_checkable
class ToolServer(Protocol):
    """Somewhere else that has tools, such as an MCP server. Started by the first ``tools()``."""

    def tools(self) -> tuple[Tool, ...]: ...

    def close(self) -> None: ...


class Toolbox:
    """Tools by name, and who may run when.

    Pure tools run. Read tools run and are logged. Effect tools ask a person, every time, with the exact arguments. A
    tool that reaches outside the notebook asks too, once text from a camera, a file, a cell or a tool is in the window
    of what led to the call: such text is data, and must not be able to send anything anywhere. Where nobody can be
    asked (``asks`` is None, or nobody is there), what would be asked is refused.

    Takes tools, plain typed functions, and tool servers, whose tools are added when they are first needed. Raises
    ToolError when two share a name. Calls may come from several threads.
    """

    def __init__(
        self, tools: Iterable[Tool | ToolServer | Callable[..., Any]] = (), *, asks: Asks | None = None
    ) -> None:
        self._tools: dict[str, Tool] = {}
        self._servers: list[ToolServer] = []
        self._unopened: list[ToolServer] = []
        self._opening = threading.Lock()
        self.asks = asks
        self.faults: list[str] = []
        """Sentences about tool servers that could not be started."""
        self.log: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_LOG)
        self.add(*tools)

    def add(self, *tools: Tool | ToolServer | Callable[..., Any]) -> None:
        """Adds tools. Raises ToolError when a name is taken."""
        for one in tools:
            if isinstance(one, ToolServer):
                self._servers.append(one)
                self._unopened.append(one)
                continue
            made = one if isinstance(one, Tool) else tool(one)
            if made.name in self._tools:
                raise ToolError(f"two tools are named {made.name!r}; give one another name: @tool(name='...')")
            self._tools[made.name] = made

    def open(self) -> None:
        """Starts the tool servers that are not started yet and adds their tools. One that fails is in ``faults``."""
        if not self._unopened:
            return
        with self._opening:
            while self._unopened:
                try:
                    self.add(*self._unopened[0].tools())
                except Exception as error:  # somebody else's program: its failure is a fact to tell
                    self.faults.append(str(error)[:400] or type(error).__name__)
                self._unopened.pop(0)

    def close(self) -> None:
        """Closes the tool servers. Their tools refuse afterwards."""
        for server in self._servers:
            server.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tools known so far, in the order they were given."""
        return tuple(self._tools)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools known so far: names, descriptions and schemas for whoever may call them."""
        return tuple(self._tools.values())

    def __getitem__(self, name: str) -> Tool:
        if name not in self._tools:
            self.open()
        if name not in self._tools:
            why = f" ({'; '.join(self.faults)})" if self.faults else ""
            raise ToolError(f"there is no tool named {name!r}; there are: {', '.join(self._tools) or 'none'}{why}")
        return self._tools[name]

    def __len__(self) -> int:
        return len(self._tools)

    def refusal(self, name: str) -> str:
        """Why the tool cannot run at all, in words; "" when it can, or can be asked about. Never waits."""
        if name not in self._tools:
            return "" if self._unopened else f"There is no tool named {name}."
        if self._tools[name].tier is Tier.EFFECT and (self.asks is None or not self.asks.present):
            return f"{name} would change something, and nobody is there to give permission, so I did not run it."
        return ""

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        window: Collection[Provenance] = frozenset(),
        progress: Callable[[str], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Any:
        """Runs a tool with named arguments.

        window     where the text came from that the call may stem from: since the last request of the user began
        progress   is told, in short sentences, how far a long call is
        cancelled  becomes true once nobody wants the result

        The arguments are copied first, as canonical JSON: what runs is what was checked and shown, whatever happens to
        the caller's own afterwards. May wait for a person, so never call it in the loop's thread. Raises ToolRefused
        in words for the person, ToolStopped when cancelled, ToolError when the arguments do not fit.
        """
        chosen = self[name]
        frozen = freeze(name, arguments)
        exact: dict[str, Any] = json.loads(frozen)
        chosen.check(exact)
        why = self._why(chosen, window)
        if why:
            if self.asks is None or not self.asks.present:
                raise ToolRefused(self.refusal(name) or f"{why[-1]} There is nobody to ask, so I did not run {name}.")
            self.asks.ask(name, frozen, why, cancelled or (lambda: False))
        if chosen.tier is not Tier.PURE:
            self.log.append((name, json.loads(frozen)))
        return chosen.run(exact, Progress(progress, cancelled))

    def functions(
        self,
        *,
        window: Collection[Provenance] = frozenset(),
        progress: Callable[[str], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> BoundTools:
        """Name -> function that takes named arguments and keeps the policy, for one piece of work."""
        return BoundTools(self, window, progress, cancelled)

    def _why(self, chosen: Tool, window: Collection[Provenance]) -> tuple[str, ...]:
        """Why a person must be asked, in sentences; none when nobody must."""
        why = []
        if chosen.tier is Tier.EFFECT:
            why.append(f"{chosen.name} changes something.")
        found = sorted(str(one) for one in UNTRUSTED & set(window))
        if found and (chosen.outside or chosen.tier is Tier.EFFECT):
            reach = f"{chosen.name} reaches beyond the notebook, and what" if chosen.outside else "What"
            why.append(f"{reach} led to it includes text that nobody here wrote: {', '.join(found)}.")
        return tuple(why)

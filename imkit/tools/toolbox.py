"""The tools of one session, and the policy that lets them run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from .tool import Tier, Tool, ToolError, ToolRefused, tool

MAX_LOG = 256


class Toolbox:
    """Tools by name. Pure tools run, read tools run and are logged, effect tools are refused.

    Effect tools need a person to allow the exact arguments; this version has no way to ask, so it says so and does not
    run them. Takes tools or plain typed functions. Raises ToolError when two share a name.
    """

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.log: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_LOG)
        for one in tools:
            made = one if isinstance(one, Tool) else tool(one)
            if made.name in self._tools:
                raise ToolError(f"two tools are named {made.name!r}; give one another name: @tool(name='...')")
            self._tools[made.name] = made

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tools, in the order they were given."""
        return tuple(self._tools)

    def __getitem__(self, name: str) -> Tool:
        if name not in self._tools:
            raise ToolError(f"there is no tool named {name!r}; there are: {', '.join(self._tools) or 'none'}")
        return self._tools[name]

    def __len__(self) -> int:
        return len(self._tools)

    def refusal(self, name: str) -> str:
        """Why the tool may not run, in words; "" when it may."""
        if name not in self._tools:
            return f"There is no tool named {name}."
        if self._tools[name].tier is Tier.EFFECT:
            return f"{name} would change something, and I cannot ask you for permission yet, so I did not run it."
        return ""

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Runs a tool with named arguments. Raises ToolRefused for an effect tool, ToolError when they do not fit."""
        chosen = self[name]
        refusal = self.refusal(name)
        if refusal:
            raise ToolRefused(refusal)
        if chosen.tier is Tier.READ:
            self.log.append((name, dict(arguments)))
        return chosen.run(arguments)

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Name -> function that takes named arguments and keeps the policy."""
        return {name: partial(self._named, name) for name in self._tools}

    def _named(self, name: str, /, **arguments: Any) -> Any:
        return self.call(name, arguments)

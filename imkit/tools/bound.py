"""A toolbox bound to one piece of work: its window of provenances, its progress, its cancel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imkit.stream import Provenance

from .errors import ToolError
from .tool import Tier, Tool

if TYPE_CHECKING:
    from .toolbox import Toolbox


class BoundTool:
    """One tool as a function of named arguments that keeps the toolbox's policy. Has the tool's words and schema."""

    def __init__(self, tools: BoundTools, chosen: Tool) -> None:
        self._tools = tools
        self.name, self.description, self.schema = chosen.name, chosen.description, chosen.schema
        self.tier, self.outside = chosen.tier, chosen.outside

    def __call__(self, **arguments: Any) -> Any:
        return self._tools.call(self.name, arguments)

    def __repr__(self) -> str:
        return f"BoundTool({self.name}, {self.tier})"


class BoundTools(Mapping[str, BoundTool]):
    """Name -> function, for one piece of work.

    The window grows with the work: once a tool that is not pure has answered, whatever is called next may stem from its
    text. There is no exception for tools that only list: names of columns, cells and files come from others too. What a
    task holds of the notebook without a tool, names of variables and types, does not count.

    Tool servers are started when the names are asked for, or a name that is not known; that may take a while.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        window: Collection[Provenance],
        progress: Callable[[str], object] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._toolbox = toolbox
        self._window = set(window)
        self._progress, self._cancelled = progress, cancelled

    @property
    def window(self) -> frozenset[Provenance]:
        """Where the text came from that the next call may stem from."""
        return frozenset(self._window)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Runs a tool, as ``Toolbox.call`` does."""
        try:
            return self._toolbox.call(
                name, arguments, window=self.window, progress=self._progress, cancelled=self._cancelled
            )
        finally:  # an error may quote what was read, too
            if name in self._toolbox.names and self._toolbox[name].tier is not Tier.PURE:
                self._window.add(Provenance.TOOL)

    def __getitem__(self, name: str) -> BoundTool:
        try:
            return BoundTool(self, self._toolbox[name])
        except ToolError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        self._toolbox.open()
        return iter(self._toolbox.names)

    def __len__(self) -> int:
        self._toolbox.open()
        return len(self._toolbox)

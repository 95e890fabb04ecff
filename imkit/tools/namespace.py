"""A read-only look at somebody's variables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

_SHELL_NAMES = frozenset({"In", "Out", "exit", "quit", "open", "get_ipython"})


class Namespace(Mapping[str, Any]):
    """Variables by name, oldest first. Live: a variable made later is seen later. Nothing can be set through it.

    Names that start with an underscore, modules, functions, classes and the shell's own names are left out.
    """

    def __init__(self, read: Callable[[], Mapping[str, Any]] | Mapping[str, Any]) -> None:
        self._read = read if callable(read) else lambda: read

    @classmethod
    def of_notebook(cls) -> Namespace:
        """The user's variables where IPython or marimo runs, otherwise an empty namespace."""
        variables = _marimo_variables()
        return cls(_user_variables if variables is None else variables)

    def _visible(self) -> dict[str, Any]:
        everything = dict(self._read())
        return {name: value for name, value in everything.items() if _is_data(name, value)}

    def __getitem__(self, name: str) -> Any:
        value = self._read()[name]
        if not _is_data(name, value):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._visible())

    def __len__(self) -> int:
        return len(self._visible())

    def __repr__(self) -> str:
        return f"Namespace({', '.join(self)})"


def _is_data(name: str, value: Any) -> bool:
    if name.startswith("_") or name in _SHELL_NAMES:
        return False
    return not (isinstance(value, ModuleType | type) or callable(value))


def _user_variables() -> Mapping[str, Any]:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell.user_ns if shell is not None else {}


def _marimo_variables() -> Mapping[str, Any] | None:
    """The notebook's variables while one of its cells runs in marimo, which puts them in place of ``__main__``."""
    marimo = sys.modules.get("marimo")
    return vars(sys.modules["__main__"]) if marimo is not None and marimo.running_in_notebook() else None

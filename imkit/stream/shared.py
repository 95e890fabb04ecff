"""A small mapping that shares its names with all others that have the same ones: moments of long ago are many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any


class Shared(Mapping[str, Any]):
    """What a mapping held, in less memory: 120 bytes where a dict of two names takes 200. It does not change."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self._names, self._values = names, values

    @staticmethod
    def of(mapping: Mapping[str, Any]) -> Shared:
        """The same names and values, in the same order."""
        if isinstance(mapping, Shared):
            return mapping
        return Shared(_once(tuple(mapping)), tuple(mapping.values())) if mapping else _EMPTY

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


_EMPTY = Shared((), ())


@lru_cache(maxsize=256)
def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    """The first tuple that had these names."""
    return names

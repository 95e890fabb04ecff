"""What measures are made of: intervals of time, and tables of small results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Generic, Literal, TypeVar, overload

Talker = Literal["user", "model"]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in seconds on the session clock, with what was said or happened in it."""

    start_s: float
    end_s: float
    label: str = ""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.end_s - self.start_s


class Table(Sequence[Row], Generic[Row]):
    """Results of one kind in order of time: a sequence of small dataclasses that is also a table."""

    def __init__(self, kind: type[Row], rows: Iterable[Row]) -> None:
        self.kind = kind
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Table[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Table[Row]:
        return Table(self.kind, self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.kind is other.kind and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Table of {len(self)} {self.kind.__name__}"

    def to_json(self) -> list[dict[str, Any]]:
        """One mapping a row."""
        return [asdict(row) for row in self._rows]  # type: ignore[call-overload]

    def to_pandas(self) -> Any:
        """A DataFrame, one row a result; an empty table keeps its columns. Needs pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas, which is not installed: pip install pandas") from error
        return pd.DataFrame(self.to_json(), columns=[field.name for field in fields(self.kind)])  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        try:
            return str(self.to_pandas()._repr_html_())
        except ImportError:
            return f"<pre>{self!r}</pre>"

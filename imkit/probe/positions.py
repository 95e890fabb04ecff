"""Which moment and which stream every row of an activation is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imkit.stream import TICK_S

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
SLOTS = 16
AUDIO_SLOT = 9
TOKEN_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """A table with one row for each row of an activation, or for each key that attention can reach. All are [n].

    index   the micro-turn
    stream  what it is of: "camera", "audio" (microphone and own sound are one token), "act", or a word that was
            "heard", "typed", or told by "background", "tool", "notebook", "ui", "file"; "" where nobody says
    slot    the place among the tokens of its micro-turn, 0 to 15; rises with time
    start_s, end_s  what it stands for
    """

    index: Ints
    stream: npt.NDArray[np.str_]
    slot: Ints
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Any) -> Positions:
        """Some of the rows: a slice, a mask, or their numbers."""
        columns = (self.index, self.stream, self.slot, self.start_s, self.end_s)
        return Positions(*(np.atleast_1d(column[rows]) for column in columns))

    def to_pandas(self) -> pd.DataFrame:
        """As a DataFrame, which needs pandas."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in self.__slots__})

    def __repr__(self) -> str:
        if not len(self):
            return "Positions(none)"
        streams = ", ".join(f"{n} {name or 'unknown'}" for name, n in zip(*self._counted(), strict=True))
        return f"Positions({self.start_s[0]:.1f} to {self.end_s[-1]:.1f} s: {streams})"

    def _counted(self) -> tuple[list[str], list[int]]:
        names, counts = np.unique(self.stream, return_counts=True)
        return names.tolist(), counts.tolist()


def of_tokens(index: Ints, stream: npt.NDArray[np.str_], slot: Ints) -> Positions:
    """Positions of tokens: an audio token stands for 50 ms, any other for its whole micro-turn."""
    start_s = index * TICK_S
    audio = stream == "audio"
    begin_s = np.where(audio, start_s + (slot - AUDIO_SLOT) * TOKEN_S, start_s)
    return Positions(index, stream, slot, begin_s, np.where(audio, begin_s + TOKEN_S, start_s + TICK_S))


def of_parts(index: Ints, parts: int, stream: str = "") -> Positions:
    """Positions of ``parts`` equal pieces of each micro-turn [n]."""
    piece = np.tile(np.arange(parts), len(index))
    whole = np.repeat(index, parts)
    start_s = whole * TICK_S + piece * (TICK_S / parts)
    return Positions(whole, np.full(len(whole), stream, "<U10"), piece, start_s, start_s + TICK_S / parts)

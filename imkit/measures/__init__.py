"""Turn-taking in figures, under the names of the literature: two talkers' intervals in, tables out.

>>> talk = talk_of(timeline)              # doctest: +SKIP
>>> measure(talk).latency_p50_s           # doctest: +SKIP
>>> gaps(talk).to_pandas()                # doctest: +SKIP
"""

from .floor import Interlude, Stretch, Transfer, gaps, interludes, overlaps, pauses, states, transfers
from .human import HUMAN, HumanValue
from .interval import Interval, Table, Talker
from .summary import Measures, by_window, measure
from .turns import (
    Backchannel,
    Interruption,
    Response,
    Turn,
    backchannels,
    interruptions,
    responses,
    turns,
    without_backchannels,
)
from .units import PAUSE_S, Talk, segments_of, talk_by_levels, talk_of, tick_levels, units_by_energy, units_by_words

__all__ = [
    "HUMAN",
    "PAUSE_S",
    "Backchannel",
    "HumanValue",
    "Interlude",
    "Interruption",
    "Interval",
    "Measures",
    "Response",
    "Stretch",
    "Table",
    "Talk",
    "Talker",
    "Transfer",
    "Turn",
    "backchannels",
    "by_window",
    "gaps",
    "interludes",
    "interruptions",
    "measure",
    "overlaps",
    "pauses",
    "responses",
    "segments_of",
    "states",
    "talk_by_levels",
    "talk_of",
    "tick_levels",
    "transfers",
    "turns",
    "units_by_energy",
    "units_by_words",
    "without_backchannels",
]

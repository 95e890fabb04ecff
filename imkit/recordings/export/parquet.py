"""Parquet: ``micro_turns.parquet``, wide, and ``events.parquet``, long; units in the metadata of each field."""

from __future__ import annotations

import io
from typing import Any

from imkit.stream import Timeline

from .files import ExportError
from .tables import EVENTS, MICRO_TURNS, events, micro_turns


def encode(timeline: Timeline) -> dict[str, bytes]:
    """Both tables, compressed with zstd. Needs pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ExportError("Parquet needs pyarrow, which is not installed: pip install imkit[parquet]") from error
    types = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "str": pa.string()}

    def table(columns: dict[str, list[Any]], kinds: dict[str, tuple[str, str, str]]) -> bytes:
        fields = [
            pa.field(name, types[kind], metadata={"description": about, **({"unit": unit} if unit else {})})
            for name, (kind, unit, about) in kinds.items()
        ]
        facts = {"imkit.tick_s": "0.2", "imkit.output_rate_hz": str(timeline.output_rate)}
        file = io.BytesIO()
        pq.write_table(pa.table(columns, schema=pa.schema(fields, metadata=facts)), file, compression="zstd")
        return file.getvalue()

    return {
        "micro_turns.parquet": table(micro_turns(timeline), MICRO_TURNS),
        "events.parquet": table(events(timeline), EVENTS),
    }

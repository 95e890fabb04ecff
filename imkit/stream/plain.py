"""Turning anything into plain JSON values, the same way every time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

MAX_DEPTH = 8


def plain(value: Any, depth: int = 0) -> Any:
    """Returns ``value`` as JSON values only: mappings, lists, strings, finite numbers, booleans and None.

    Numbers that are not finite become None, numpy values become numbers and lists, sets are sorted, and what has no
    JSON form becomes ``{"type": its class name}``: never a repr, which may hold an address and differ from run to run.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return {str(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, np.ndarray):
            return plain(value.tolist(), depth + 1)
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((plain(item, depth + 1) for item in value), key=repr)
    return {"type": type(value).__name__}

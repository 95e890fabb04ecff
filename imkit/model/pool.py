"""The caches of many streams in one memory, so that one native call reaches them all and none is copied.

A pool has rooms of a few seats. A ring that sits in a room keeps its keys and values there, as views; it is the same
plain ring to whoever reads or writes it. One call steps the streams of one room and goes over the seats between the
first and the last of them, so rings are kept close together: at most one moves in each micro-turn. Rings that are not
stepped are never touched, whoever holds them.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from imkit.stream import ModelError

from .config import NanoConfig
from .ring import Ring, Seat

SEATS = 16  # in a room: more than these make one call hardly faster, see imkit bench streams
_numbers = itertools.count()


class Room:
    """Memory for the caches of some streams.

    keys, values  float32 [layer, seat, head, place, head_width], arrays or tensors
    """

    def __init__(self, keys: Any, values: Any) -> None:
        self.number = next(_numbers)
        self.keys, self.values = keys, values
        self._seats: list[weakref.ref[Seat] | None] = [None] * keys.shape[1]

    def free(self) -> list[int]:
        """Seats that nobody holds, lowest first."""
        return [i for i, seat in enumerate(self._seats) if seat is None or seat() is None]

    def take(self, ring: Ring, number: int, brought: Callable[[Any], Any]) -> None:
        """Bring the cache of a ring to a free seat and bind the ring to it."""
        keys, values = (memory[:, number].swapaxes(1, 2) for memory in (self.keys, self.values))
        keys[:], values[:] = brought(ring.keys), brought(ring.values)
        seat = Seat(self.number, number)
        self._seats[number] = weakref.ref(seat)
        ring.keys, ring.values, ring.seat = keys, values, seat


class Pool:
    """Rooms of ``seats`` each, made when needed by ``zeros(shape)``; ``brought`` takes a cache to where they are."""

    def __init__(
        self, config: NanoConfig, zeros: Callable[..., Any], brought: Callable[[Any], Any], seats: int = SEATS
    ) -> None:
        places = config.window + config.pinned
        self._cache = (config.layers, places, config.heads, config.head_width)
        self._shape = (config.layers, seats, config.heads, places, config.head_width)
        self._zeros, self._brought = zeros, brought
        self._rooms: dict[int, Room] = {}

    def __len__(self) -> int:
        """How many caches it holds."""
        seats = self._shape[1]
        return sum(seats - len(room.free()) for room in self._rooms.values())

    def check(self, rings: Sequence[Ring]) -> None:
        """Raise a ModelError where these cannot be stepped together."""
        if len({id(ring) for ring in rings}) < len(rings):
            raise ModelError("one state was given twice; a stream takes one micro-turn at a time (fork it by deepcopy)")
        for number, ring in enumerate(rings):
            if tuple(ring.keys.shape) != self._cache:
                raise ModelError(
                    f"state {number} holds a cache of {tuple(ring.keys.shape)}, this model's are {self._cache}; "
                    "open the state with the model that steps it"
                )

    def seat(self, rings: Sequence[Ring]) -> list[tuple[Room, list[int]]]:
        """Bring rings in. Gives the rooms to call, and for each which of ``rings`` sit there, by rising seat."""
        for number, room in list(self._rooms.items()):
            if len(room.free()) == self._shape[1]:
                del self._rooms[number]
        called = {ring.seat.room for ring in rings if ring.seat is not None} & self._rooms.keys()
        for ring in rings:
            if ring.seat is None or ring.seat.room not in self._rooms:
                called.add(self._place(ring, called))
        if len(rings) > 1:
            self._tidy(rings)
        parties: dict[int, list[int]] = {}
        for i in sorted(range(len(rings)), key=lambda i: _seat_of(rings[i]).number):
            parties.setdefault(_seat_of(rings[i]).room, []).append(i)
        return [(self._rooms[number], party) for number, party in sorted(parties.items())]

    def _place(self, ring: Ring, rooms: set[int]) -> int:
        """Seat a ring in the fullest of ``rooms`` that has room, else in a new one; gives the room's number."""
        free = {number: left for number in rooms if (left := self._rooms[number].free())}
        if free:
            number = min(free, key=lambda number: len(free[number]))
            self._rooms[number].take(ring, free[number][0], self._brought)
            return number
        room = Room(self._zeros(self._shape), self._zeros(self._shape))
        self._rooms[room.number] = room
        room.take(ring, 0, self._brought)
        return room.number

    def _tidy(self, rings: Sequence[Ring]) -> None:
        """Move at most one of the rings, so that they come to lie close together in few rooms."""
        parties: dict[int, list[Ring]] = {}
        for ring in rings:
            parties.setdefault(_seat_of(ring).room, []).append(ring)
        free = {number: self._rooms[number].free() for number in parties}
        # Rooms in which only rings of this call sit: whoever moves, moves to one of these.
        whole = {number for number, party in parties.items() if len(free[number]) + len(party) == self._shape[1]}
        for number, party in parties.items():
            first, last = (pick(party, key=lambda ring: _seat_of(ring).number) for pick in (min, max))
            low, high = _seat_of(first).number, _seat_of(last).number
            if inside := [seat for seat in free[number] if low < seat < high]:
                return self._rooms[number].take(last, inside[0], self._brought)
            if high - low + 1 > 2 * len(party):  # others lie between
                self._place(last, whole - {number})
                return None
        smallest = min(parties, key=lambda number: (number in whole, len(parties[number])))
        others = whole - {smallest}
        if len(parties[smallest]) <= sum(len(free[number]) for number in others):
            self._place(parties[smallest][-1], others)
        return None


def _seat_of(ring: Ring) -> Seat:
    assert ring.seat is not None
    return ring.seat


__all__ = ["SEATS", "Pool", "Room"]

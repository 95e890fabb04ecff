"""Any rate to 16 kHz, or to another: a windowed-sinc polyphase resampler that can be fed in pieces.

Output sample ``m`` is the input signal at time ``m / to_hz``, without delay. Each output depends only on the input
around its own time, so that feeding the signal in pieces gives what feeding it whole gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from imkit.stream import INPUT_RATE, INPUT_SAMPLES

MAX_RATE = 768_000
_ZERO_CROSSINGS = 16  # of the sinc, each side
_PASSBAND = 0.94  # of the lower Nyquist frequency
_KAISER_BETA = 9.0
_MAX_PHASES = 1024  # above it, neighbouring phases are interpolated (error below -110 dB)
_BLOCK = INPUT_SAMPLES  # outputs computed at once: bounds the memory


def check_rate(rate_hz: int) -> int:
    """``rate_hz`` if it can be resampled; ValueError otherwise."""
    if not 1 <= rate_hz <= MAX_RATE:
        raise ValueError(f"sample rate is {rate_hz} Hz, expected 1 to {MAX_RATE} Hz")
    return rate_hz


class Resampler:
    """Resamples mono float32 at ``rate_hz`` to ``to_hz``. ``push`` pieces, then ``finish`` once.

    ``n`` input samples give ``ceil(n * to_hz / rate_hz)`` output samples in all.
    """

    def __init__(self, rate_hz: int, to_hz: int = INPUT_RATE) -> None:
        self.rate_hz = check_rate(rate_hz)
        divisor = gcd(rate_hz, check_rate(to_hz))
        self._up, self._down = to_hz // divisor, rate_hz // divisor
        cutoff = _PASSBAND * min(1.0, to_hz / rate_hz)  # relative to the input's Nyquist frequency
        self._half = ceil(_ZERO_CROSSINGS / cutoff)
        self._bank = _phases(min(self._up, _MAX_PHASES), self._half, cutoff)
        self._pieces = np.zeros(self._half - 1, np.float32)  # input kept, starting at index self._start
        self._start = -(self._half - 1)
        self._received = 0
        self._given = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output that became complete with ``samples`` (float32 [n])."""
        self._received += len(samples)
        if self._up == self._down:
            self._given += len(samples)
            return np.asarray(samples, np.float32).copy()
        self._pieces = np.concatenate([self._pieces, np.asarray(samples, np.float32)])
        # output m needs the inputs up to floor(m * down / up) + half
        last = self._received - 1 - self._half
        complete = 0 if last < 0 else ((last + 1) * self._up - 1) // self._down + 1
        return self._compute(complete)

    def finish(self) -> NDArray[np.float32]:
        """The rest of the output, with silence after the input's end."""
        if self._up == self._down:
            return np.zeros(0, np.float32)
        self._pieces = np.concatenate([self._pieces, np.zeros(self._half + 1, np.float32)])
        return self._compute(ceil(self._received * self._up / self._down))

    def _compute(self, until: int) -> NDArray[np.float32]:
        """Outputs ``self._given`` to ``until``, then forget the input that is no longer needed."""
        taps = self._bank.shape[1]
        output = np.empty(max(0, until - self._given), np.float32)
        for begin in range(0, len(output), _BLOCK):
            end = min(begin + _BLOCK, len(output))
            steps = np.arange(self._given + begin, self._given + end, dtype=np.int64) * self._down
            whole, phase = steps // self._up, steps % self._up
            first = whole - (self._half - 1) - self._start
            windows = sliding_window_view(self._pieces[: first[-1] + taps], taps)[first]
            np.einsum("mt,mt->m", windows, self._rows(phase), out=output[begin:end])
        self._given += len(output)
        keep_from = self._given * self._down // self._up - (self._half - 1)
        if keep_from > self._start:
            self._pieces = self._pieces[min(keep_from - self._start, len(self._pieces)) :].copy()
            self._start = keep_from
        return output

    def _rows(self, phase: NDArray[np.int64]) -> NDArray[np.float32]:
        """The filter of each output, float32 [outputs, taps]."""
        if self._up <= _MAX_PHASES:
            return self._bank[phase]
        position = phase * (_MAX_PHASES / self._up)
        low = position.astype(np.int64)
        share = (position - low).astype(np.float32)[:, None]
        rows: NDArray[np.float32] = self._bank[low] * (1 - share) + self._bank[low + 1] * share
        return rows


@lru_cache(maxsize=16)
def _phases(count: int, half: int, cutoff: float) -> NDArray[np.float32]:
    """The filters for the phases 0, 1/count ... 1, float32 [count + 1, 2 * half]; each passes a constant unchanged."""
    offsets = np.arange(-(half - 1), half + 1)[None, :] - np.arange(count + 1)[:, None] / count
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, 1))) / np.i0(_KAISER_BETA)
    filters = cutoff * np.sinc(cutoff * offsets) * window
    normalised: NDArray[np.float32] = (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
    normalised.flags.writeable = False  # shared by all that resample between the same rates
    return normalised


def in_ticks(blocks: Iterable[NDArray[np.float32]], rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Mono blocks at ``rate_hz`` as ticks, float32 [3200] at 16 kHz in [-1, 1]; the last one is filled with silence."""
    resampler = Resampler(rate_hz)
    waiting: list[NDArray[np.float32]] = []
    count = 0

    def pieces() -> Iterator[NDArray[np.float32]]:
        for block in blocks:
            yield resampler.push(block)
        yield resampler.finish()

    for piece in pieces():
        if not len(piece):
            continue
        waiting.append(piece)
        count += len(piece)
        if count < INPUT_SAMPLES:
            continue
        joined = np.clip(np.concatenate(waiting), -1, 1)
        whole = count // INPUT_SAMPLES * INPUT_SAMPLES
        for begin in range(0, whole, INPUT_SAMPLES):
            yield joined[begin : begin + INPUT_SAMPLES].copy()
        waiting, count = [joined[whole:]], count - whole
    if count:
        last = np.zeros(INPUT_SAMPLES, np.float32)
        last[:count] = np.clip(np.concatenate(waiting), -1, 1)
        yield last

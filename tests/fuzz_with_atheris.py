"""What reads bytes of strangers, under atheris, which looks for new paths: ``make fuzz`` runs it.

python tests/fuzz_with_atheris.py -atheris_runs=100000
"""

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["imkit"]):
    from imkit.adapters import realtime_events as wire
    from imkit.notebook.codec import FrameError, decode, encode
    from imkit.recordings import journal
    from imkit.recordings.levels import outline_of_levels
    from imkit.recordings.lines import parsed
    from imkit.recordings.tail import read_ticks
    from imkit.surfaces import Surface, words


def frame(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        assert encode(decode(data)) == data


def event(data: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        wire.write(wire.read(data))


def surface(data: bytes) -> None:
    words(Surface("s", "T", lines=data.decode("utf-8", "surrogateescape")))


def recording(data: bytes) -> None:
    for read in (
        parsed,
        journal.unsealed,
        lambda x: list(read_ticks(x, 24_000)),
        lambda x: outline_of_levels(x, 2, "user"),
    ):
        with contextlib.suppress(ValueError):
            read(data)


TARGETS = (frame, event, surface, recording)


def one(data: bytes) -> None:
    """The first byte chooses who reads the rest."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()

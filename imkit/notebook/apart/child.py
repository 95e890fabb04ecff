"""What runs in the process apart of a session with a widget."""

from __future__ import annotations

from io import BufferedReader

from imkit.session.isolated import child

from .keeper import Keeper
from .mouth import Mouth


def main(incoming: BufferedReader) -> None:
    """Serves the kernel until it hangs up; ends the process."""

    def prepare(made: child.Child) -> None:
        Keeper(made)
        Mouth(made)

    child.main(incoming, prepare)

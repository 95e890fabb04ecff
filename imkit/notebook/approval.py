"""The page asks the person: questions of tools go to the page that holds the lease, its answers come back here.

Down: ``approval`` with id, digest, tool, arguments as [name, JSON text], why, left_s; and ``approval_gone`` with id and
why. Up: ``approval`` with id, digest and allow. Everything that is no timely yes of that page to these very arguments
is a no: the desk decides, the page only shows and reports.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from imkit.tools import Approval, Approvals
from imkit.tools.approval import TIMEOUT_S

from .lease import Lease

MAX_NAME = 200
NEW_WORDS = {
    "allowed": "allowed",
    "refused": "refused",
    "expired": "no answer in time",
    "left": "the page was left",
    "altered": "the answer was about something else",
    "stopped": "no longer needed",
    "muted": "refused too often to be asked again now",
}


class PageApprovals(Approvals):
    """The desk of one session's pages.

    tell   sends a control message to the pages that show the session
    lease  who may answer: the view that holds it, from the lane that the view is on. Where nobody holds it yet, whoever
           answers must have taken it first
    """

    def __init__(
        self,
        tell: Callable[[dict[str, Any]], object],
        lease: Lease,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            lambda approval: tell(self.question(approval)),
            lambda id, why: tell({"type": "approval_gone", "id": id, "why": NEW_WORDS.get(why, why)}),
            lambda: bool(lease.views),
            timeout_s=timeout_s,
            clock=clock,
        )
        self._lease = lease
        self._holder: str | None = None

    def question(self, approval: Approval) -> dict[str, Any]:
        """What the page is told of a question: everything that it shows, as text."""
        return {
            "type": "approval",
            "id": approval.id,
            "digest": approval.digest,
            "tool": approval.tool,
            "arguments": [[name, text] for name, text in approval.lines()],
            "why": list(approval.why),
            "left_s": round(self.left_s(approval), 1),
            "view": self._lease.holder,
        }

    def take(self, message: Mapping[str, Any], view: str | None) -> bool:
        """An answer that came from ``view``. True when it counted."""
        if view is None or view != self._lease.holder:
            self.counts["foreign"] += 1
            return False
        id, digest = message.get("id"), message.get("digest")
        if not isinstance(id, str) or not isinstance(digest, str) or not digest.isascii():
            self.counts["malformed"] += 1
            return False
        return self.answer(id[:MAX_NAME], digest[:MAX_NAME], message.get("allow") is True)

    def lease_changed(self) -> None:
        """Call when the lease may have changed hands: with the page that was asked, the person has left."""
        before, self._holder = self._holder, self._lease.holder
        if (before is not None and before != self._holder) or not self._lease.views:
            self.leave()

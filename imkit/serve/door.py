"""Who may come in: looks at the request alone, before there is a connection."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from imkit.adapters.realtime_address import is_loopback

PATHS: Final = ("/v1/realtime", "/realtime")
PROTOCOL: Final = "realtime"
KEY_PROTOCOL: Final = "openai-insecure-api-key."
MAX_PATH: Final = 2048


class Headers(Protocol):
    """What is asked of a request's headers."""

    def get_all(self, name: str) -> Sequence[str]: ...


@dataclass(frozen=True)
class Refusal:
    """An HTTP status, and why in one sentence, without anything that was sent."""

    status: int
    words: str


@dataclass
class Door:
    """Lets in who knows the token and does not come from a foreign page.

    local    the server listens on the loopback: it must then be called by a name of the loopback too, so that no name
             of somebody else's that points here gets in
    origins  pages that may come in beside those of this machine: "https://host:port"
    """

    token: str
    local: bool = True
    origins: frozenset[str] = frozenset()
    refused: Counter[str] = field(default_factory=Counter)

    def check(self, target: str, headers: Headers, full: bool) -> Refusal | None:
        """None lets in. The order tells strangers nothing: who has no token never learns whether it is full."""
        refusal = self._check(target, headers, full)
        if refusal is not None:
            self.refused[str(refusal.status)] += 1
        return refusal

    def _check(self, target: str, headers: Headers, full: bool) -> Refusal | None:
        if len(target) > MAX_PATH:
            return Refusal(414, "the address is too long")
        path, _, query = target.partition("?")
        if path not in PATHS:
            return Refusal(404, f"there is nothing here; the path is {PATHS[0]}")
        if not self._host_fits(headers.get_all("Host")):
            return Refusal(403, "this server is called by a name that is not its own")
        if not self._page_may(headers):
            return Refusal(403, "pages of another site may not come in")
        if not self._knows(headers, query):
            return Refusal(401, "the token is missing or wrong")
        if full:
            return Refusal(503, "all sessions of this server are taken; try again later")
        return None

    def _host_fits(self, hosts: Sequence[str]) -> bool:
        if not self.local:
            return len(hosts) == 1
        return len(hosts) == 1 and is_loopback(_host_of(f"//{hosts[0]}"))

    def _page_may(self, headers: Headers) -> bool:
        """A program sends no origin. A page does, and cannot leave it out."""
        origins = headers.get_all("Origin")
        if not origins:
            return "cross-site" not in headers.get_all("Sec-Fetch-Site")
        return len(origins) == 1 and (is_loopback(_host_of(origins[0])) or origins[0] in self.origins)

    def _knows(self, headers: Headers, query: str) -> bool:
        told = [value[7:] for value in headers.get_all("Authorization") if value[:7].lower() == "bearer "]
        told += [one.removeprefix(KEY_PROTOCOL) for one in offered(headers) if one.startswith(KEY_PROTOCOL)]
        try:
            told += parse_qs(query, max_num_fields=20).get("token", [])
        except ValueError:
            return False
        return any(hmac.compare_digest(one.encode("utf-8", "replace"), self.token.encode()) for one in told)


def offered(headers: Headers) -> list[str]:
    """The subprotocols that a client offers."""
    return [one.strip() for line in headers.get_all("Sec-WebSocket-Protocol") for one in line.split(",")]


def chosen(offers: Iterable[Any]) -> str | None:
    """The subprotocol to answer with; never the one that holds the key."""
    return PROTOCOL if PROTOCOL in list(offers) else None


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""

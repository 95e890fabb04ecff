"""Where a realtime server is, and the key for it: from the environment, to that address, and into nothing else."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from imkit.stream import ModelError

from .realtime_line import Refused, Wire

MAX_BYTES: Final = 8 << 20
PING_S: Final = 5.0
SILENT_S: Final = 10.0
OWN_KEY: Final = "IMKIT_REALTIME_KEY"
VENDOR_KEY: Final = "OPENAI_API_KEY"
VENDOR_HOST: Final = "api.openai.com"
PARAMETERS: Final = ("model", "duplex", "autostart")

_quiet = logging.getLogger("imkit.realtime")
_quiet.setLevel(logging.CRITICAL + 1)  # below it the library would write headers down, and the key with them


class Address:
    """A checked address. Raises ModelError; what may be a key or a password is never repeated in it."""

    def __init__(self, url: str, model: str, query: Mapping[str, str]) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ModelError("url is no address; expected one such as 'ws://127.0.0.1:8765/v1/realtime'") from None
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.username is not None or parts.password is not None or parts.fragment or set(given) - {*PARAMETERS}:
            strange = ", ".join(sorted(name[:20] for name in set(given) - {*PARAMETERS})) or "a user, password or '#'"
            raise ModelError(
                f"url holds {strange}; an address may hold {', '.join(PARAMETERS)} and no key. "
                f"Put the key into the environment variable {OWN_KEY}."
            )
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ModelError(f"url begins with {parts.scheme[:10]!r}, expected ws:// or wss:// and a host")
        self.host, self.local = parts.hostname, is_loopback(parts.hostname)
        self.model = model or given.get("model", "")
        named = {"model": self.model} if self.model else {}
        self.url = urlunsplit((parts.scheme, parts.netloc, parts.path or "/v1/realtime", "", ""))
        self._query = urlencode({**given, **query, **named})
        self._secure = parts.scheme == "wss"
        self.where = parts.hostname if port is None else f"{parts.hostname}:{port}"

    def headers(self) -> dict[str, str]:
        """The key, if there is one for this address. Raises ModelError rather than send it unencrypted."""
        key = os.environ.get(OWN_KEY, "").strip()
        if not key and self.host == VENDOR_HOST:
            key = os.environ.get(VENDOR_KEY, "").strip()
        if not key:
            return {}
        if not self._secure and not self.local:
            raise ModelError(f"{self.where}: a key is not sent over ws:// to another machine; use wss://")
        if not key.isascii() or not key.isprintable():
            raise ModelError(f"{OWN_KEY} holds a character that no header may hold; set it again")
        return {"Authorization": f"Bearer {key}"}

    async def dial(self) -> Wire:
        """Opens a connection. Raises Refused where trying again would not help."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus

        class Straight(connect):
            """Goes nowhere else: a redirect would take the key along."""

            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc

        more: dict[str, Any] = {"proxy": None} if self.local else {}
        try:
            return await Straight(
                f"{self.url}?{self._query}" if self._query else self.url,
                additional_headers=self.headers(),
                user_agent_header="imkit",
                compression=None,
                max_size=MAX_BYTES,
                ping_interval=PING_S,
                ping_timeout=SILENT_S,
                close_timeout=1.0,
                logger=_quiet,
                **more,
            )
        except ModelError as error:
            raise Refused(str(error)) from None
        except InvalidStatus as error:
            raise _refusal(error.response.status_code, self.where) from None


def _refusal(status: int, where: str) -> Exception:
    if status in (401, 403):
        return Refused(f"{where} does not let us in ({status}); is the key in {OWN_KEY} right?")
    if status == 404:
        return Refused(f"there is no realtime server at {where}, or not at this path (404)")
    if 300 <= status < 400:
        return Refused(f"{where} points somewhere else ({status}); give the address that it points to")
    return ConnectionError(f"{where} answered {status}")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine by its very name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

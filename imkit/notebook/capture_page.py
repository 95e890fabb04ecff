"""A page that captures where the notebook's own may not, as in VS Code: the same widget, served by the kernel itself.

Only to browsers on the kernel's machine, which counts as secure, and only with the session's token in the address.
"""

from __future__ import annotations

import html
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final, Protocol

from tornado.web import RequestHandler

from imkit.adapters.realtime_address import is_loopback

from .strings import PAGE_TITLE
from .widget import asset

ROUTE: Final = r"/(imkit/[\w-]+)/(page|widget\.js|widget\.css)"
TYPES: Final = {"widget.js": "text/javascript; charset=utf-8", "widget.css": "text/css; charset=utf-8"}
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Lane(Protocol):
    """What a session's door tells of itself."""

    traits: Mapping[str, Any]

    def knows(self, token: str) -> bool: ...


class Server(Protocol):
    """Who has the doors, by path."""

    @property
    def lanes(self) -> Mapping[str, Lane]: ...


class CapturePage(RequestHandler):
    """Gives the page and the two files that it needs, each only with the token."""

    def initialize(self, server: Server) -> None:
        self.server = server

    def get(self, path: str, name: str) -> None:
        lane = self.server.lanes.get(path)
        token = self.get_query_argument("t", "")
        if lane is None or not lane.knows(token) or not is_loopback(self.request.host_name):
            self.set_status(403)
            self.finish("no session here, or not your token\n")
            return
        for header, value in HEADERS.items():
            self.set_header(header, value)
        if name != "page":
            self.set_header("Content-Type", TYPES[name])
            self.finish(asset(name))
            return
        nonce = secrets.token_urlsafe(16)
        self.set_header("Content-Security-Policy", policy(nonce, self.request.host))
        self.finish(page(lane.traits, token, nonce))


def policy(nonce: str, host: str) -> str:
    """The page runs our script alone, talks to our port alone, and stands in no frame."""
    rules = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}' 'self' blob:",
        "worker-src": "blob:",
        "style-src": f"'nonce-{nonce}' 'self'",
        "connect-src": f"'self' ws://{host}",
        "img-src": "blob: data:",
        "media-src": "blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def page(traits: Mapping[str, Any], token: str, nonce: str) -> str:
    """The HTML of the page. ``traits`` are what the widget in a notebook would have been told."""
    told = json.dumps(dict(traits)).replace("<", "\\u003c")
    query = f"?t={html.escape(token, quote=True)}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(PAGE_TITLE)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="./widget.css{query}">
<style nonce="{nonce}">
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 12px; max-width: 1080px; background: light-dark(#f3f4f6, #0e1012); }}
</style>
</head>
<body>
<main id="imkit"></main>
<script type="module" nonce="{nonce}">
import {{ page }} from "./widget.js{query}";
page(document.getElementById("imkit"), {told});
</script>
</body>
</html>
"""

"""ASGI middleware that refuses uploads that a page of another site has caused.

A browser sends a form with files to any site without asking first. So every site that somebody visits could fill the
disk of an app that only this person can reach.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.text import refusals
from ui.web.hosts import host_name
from ui.web.route_path import is_upload


class RefuseForeignUploads:
    """Answers 403 to uploads whose Origin header names another host. Programs send no such header."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope) and is_foreign(Headers(scope=scope)):
            await PlainTextResponse(refusals.FOREIGN_UPLOAD, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Return whether the headers of a request say that a page of another host has caused it.

    Ports are not compared, because proxies change them.
    """
    origin = headers.get("origin")
    # Browsers set Sec-Fetch-Site themselves; scripts cannot change it.
    if origin is None or headers.get("sec-fetch-site") == "same-origin":
        return False
    # Behind a proxy the app's host is in X-Forwarded-Host, which a script cannot send without being allowed to.
    own = {host_name(headers.get(name, "").strip()) for name in ("host", "x-forwarded-host")}
    return host_name(urlsplit(origin).netloc) not in own - {""}

"""ASGI middleware that adds headers to every answer, with which browsers protect a visitor."""

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What a page may load, by kind. Gradio needs scripts and styles inside of the page, and compiles scripts of components.
_SOURCES = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}


class SecurityHeaders:
    """Adds security headers to all answers.

    They limit what the page may load (Content-Security-Policy), and forbid browsers to guess the type of a file and to
    send the page's address to other sites.

    frames: other sites that may show the app in a frame.
    servers: the servers that the page may send requests to, besides the app's own.
    """

    def __init__(self, app: ASGIApp, frames: Iterable[str] = (), servers: Iterable[str] = ()) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": content_security_policy(frames, servers),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def content_security_policy(frames: Iterable[str], servers: Iterable[str] = ()) -> str:
    """Return the policy of a page that loads from the app alone.

    frames: the sites that may show it in a frame.
    servers: the servers that it may send requests to.
    """
    sources = _SOURCES | {
        "connect-src": " ".join(["'self'", *servers]),
        "frame-ancestors": " ".join(["'self'", *frames]),
    }
    return "; ".join(f"{kind} {allowed}" for kind, allowed in sources.items())

"""ASGI middleware that refuses requests to host names that are not the app's.

Otherwise a foreign site could let its own name point to this machine ("DNS rebinding"). Its scripts would then read
and use an app that listens on this machine only. Starlette's TrustedHostMiddleware is not used, because its refusal
does not say what to do, and earlier versions of it refuse IPv6 addresses.
"""

import ipaddress

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import short_repr
from ui.text import refusals

# The names of this machine itself.
LOOPBACK_HOSTS = ("localhost", "*.localhost", "127.0.0.1", "[::1]")


def accepted_hosts(names: str, server_name: str, may_be_proxied: bool) -> tuple[str, ...]:
    """Return the names under which the app answers; empty for any name.

    names: the names that were set, separated by commas or spaces; "*" stands for any name.
    server_name: the address at which the app listens; empty for 127.0.0.1.
    may_be_proxied: whether the settings suggest that a proxy or a tunnel passes on requests to other names.
    """
    chosen = tuple(names.replace(",", " ").lower().split())
    if chosen:
        return () if "*" in chosen else chosen
    return LOOPBACK_HOSTS if is_loopback(server_name) and not may_be_proxied else ()


def is_loopback(server_name: str) -> bool:
    """Return whether an app that listens at this address can be reached from this machine only."""
    if server_name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(server_name.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """Return the name in a Host header, without the port, in lower case. An IPv6 address has brackets."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].rstrip(".").lower()


class CheckHost:
    """Answers 400 to requests with a name, as Host or X-Forwarded-Host, that is none of the accepted ones."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" and self.hosts else Headers()
        # Gradio makes links with the second name, which a proxy reports.
        hosts = [headers.get("host", ""), *headers.get("x-forwarded-host", "").split(",")]
        names = [host_name(host.strip()) for host in hosts if host.strip()]
        refused = next((name for name in names if not self._is_accepted(name)), None)
        if refused is None:
            await self.app(scope, receive, send)
            return
        answer = PlainTextResponse(refusals.UNKNOWN_HOST.format(host=short_repr(refused)), 400)
        await answer(scope, receive, send)

    def _is_accepted(self, name: str) -> bool:
        """Return whether a name, in lower case, is one of the accepted ones or below one of them."""
        return any(
            name.endswith(accepted[1:]) if accepted.startswith("*.") else name == accepted
            for accepted in self.hosts
        )

"""ASGI middleware that records what is sent over event streams, from which follows whether a run is watched."""

import re
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.session.services import Services

# Matches the path of the stream of a session, and that of a call of the API, which contains the call's id.
_SESSION_STREAM = re.compile(r".*/gradio_api/queue/data")
_CALL_STREAM = re.compile(r".*/gradio_api/call/(?:v2/)?[^/]+/([^/]+)")


class WatchStreams:
    """Records in the services' EventStreams whenever the server could send something over an event stream."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app, self.services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.services.streams.is_observed = True
        name = stream_name(scope)
        if name is None:
            await self.app(scope, receive, send)
            return

        async def send_and_record(message: Message) -> None:
            await send(message)  # Waits while the client does not take what was sent before.
            if message["type"] == "http.response.body" and message.get("body"):
                self.services.streams.mark_sent(name)

        await self.app(scope, receive, send_and_record)


def stream_name(scope: Scope) -> str | None:
    """Return the name of the event stream that a request opens; None for any other request."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    if _SESSION_STREAM.fullmatch(scope["path"]):
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return query.get("session_hash", [None])[0]
    call = _CALL_STREAM.fullmatch(scope["path"])
    return call[1] if call else None

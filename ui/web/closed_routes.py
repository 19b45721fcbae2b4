"""ASGI middleware that closes routes of Gradio which neither the page nor the API needs."""

import re

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.web.route_path import route_path

# The closed routes: of FastAPI's documentation and of accounts, and below /gradio_api of development, monitoring,
# streams of other components, links to stored states, and downloads from other servers through this one.
_CLOSED = re.compile(
    r"/(openapi\.json|docs|redoc|monitoring|login|logout)(/.*)?"
    r"|/gradio_api/(dev|monitoring|profiling|runs|run-history|stream|token|user)(/.*)?"
    r"|/gradio_api/(deep_link|component_server|process_recording)/?"
    r"|/gradio_api/(undo-)?vibe-.*"
    r"|/gradio_api/(proxy=|file[=/]https?:).*",
    re.DOTALL,
)


class ClosedRoutes:
    """Answers 404 to requests for closed routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_closed(route_path(scope)):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def is_closed(path: str) -> bool:
    """Return whether a route is closed, or its path has control characters, for which Gradio has no answer.

    path: the path below the one at which the app is served.
    """
    return _CLOSED.fullmatch(path) is not None or any(ord(character) < 32 for character in path)

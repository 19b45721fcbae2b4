"""ASGI middleware that closes routes of Gradio which neither the page nor the API needs."""

import re

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# The closed routes: of FastAPI's documentation, and below /gradio_api of development, monitoring, streams of other
# components, links to stored states, and requests to Spaces that the app would load.
_CLOSED = re.compile(
    r"/(openapi\.json|docs|redoc|monitoring)(/.*)?"
    r"|/gradio_api/(dev|monitoring|profiling|runs|run-history|stream)(/.*)?"
    r"|/gradio_api/(deep_link|component_server|process_recording)/?"
    r"|/gradio_api/(undo-)?vibe-.*"
    r"|/gradio_api/proxy=.*",
    re.DOTALL,
)


class ClosedRoutes:
    """Answers 404 to requests for closed routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_closed(scope["path"], scope.get("root_path", "")):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def is_closed(path: str, root_path: str = "") -> bool:
    """Return whether a route is closed. root_path: the path below which the app is mounted."""
    return _CLOSED.fullmatch(path.removeprefix(root_path)) is not None

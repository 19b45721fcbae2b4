"""ASGI middleware that refuses calls that Gradio could not answer, and calls that would cost the server much.

Anyone can send requests by hand. A request that is too large, names no function or has too few values is no fault of
the app, so it must not look like one in the log. Values that name a file on another server are refused, because Gradio
would download it.
"""

import json
import logging
import re
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.session.client import network_of
from ui.text import refusals
from ui.web.new_sessions import NewSessions
from ui.web.route_path import is_upload, route_path
from ui.web.settings import MB

log = logging.getLogger(__name__)

# The bytes that the body of any request but an upload may have. The page sends some kilobytes.
MAX_BODY_BYTES = MB
# The lists, mappings and other values that such a body may contain. The page sends some hundreds. The server keeps
# the values of a page, and small values take many times the memory of their bytes.
MAX_VALUES = 20_000
# The longest hash of a session; the page's have about ten characters.
MAX_SESSION_HASH = 100
# What the address of a file on another server begins with. One letter is a drive of Windows.
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:", re.IGNORECASE)
# Matches the paths of calls. The groups are the route, and the name of the function if the path contains one.
_CALL = re.compile(r"/gradio_api/(?:(run|api|call/v2|call)/([^/]+)|(queue/join))/?")


class CheckCalls:
    """Answers 413, 404, 422 or 429 to calls that are not carried out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.new_sessions = NewSessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or is_upload(scope):
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            refusal = JSONResponse(
                {"detail": refusals.CALL_TOO_LARGE.format(limit=MAX_BODY_BYTES // MB)}, 413
            )
            await refusal(scope, receive, send)
            return
        match = _CALL.fullmatch(route_path(scope))
        refusal = self._refusal(scope, match, body)
        if refusal:
            await refusal(scope, receive, send)
            return
        await self._pass_on(scope, body, receive, send, is_named=bool(match) and match[1] == "call/v2")

    def _refusal(self, scope: Scope, match: re.Match[str] | None, body: bytes) -> JSONResponse | None:
        """Return the answer to a request that is refused, or None.

        match: the match of the path, if it is the path of a call.
        """
        values = _parse(body) if body or match else {}
        if not isinstance(values, dict):
            return JSONResponse({"detail": refusals.CALL_NOT_JSON}, 422)
        sentence = _find_unacceptable(values)
        if sentence:
            return JSONResponse({"detail": sentence}, 422)
        if match is None:
            return None
        client = network_of(scope["client"][0]) if scope.get("client") else ""
        session_hash = values.get("session_hash")
        if isinstance(session_hash, str):
            if len(session_hash) > MAX_SESSION_HASH:
                return JSONResponse({"detail": refusals.CALL_NOT_JSON}, 422)
            if not self.new_sessions.accept(client, session_hash):
                return JSONResponse({"detail": refusals.TOO_MANY_SESSIONS}, 429)
        return None if match[1] == "call/v2" else _refusal_of_function(scope, match, values)

    async def _pass_on(self, scope: Scope, body: bytes, receive: Receive, send: Send, is_named: bool) -> None:
        """Let the app answer a request whose body was read.

        is_named: whether arguments are given by name. What such a request raises comes from the assignment of its
        arguments, because the function itself runs later.
        """
        remaining: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body() -> Message:
            return remaining.pop() if remaining else await receive()

        if not is_named:
            await self.app(scope, receive_body, send)
            return
        try:
            await self.app(scope, receive_body, send)
        except (KeyError, TypeError, ValueError) as fault:
            log.info("a call was refused: %s", type(fault).__name__)
            await JSONResponse({"detail": refusals.WRONG_ARGUMENTS}, 422)(scope, receive, send)


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body of a request; None if it is too large or the connection was lost."""
    pieces, size, is_complete = [], 0, False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        size += len(piece)
        if size > MAX_BODY_BYTES:
            return None
        pieces.append(piece)
        is_complete = not message.get("more_body", False)
    return b"".join(pieces)


def _refusal_of_function(scope: Scope, match: re.Match[str], values: dict[str, Any]) -> JSONResponse | None:
    """Return the answer to a call that names no function or has too few values; None for any other call."""
    functions = scope["app"].get_blocks().fns
    function = _find_function(functions, values.get("fn_index"), match[2])
    if function is None:
        return JSONResponse({"detail": refusals.NO_SUCH_FUNCTION}, 404)
    data = values.get("data")
    # A call of the API leaves out what the server keeps itself.
    needed = len(function.inputs)
    accepted = {needed}
    if match[1] == "call":
        accepted.add(sum(not component.skip_api for component in function.inputs))
    if isinstance(data, list) and len(data) < needed and len(data) not in accepted:
        sentence = refusals.WRONG_VALUE_COUNT.format(needed=needed, count=len(data))
        return JSONResponse({"detail": sentence}, 422)
    return None


def _parse(body: bytes) -> Any:
    """Return the values in a body of JSON; None if it is not JSON, or if an answer could not contain its values.

    Python also reads numbers that are not finite, and lone surrogates, but they cannot be written as JSON in UTF-8.
    """
    try:
        values = json.loads(body)
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return values


def _find_unacceptable(values: object) -> str:
    """Return the sentence with which values are refused; "" if they are accepted."""
    nested, count = [values], 0
    while nested:
        value = nested.pop()
        count += 1
        if count > MAX_VALUES:
            return refusals.TOO_MANY_VALUES.format(limit=MAX_VALUES)
        if isinstance(value, list):
            nested += value
        elif isinstance(value, dict):
            nested += value.values()
            if isinstance(value.get("path"), str) and _ADDRESS.match(value["path"]):
                return refusals.FILE_ELSEWHERE
    return ""


def _find_function(functions: dict[int, Any], number: object, name: str | None) -> Any:
    """Return one of Gradio's functions by its number or, without a number, by its name; None if there is none."""
    if number is None:
        return next((function for function in functions.values() if function.api_name == name), None)
    return functions.get(number) if isinstance(number, int) else None

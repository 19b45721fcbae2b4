"""ASGI middleware that serves only the pictures and exports of runs, and no other file in the folders of runs.

Gradio serves each file below the folder of runs to whoever knows its path, and the URL of a picture contains the name
of its run. With that name come pictures, but neither latents nor uploaded images.
"""

import os
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.export.caption import CAPTIONED_FILE
from engine.export.film import FILM_FILE
from engine.runs.store import PICTURE_FILE
from ui.session.services import Services
from ui.web.route_path import route_path

# Matches the path of a request for a file, and takes the file's path from it.
_FILE_REQUEST = re.compile(r"/gradio_api/file[=/](.*)", re.DOTALL)
# The path of a served file within a run's folder.
_STAGE_FILE = (
    rf"stage-\d+-[0-9a-f]{{32}}/(?:{re.escape(PICTURE_FILE)}|proxy\.jpg|thumb\.jpg|tiles/[\d-]+\.(?:png|jpg))"
)
_EXPORT = rf"(?:{re.escape(CAPTIONED_FILE)}|{re.escape(FILM_FILE)})"
# Matches the path of a served file within the folder of all runs, and within the folder of an example.
_FILE_OF_RUNS = re.compile(rf"[0-9a-f]{{32}}/(?:{_STAGE_FILE}|{_EXPORT})|shared/[\w-]+/{_EXPORT}")
_FILE_OF_EXAMPLE = re.compile(_STAGE_FILE)
# Matches the path of a stage's file. It never changes, so a browser may keep it for a day, as long as runs are stored
# by default. A proxy may not, because the owner of a run can remove it.
_UNCHANGING_FILE = re.compile(rf".*/{_STAGE_FILE}")
CACHE_CONTROL = "private, max-age=86400, immutable"


class ServedFiles:
    """Answers 404 to a request for a file of a run that is not served."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app, self.services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _FILE_REQUEST.fullmatch(route_path(scope)) if scope["type"] == "http" else None
        if request and not is_served(request[1], self.services):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        elif request and _UNCHANGING_FILE.fullmatch(request[1]):
            await self.app(scope, receive, _sender_with_caching(send))
        else:
            await self.app(scope, receive, send)


def _sender_with_caching(send: Send) -> Send:
    """Return a function that sends an answer with the header Cache-Control, unless it reports an error."""

    async def send_with_caching(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 300:
            MutableHeaders(scope=message).setdefault("Cache-Control", CACHE_CONTROL)
        await send(message)

    return send_with_caching


def is_served(path: str, services: Services) -> bool:
    """Return whether a file may be served. Files outside of the folders of runs are left to Gradio.

    path: any text from outside.
    """
    try:
        # Both as it is written and after links are followed, because either may lie in a folder of runs.
        spellings = {Path(os.path.normpath(os.path.abspath(path))), Path(os.path.realpath(path))}
    except (OSError, ValueError):
        return False
    return all(_is_public(file, services) for file in spellings)


def _is_public(file: Path, services: Services) -> bool:
    """Return whether an absolute path is that of a served file of a run, or lies outside of the folders of runs."""
    folders = [(services.cache.root, _FILE_OF_RUNS)]
    folders += [(folder, _FILE_OF_EXAMPLE) for folder in services.examples.values()]
    for folder, public in folders:
        for root in {folder.absolute(), folder.resolve()}:
            if file.is_relative_to(root):
                return public.fullmatch(file.relative_to(root).as_posix()) is not None
    return True

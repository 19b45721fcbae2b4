"""The ES modules of the stages panel: their URL, and the route of the app that serves them."""

from functools import cache
from hashlib import sha256
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.paths import ASSETS

# The folder of the modules. They import each other by relative URLs.
MODULES_FOLDER = ASSETS / "web" / "panel"
# The module that builds the panel.
MAIN_MODULE = "main.js"
# A browser may keep a module for a year, since a changed module has another URL.
CACHE_CONTROL = "public, max-age=31536000, immutable"


@cache
def read_modules() -> dict[str, bytes]:
    """Return the content of each module by its file name. A change of the files takes effect in a new process."""
    return {path.name: path.read_bytes() for path in sorted(MODULES_FOLDER.glob("*.js"))}


def modules_path() -> str:
    """Return the path of the modules' folder below the root URL of the app.

    The path contains a hash of all modules. So a browser never runs modules of two versions together, even if it has
    kept some of an earlier one.
    """
    digest = sha256()
    for name, content in read_modules().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"/panel/{digest.hexdigest()[:16]}"


def main_module_for_browser() -> dict[str, Any]:
    """Return a JSON object whose `url` Gradio completes with the root URL of the app, also behind a proxy."""
    url = f"{modules_path()}/{MAIN_MODULE}"
    return {"path": MAIN_MODULE, "url": url, "meta": {"_type": "gradio.FileData"}}


def modules_route() -> Route:
    """Return the route that serves the modules."""
    return Route(f"{modules_path()}/{{name}}", _send_module)


async def _send_module(request: Request) -> Response:
    """Return the module that a request names."""
    content = read_modules().get(request.path_params["name"])
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type="text/javascript", headers={"Cache-Control": CACHE_CONTROL})

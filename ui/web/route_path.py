"""The path of a request as the routes of the app see it."""

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """Return the path of a request below the path at which the app is served.

    A line break at the end is left out, since routes match without it: in a regular expression, $ matches before it.
    """
    path, root = scope["path"].removesuffix("\n"), scope.get("root_path", "")
    if root and (path == root or path.startswith(f"{root}/")):
        return path.removeprefix(root)
    return path


def is_upload(scope: Scope) -> bool:
    """Return whether a request sends files to Gradio."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    return route_path(scope).rstrip("/") == "/gradio_api/upload"

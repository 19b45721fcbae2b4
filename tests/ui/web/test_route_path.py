import pytest

from ui.web.route_path import is_upload, route_path


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/config", "", "/config"),
        ("/config\n", "", "/config"),
        ("/studio/config", "/studio", "/config"),
        ("/config", "/studio", "/config"),
        ("/studios/config", "/studio", "/studios/config"),
        ("/config", "https://example.org/studio", "/config"),
    ],
)
def test_the_path_is_the_one_below_the_root(path, root_path, expected):
    assert route_path({"path": path, "root_path": root_path}) == expected


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/studio/gradio_api/upload", True),
        ("POST", "/gradio_api/upload/", True),
        ("GET", "/gradio_api/upload", False),
        ("POST", "/gradio_api/upload_progress", False),
    ],
)
def test_uploads_are_recognized(method, path, expected):
    scope = {"type": "http", "method": method, "path": path, "root_path": "/studio"}
    assert is_upload(scope) is expected

"""Which files of a run its name opens, on a real server: pictures and exports, and nothing else."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from engine.serving.entry import Request
from tests.support.planning import small_recipe

# The 32 hex digits of a run and of a stage key.
HEX = "0123456789abcdef" * 2


@pytest.fixture
def stage(running_app):
    """The folder of a finished stage of the running app."""
    queue = running_app.services.queue
    name = queue.submit(Request(small_recipe(scales=(1,), steps=4), owner="a" * 32))
    list(queue.follow(name))
    (folder,) = (running_app.services.cache.root / name).glob("stage-*")
    return folder


def status(app, path):
    """Return the status of a request for a file whose path is sent as it is written here."""
    where = urlsplit(app.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = f"GET /gradio_api/file={path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        return int(connection.recv(64).split()[1])


@pytest.mark.parametrize("name", ["picture.png", "proxy.jpg", "thumb.jpg", "tiles/0-0-0.png"])
def test_the_pictures_of_a_stage_are_served(running_app, stage, name):
    answer = httpx.get(f"{running_app.url}gradio_api/file={stage / name}")
    assert (answer.status_code, answer.content) == (200, (stage / name).read_bytes())
    assert answer.headers["cache-control"] == "private, max-age=86400, immutable"


@pytest.mark.parametrize("name", ["latents.safetensors", "checksums.json", "../owner", "../looked"])
@pytest.mark.parametrize(
    "spelling",
    [
        "{folder}/{name}",
        "{folder}/tiles/../{name}",
        "{folder}//{name}",
        "{folder}/%2e%2e/{stage}/{name}",
        "{folder}/./{name}",
        "/proc/self/root{folder}/{name}",
        "/{folder}/{name}",
    ],
)
def test_no_other_file_of_a_run_is_served(running_app, stage, name, spelling):
    assert (stage / name).is_file()
    path = spelling.format(folder=stage, stage=stage.name, name=name)
    assert status(running_app, path) in (403, 404)


def test_the_older_url_of_files_serves_no_other_file_either(running_app, stage):
    assert httpx.get(f"{running_app.url}gradio_api/file/{stage}/latents.safetensors").status_code == 404
    assert status(running_app, f"{stage}/latents.safetensors%00.png") == 404


def test_an_uploaded_image_and_the_speeds_are_not_served(running_app, stage):
    upload = stage.parent / f"upload-{HEX}{HEX}.png"
    upload.write_bytes((stage / "picture.png").read_bytes())
    pace = next(path for path in running_app.services.pace.folder.iterdir() if path.is_file())
    assert [status(running_app, path) for path in (upload, pace)] == [404, 404]


def test_exports_are_served(running_app, stage):
    for export in ("labelled.png", "dive.webp"):
        (stage.parent / export).write_bytes(b"x")
        assert status(running_app, stage.parent / export) == 200

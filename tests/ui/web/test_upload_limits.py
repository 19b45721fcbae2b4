"""The limits of uploads on a real server: of a request, of a client within an hour, and of all clients together."""

import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.running_app import launch_app
from tests.support.waiting import wait_until
from ui.session.upload_folder import UploadFolder
from ui.text import refusals
from ui.web.settings import WebSettings
from ui.web.upload_limits import MAX_CLIENTS, HourlyBytes, _PartCounter

KB = 1024
SETTINGS = WebSettings(
    max_upload_request_bytes=256 * KB, max_client_bytes_per_hour=512 * KB, max_upload_bytes=1024 * KB
)
CONTENT_TYPE = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n'


@pytest.fixture(scope="module")
def limited_app(shared_app, tmp_path_factory):
    """Another app over the services of the shared one, with low limits: its URL for uploads, and its services."""
    services = replace(shared_app.services)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with launch_app(services, SETTINGS) as (url, _):
            yield f"{url}gradio_api/upload", services


@pytest.fixture
def url(limited_app):
    """The URL for uploads of an app with low limits, to which nothing was uploaded."""
    url, services = limited_app
    for path in services.upload_folder.path.rglob("*.bin"):
        path.unlink()
    vars(services)["upload_folder"] = UploadFolder()  # A new one measures anew at once.
    return url


@pytest.fixture
def folder(limited_app):
    """Gradio's folder of uploads of the app with low limits."""
    return limited_app[1].upload_folder.path


def send_file(url, size, client):
    """Upload one file of so many bytes from a client of this number."""
    files = {"files": ("a.bin", bytes(size))}
    return httpx.post(url, files=files, headers={"X-Forwarded-For": f"10.0.0.{client}"})


def stored_bytes(folder):
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_uploads_within_the_limits_are_stored(url, folder):
    (path,) = send_file(url, 90 * KB, client=1).json()
    assert stored_bytes(folder) == Path(path).stat().st_size == 90 * KB


def test_a_request_that_is_too_large_is_refused(url, folder):
    answer = send_file(url, 257 * KB, client=2)
    assert (answer.status_code, answer.text) == (413, refusals.UPLOAD_TOO_LARGE.format(limit="0.25"))
    assert stored_bytes(folder) == 0


def test_a_request_without_a_length_is_cut_off_and_leaves_no_file(url, folder):
    def pieces():
        yield PART
        for _ in range(100):
            yield bytes(4 * KB)

    answer = httpx.post(url, content=pieces(), headers={"Content-Type": CONTENT_TYPE})
    assert (answer.status_code, answer.text) == (413, refusals.UPLOAD_TOO_LARGE.format(limit="0.25"))
    assert stored_bytes(folder) == 0


def test_a_lost_connection_leaves_no_file(url, folder):
    where = urlsplit(url)
    head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 50000\r\n"
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(f"{head}Content-Type: {CONTENT_TYPE}\r\n\r\n".encode())
        connection.sendall(PART + bytes(20_000))
        wait_until(lambda: any(folder.glob("tmp*")))
    wait_until(lambda: not any(folder.glob("tmp*")))


def test_a_client_is_refused_after_the_bytes_of_an_hour_and_another_one_is_not(url):
    statuses = [send_file(url, 140 * KB + number, client=3).status_code for number in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert send_file(url, 140 * KB, client=3).text == refusals.CLIENT_UPLOADED_TOO_MUCH.format(limit="0.5")
    assert send_file(url, 140 * KB, client=4).status_code == 200


def test_clients_on_this_machine_have_no_limit_of_their_own(url):
    statuses = [httpx.post(url, files={"files": ("a.bin", bytes(140 * KB))}).status_code for _ in range(5)]
    assert statuses == [200] * 5


def test_all_clients_together_are_refused_while_uploads_take_too_much(url, folder):
    (folder / "large.bin").write_bytes(bytes(800 * KB))
    assert send_file(url, 100 * KB, client=5).status_code == 200
    answer = send_file(url, 200 * KB, client=6)
    assert (answer.status_code, answer.text) == (507, refusals.UPLOADS_FULL)


def test_a_request_with_many_files_is_refused(url, folder):
    files = [("files", (f"{number}.bin", b"x")) for number in range(11)]
    assert httpx.post(url, files=files[:10]).status_code == 200
    answer = httpx.post(url, files=files)
    assert (answer.status_code, answer.text) == (413, refusals.TOO_MANY_FILES.format(limit=10))
    assert not any(folder.glob("tmp*"))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_parts_are_counted_in_pieces_of_any_size(size):
    body = b"--ab\r\n\r\none\r\n--ab\r\n\r\n--a--b-ab\r\n--ab--\r\n"
    parts = _PartCounter("multipart/form-data; boundary=ab")
    for start in range(0, len(body), size):
        parts.count_in(body[start : start + size])
    assert parts.count == 2


def test_bytes_are_forgotten_after_an_hour():
    now = [0.0]
    sent = HourlyBytes(lambda: now[0])
    sent.add("a", 5)
    now[0] = 3540.0
    sent.add("a", 7)
    assert sent.total("a") == 12
    now[0] = 3600.0
    assert (sent.total("a"), sent.total("b")) == (7, 0)


def test_only_the_latest_clients_are_remembered():
    sent = HourlyBytes()
    for number in range(MAX_CLIENTS + 1):
        sent.add(str(number), 1)
    assert (sent.total("0"), sent.total("1")) == (0, 1)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        f"multipart/form-data; boundary={'x' * 71}",
        "multipart/form-data; boundary=x; charset=idna",
        "text/plain; boundary=x",
    ],
)
def test_a_request_whose_parts_cannot_be_counted_is_refused(url, folder, content_type):
    part = PART.replace(b"--x", b"--") + b"content\r\n----\r\n"
    answer = httpx.post(url, content=part, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.text) == (400, refusals.NO_UPLOAD)
    assert stored_bytes(folder) == 0

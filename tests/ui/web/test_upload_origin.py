"""Uploads that a page of another site has caused, on a real server."""

import httpx
import pytest
from starlette.datastructures import Headers

from ui.text import refusals
from ui.web.upload_origin import is_foreign


def test_an_upload_from_another_site_is_refused(running_app):
    def upload(**headers):
        return httpx.post(
            f"{running_app.url}gradio_api/upload", files={"files": ("a", b"x")}, headers=headers
        )

    assert upload().status_code == 200
    assert upload(Origin=running_app.url.rstrip("/")).status_code == 200
    answer = upload(Origin="https://example.org")
    assert (answer.status_code, answer.text) == (403, refusals.FOREIGN_UPLOAD)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "a.org"}, False),
        ({"host": "a.org", "origin": "https://a.org"}, False),
        ({"host": "a.org", "origin": "https://a.org:8443"}, False),
        ({"host": "127.0.0.1:7860", "x-forwarded-host": "a.org", "origin": "https://a.org"}, False),
        ({"host": "127.0.0.1:7860", "origin": "https://a.org", "sec-fetch-site": "same-origin"}, False),
        ({"host": "[::1]:7860", "origin": "http://[::1]:7860"}, False),
        ({"host": "a.org", "origin": "https://b.org"}, True),
        ({"host": "a.org", "origin": "https://a.org.b.org"}, True),
        ({"host": "a.org", "origin": "null"}, True),
        ({"origin": "null"}, True),
    ],
)
def test_the_host_of_the_origin_must_be_the_apps(headers, expected):
    assert is_foreign(Headers(headers)) is expected

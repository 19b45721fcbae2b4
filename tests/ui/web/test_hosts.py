"""The host names under which the app answers."""

import socket
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.running_app import launch_app
from ui.web.hosts import LOOPBACK_HOSTS, accepted_hosts, host_name
from ui.web.settings import WebSettings


@pytest.fixture
def status(running_app):
    """A function that returns the status of a request with a Host header, to an app with its own names."""
    with launch_app(replace(running_app.services), WebSettings(hosts=(*LOOPBACK_HOSTS, "*.example.org"))) as (
        url,
        _,
    ):
        yield (
            lambda host, forwarded="": (
                httpx.get(f"{url}config", headers={"Host": host, "X-Forwarded-Host": forwarded}).status_code
            )
        )


def test_only_the_accepted_names_are_answered(status):
    accepted = (
        "localhost:7860",
        "127.0.0.1",
        "LOCALHOST",
        "[::1]:7860",
        "studio.localhost",
        "a.example.org:80",
    )
    assert {host: status(host) for host in accepted} == dict.fromkeys(accepted, 200)
    refused = ("evil.org", "localhost.evil.org", "evilexample.org", "example.org", "127.0.0.1.evil.org")
    assert {host: status(host) for host in refused} == dict.fromkeys(refused, 400)


def test_the_name_that_a_proxy_reports_is_checked_too(status):
    assert status("localhost", "a.example.org") == 200
    assert status("localhost", "a.example.org, evil.org") == 400


def test_any_name_is_answered_without_a_setting(running_app):
    where = urlsplit(running_app.url)
    assert httpx.get(f"{running_app.url}config", headers={"Host": "a.org"}).status_code == 200
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(b"GET /config HTTP/1.0\r\n\r\n")
        assert connection.recv(64).split()[1] == b"200"


@pytest.mark.parametrize(
    ("names", "server_name", "may_be_proxied", "expected"),
    [
        ("", "", False, LOOPBACK_HOSTS),
        ("", "127.0.0.1", False, LOOPBACK_HOSTS),
        ("", "[::1]", False, LOOPBACK_HOSTS),
        ("", "", True, ()),
        ("", "0.0.0.0", False, ()),
        ("", "studio.lan", False, ()),
        ("A.org, b.org", "", True, ("a.org", "b.org")),
        ("*", "", False, ()),
    ],
)
def test_without_names_only_an_app_on_this_machine_checks_them(names, server_name, may_be_proxied, expected):
    assert accepted_hosts(names, server_name, may_be_proxied) == expected


@pytest.mark.parametrize(
    ("header", "name"),
    [("A.org:80", "a.org"), ("[::1]:7860", "[::1]"), ("[::1]", "[::1]"), ("a.org.", "a.org")],
)
def test_the_name_in_a_header_has_no_port(header, name):
    assert host_name(header) == name

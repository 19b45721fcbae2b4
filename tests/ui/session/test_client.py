from types import SimpleNamespace

import gradio as gr
import pytest

from ui.session.client import Client, client_of, network_of


def request_from(host="203.0.113.7", session_hash="page", **headers):
    source = SimpleNamespace(client=SimpleNamespace(host=host), headers=headers)
    return gr.Request(source, session_hash=session_hash)


def test_a_request_says_which_page_browser_and_address_it_comes_from():
    request = request_from(**{"x-studio-owner": "a" * 32})
    assert client_of(request) == Client("page", "a" * 32, "203.0.113.7")


@pytest.mark.parametrize("header", ["", "a" * 31, "A" * 32, "../" * 8, "a" * 33])
def test_a_header_that_is_no_secret_is_ignored(header):
    assert client_of(request_from(**{"x-studio-owner": header})).owner == ""


def test_a_request_without_a_network_has_neither_owner_nor_address():
    assert client_of(gr.Request(session_hash="page")) == Client("page")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("testclient", ""),
    ],
)
def test_an_address_is_counted_by_what_one_household_has(host, network):
    assert network_of(host) == network


def test_runs_are_counted_by_address_and_without_one_by_page():
    assert Client("page", "a" * 32, "203.0.113.7").key == "203.0.113.7"
    assert Client("page", "a" * 32).key == "page"

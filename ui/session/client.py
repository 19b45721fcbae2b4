"""Who sent a request: the open page, the browser that owns runs, and the address."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

# The header in which the page's script sends the browser's secret, see assets/web/owner.js.
OWNER_HEADER = "x-studio-owner"
_SECRET = re.compile(r"[0-9a-f]{32}")
# The part of an IPv6 address that a provider gives to one household.
_IPV6_PREFIX = 64


@dataclass(frozen=True)
class Client:
    """Who sent a request."""

    # The hash of the open page's session in Gradio; empty if the request has none.
    session_hash: str = ""
    # The secret that owns the runs of the browser, see engine/runs/owner.py; empty if the request has none.
    owner: str = field(default="", repr=False)
    # The client's address; empty if it says nothing about who the client is.
    address: str = ""

    @property
    def key(self) -> str:
        """The key under which runs of this client are counted: the address, or the session where there is none."""
        return self.address or self.session_hash


def client_of(request: Any) -> Client:
    """Return the client of a gr.Request."""
    owner = _header(request, OWNER_HEADER)
    return Client(
        session_hash=request.session_hash or "",
        owner=owner if _SECRET.fullmatch(owner) else "",
        address=network_of(_host(request)),
    )


def network_of(host: str) -> str:
    """Return the address of a host, or the network of an IPv6 address, which one household has for itself.

    Return "" for this machine's own address and for what is no address: behind a proxy that does not report the
    addresses of its clients, all of them would be one.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return network_of(str(address.ipv4_mapped))
        if not address.is_loopback:
            return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return "" if address.is_loopback else str(address)


def _host(request: Any) -> str:
    """Return the host of a gr.Request as text; "" if the request came from no network."""
    source = request.request.client if request.request else None
    return source.host if source else ""


def _header(request: Any, name: str) -> str:
    """Return a header of a gr.Request; "" if it has none."""
    return request.request.headers.get(name, "") if request.request else ""

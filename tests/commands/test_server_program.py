"""Addresses that a server prints."""

import socket

import pytest

from asap_ingest.commands.http_server import base_url, listen, url_from_elsewhere


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "0:0:0:0:0:0:0:0"])
def test_all_addresses_are_none_to_open(bind):
    if ":" in bind and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with listen(bind, 0) as listening:
        port = listening.getsockname()[1]
        assert base_url(listening) == f"http://localhost:{port}"
        assert url_from_elsewhere(listening) == f"http://{socket.gethostname()}:{port}"
        socket.create_connection(("localhost", port), timeout=5).close()


@pytest.mark.parametrize(
    ("bind", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "127.0.0.1")]
)
def test_one_address_is_printed_as_it_is(bind, host):
    with listen(bind, 0) as listening:
        assert base_url(listening) == f"http://{host}:{listening.getsockname()[1]}"
        assert url_from_elsewhere(listening) is None

"""Names of a service, origins of pages, and what follows from them."""

from __future__ import annotations

import socket

import pytest
from starlette.datastructures import Headers

from asap_ingest.errors import ParameterError
from asap_ingest.web.web_policy import PUBLIC_VIEWER, WebPolicy, host_names, listed_origins

POLICY = WebPolicy(frozenset({"render.lab"}), frozenset({"http://friend.lab:8000"}))
#: What a page may do: read, write, and whether it is none of the service.
OWN, LISTED, LOOPBACK, FOREIGN = (
    (True, True, False),
    (True, True, True),
    (True, False, True),
    (False, False, True),
)
VIEWER = LOOPBACK


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LocalHost:8080", "localhost.", "localhost.:8080", "localhost:"),
        *("127.0.0.1", "127.0.0.1:80", "10.1.2.3:8080", "0.0.0.0:8080"),
        *("[::1]", "[::1]:8080", "[2001:DB8::1]:8080", "[fe80::1%eth0]:8080"),
        *("render.lab", "RENDER.LAB:8080", "render.lab.:8080"),
    ],
)
def test_names_that_the_service_goes_by(host: str) -> None:
    assert POLICY.host_refusal(headers(("Host", host))) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "evil-localhost", "xrender.lab"),
        *("render.lab.evil.example", "sub.render.lab", "127.0.0.1.evil.example", "1.2.3", "0x7f.1"),
        *(
            "",
            ":8080",
            "a b",
            "localhost:80:80",
            "localhost:x",
            "user@localhost",
            "localhost/x",
            "localhost..",
        ),
        *("localhost..", "::1", "[::1", "::1]", "[evil.example]", "[]", "a#", "a\\b"),
    ],
)
def test_other_names_are_refused_in_one_line(host: str) -> None:
    refusal = POLICY.host_refusal(headers(("Host", host)))
    assert refusal is not None
    assert repr(host) in refusal
    assert "--host_names" in refusal
    assert "\n" not in refusal


def test_of_two_names_both_must_be_known_and_none_is_fine() -> None:
    assert POLICY.host_refusal(headers(("Host", "localhost"), ("Host", "evil.example"))) is not None
    assert POLICY.host_refusal(headers()) is None


def test_a_long_name_is_not_repeated_in_full() -> None:
    assert len(POLICY.host_refusal(headers(("Host", "x" * 5000))) or "") < 300


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        (None, OWN),
        ("http://render.lab:8080", OWN),
        ("HTTP://Render.LAB:8080", OWN),
        ("http://render.lab.:8080", OWN),
        ("https://render.lab:8080", FOREIGN),
        ("http://render.lab", FOREIGN),
        ("http://render.lab:8081", FOREIGN),
        ("http://friend.lab:8000", LISTED),
        ("http://friend.lab", FOREIGN),
        ("https://friend.lab:8000", FOREIGN),
        ("http://localhost", LOOPBACK),
        ("https://localhost:3000", LOOPBACK),
        ("http://127.0.0.1:3000", LOOPBACK),
        ("http://127.9.9.9", LOOPBACK),
        ("http://[::1]:3000", LOOPBACK),
        ("http://localhost.evil.example", FOREIGN),
        ("http://127.0.0.1.evil.example", FOREIGN),
        ("http://10.1.2.3", FOREIGN),
        (PUBLIC_VIEWER, VIEWER),
        (f"{PUBLIC_VIEWER}:443", VIEWER),
        (PUBLIC_VIEWER.replace("https", "http"), FOREIGN),
        (f"{PUBLIC_VIEWER}.evil.example", FOREIGN),
        ("https://evil.example", FOREIGN),
        ("null", FOREIGN),
        ("", FOREIGN),
        ("file://", FOREIGN),
        ("localhost", FOREIGN),
        ("http://localhost@evil.example", FOREIGN),
        ("http://localhost http://evil.example", FOREIGN),
        ("chrome-extension://localhost", FOREIGN),
    ],
)
def test_where_a_page_comes_from(origin: str | None, place: tuple[bool, bool, bool]) -> None:
    assert granted(POLICY, origin, "http://render.lab:8080") == place


def granted(policy: WebPolicy, origin: str | None, own: str) -> tuple[bool, bool, bool]:
    """What a page may do; a program that is no page reads whatever it likes."""
    scheme, _, host = own.partition("://")
    sent = [("Host", host), *([] if origin is None else [("Origin", origin)])]
    access = policy.access("GET", scheme, headers(*sent))
    return access.reader == origin, access.may_write, access.is_cross_origin


def test_the_port_that_is_meant_anyway_may_be_left_out() -> None:
    assert granted(POLICY, "http://render.lab", "http://render.lab:80") == OWN
    assert granted(POLICY, "https://render.lab", "https://render.lab:443") == OWN
    assert granted(POLICY, "https://render.lab", "https://render.lab:80") == FOREIGN


def test_the_public_viewer_may_be_left_out() -> None:
    policy = WebPolicy(public_viewer=False)
    assert granted(policy, PUBLIC_VIEWER, "http://localhost") == FOREIGN


@pytest.mark.parametrize(
    ("origin", "reads", "writes"),
    [
        (None, None, True),
        ("http://localhost:8080", "http://localhost:8080", True),
        ("http://friend.lab:8000", "http://friend.lab:8000", True),
        ("http://localhost:1", "http://localhost:1", False),
        (PUBLIC_VIEWER, PUBLIC_VIEWER, False),
        ("http://evil.example", None, False),
        ("null", None, False),
    ],
)
def test_what_a_page_may_do(origin: str | None, reads: str | None, writes: bool) -> None:
    sent = headers(("Host", "localhost:8080"), *([("Origin", origin)] if origin is not None else []))
    for method in ("GET", "HEAD", "OPTIONS"):
        access = POLICY.access(method, "http", sent)
        assert (access.refusal, access.reader, access.may_write) == (None, reads, writes)
    for method in ("PUT", "POST", "DELETE", "PATCH", "get", "TRACE"):
        refusal = POLICY.access(method, "http", sent).refusal
        assert (refusal is None) is writes
        assert writes or "--allow_origins" in str(refusal)


def test_any_page_may_do_all_under_any_name() -> None:
    sent = headers(("Host", "rebound.example"), ("Origin", "null"))
    access = WebPolicy(any_page=True).access("DELETE", "http", sent)
    assert (access.refusal, access.reader, access.may_write) == (None, "null", True)


def test_names_are_those_of_the_machine_and_those_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "WS12.lab.example")
    assert host_names([]) == {"ws12.lab.example", "ws12"}
    assert host_names(["Render.lab."]) == {"ws12.lab.example", "ws12", "render.lab"}


@pytest.mark.parametrize(
    "name", ["http://render.lab", "render.lab:80", "*", "*.lab", "", "a b", "a/b", ".lab"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="host_names: .* is not a host name") as refused:
        host_names([name])
    assert "\n" not in str(refused.value)


def test_origins_are_listed_in_one_form() -> None:
    given = ["HTTP://Viewer.lab:80/", "https://b.lab.:8443", "http://[::1]:3000", "moz-extension://ab-c"]
    assert listed_origins(given) == {
        *("http://viewer.lab", "https://b.lab:8443", "http://[::1]:3000", "moz-extension://ab-c")
    }


@pytest.mark.parametrize(
    "origin",
    ["null", "*", "viewer.lab", "http://viewer.lab/page", "http://*.lab", "http://", "", "http://a:b"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ParameterError, match="allow_origins: .* is not an origin") as refused:
        listed_origins([origin])
    assert "\n" not in str(refused.value)

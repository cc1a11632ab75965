"""Where messages end."""

from __future__ import annotations

import pytest

from proxy.errors import ProxyError
from proxy.http.fields import Fields
from proxy.http.framing import of_response, request_length, response_has_body, trailers


@pytest.mark.parametrize(
    ("lengths", "codings", "length"),
    [([], [], 0), ([b"0"], [], 0), ([b"42"], [], 42), ([], [b"chunked"], None), ([], [b"Chunked"], None)],
)
def test_lengths_of_requests(lengths: list[bytes], codings: list[bytes], length: int | None) -> None:
    assert request_length("1.1", lengths, codings) == length


@pytest.mark.parametrize(
    ("version", "lengths", "codings", "status"),
    [
        ("1.1", [b"1", b"1"], [], 400),
        ("1.1", [b"1"], [b"chunked"], 400),
        ("1.0", [], [b"chunked"], 400),
        ("1.1", [b""], [], 400),
        ("1.1", [b"01"], [], 400),
        ("1.1", [b"1e3"], [], 400),
        ("1.1", ["٣".encode()], [], 400),
        ("1.1", [b"9" * 19], [], 400),
        ("1.1", [], [b"gzip"], 400),
        ("1.1", [], [b"chunked", b"chunked"], 400),
        ("1.1", [], [b"gzip", b"chunked"], 501),
    ],
)
def test_lengths_that_are_refused(version: str, lengths: list[bytes], codings: list[bytes], status: int) -> None:
    with pytest.raises(ProxyError) as refusal:
        request_length(version, lengths, codings)
    assert refusal.value.status == status


def test_which_responses_have_a_body() -> None:
    assert [response_has_body("GET", status) for status in (200, 404, 103, 204, 304)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not response_has_body("HEAD", 200)


@pytest.mark.parametrize(
    ("method", "version", "status", "length", "keep_alive", "expected"),
    [
        ("GET", "1.1", 200, 3, True, ([b"content-length: 3"], True, False, True)),
        ("GET", "1.1", 200, None, True, ([b"transfer-encoding: chunked"], True, True, True)),
        ("GET", "1.0", 200, None, True, ([b"connection: close"], True, False, False)),
        ("GET", "1.0", 200, 3, True, ([b"content-length: 3", b"connection: keep-alive"], True, False, True)),
        ("GET", "1.1", 200, 3, False, ([b"content-length: 3", b"connection: close"], True, False, False)),
        ("HEAD", "1.1", 200, None, True, ([b"content-length: 9"], False, False, True)),
        ("GET", "1.1", 304, None, True, ([b"content-length: 9"], False, False, True)),
        ("GET", "1.1", 204, 3, True, ([], False, False, True)),
    ],
)
def test_framing_of_responses(
    method: str,
    version: str,
    status: int,
    length: int | None,
    keep_alive: bool,
    expected: tuple[list[bytes], bool, bool, bool],
) -> None:
    fields = Fields([(b"content-length", b"9")])
    assert of_response(method, version, status, fields, length, keep_alive) == expected


def test_trailers_that_would_change_the_message_are_left_out() -> None:
    assert trailers([(b"x", b"1"), (b"content-length", b"1"), (b"set-cookie", b"a=b")]) == Fields([(b"x", b"1")])
    assert trailers([(b"host", b"a"), (b"client-cert", b":bGll:"), (b"client-cert-chain", b":bGll:")]) is None

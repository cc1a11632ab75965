"""A little of `python -m tests.desync`, and what it has found."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.codec.events import End
from proxy.codec.http1_client import Http1Client
from tests.desync.against_h11 import (
    h11_requests,
    our_requests,
    our_responses,
    request_difference,
    response_difference,
)
from tests.desync.messages import REQUESTS, RESPONSES
from tests.desync.mutation import mutated


@pytest.mark.parametrize("data", REQUESTS)
def test_requests_as_they_are(data: bytes) -> None:
    assert request_difference(data) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("data", RESPONSES)
def test_responses_as_they_are(data: bytes, method: str) -> None:
    assert response_difference(data, method) is None


@given(st.sampled_from(REQUESTS), st.integers(0, 2**64))
@settings(max_examples=400)
def test_requests(message: bytes, seed: int) -> None:
    assert request_difference(mutated(message, Random(seed))) is None


@given(st.sampled_from(RESPONSES), st.integers(0, 2**64), st.sampled_from(["GET", "HEAD"]))
@settings(max_examples=400)
def test_responses(message: bytes, seed: int, method: str) -> None:
    assert response_difference(mutated(message, Random(seed)), method) is None


def test_the_comparison_sees_what_it_is_for() -> None:
    """A server that takes the length before the coding reads another request than we do."""
    data = REQUESTS[8]
    assert [message.body for message in our_requests(data).messages] == [b"hello", b""]
    assert h11_requests(data).messages == our_requests(data).messages
    assert our_requests(data.replace(b"5\r\nhello", b"5 \r\nhello")).refused


def test_trailers_of_a_response_that_would_be_fields_are_dropped() -> None:
    client = Http1Client()
    client.expect("GET")
    trailers = b"Set-Cookie: a=b\r\nX-T: y\r\nCache-Control: public\r\n"
    events = client.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n")
    end = events[-1]
    assert isinstance(end, End)
    assert end.trailers is not None
    assert end.trailers.lines == [(b"x-t", b"y")]


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_an_interim_response_has_no_body(framing: bytes) -> None:
    """llhttp reads one where it says so, which then would be the beginning of the final one's."""
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    outcome = our_responses(b"HTTP/1.1 103 X\r\n" + framing + b"\r\n\r\nhello" + final, "GET")
    assert outcome.messages == []
    assert outcome.refused.startswith("http_protocol_error")


def test_a_coding_with_a_tab_behind_it() -> None:
    """llhttp does not know it by that, and would read the chunks as they are until the end."""
    outcome = our_responses(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET")
    assert outcome.messages == []
    assert outcome.refused.startswith("http_response_transfer_coding")

"""Responses from configuration."""

from __future__ import annotations

import asyncio

import pytest

from proxy.chain import link
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.stages.respond import Respond


def answer(stage: Respond, method: str = "GET") -> Response:
    request = Request(method, "http", "a.example", "/", None, Fields(), Exchange())
    return asyncio.run(link([stage])(request))


def test_status_fields_and_body_with_its_length() -> None:
    response = answer(Respond(404, [(b"x-a", b"1"), (b"content-length", b"9")], b"none"))
    assert (response.status, response.body) == (404, b"none")
    assert response.fields.lines == [(b"x-a", b"1"), (b"content-length", b"4")]


def test_head_gets_the_length_without_the_body() -> None:
    response = answer(Respond(200, body=b"hello"), "HEAD")
    assert response.body == b""
    assert response.fields.get(b"content-length") == b"5"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body(status: int) -> None:
    response = answer(Respond(status, body=b"hello"))
    assert response.body == b""
    assert b"content-length" not in response.fields


def test_each_exchange_has_a_response_of_its_own() -> None:
    stage = Respond(200)
    answer(stage).fields.set(b"x-a", b"1")
    assert answer(stage).fields.lines == [(b"content-length", b"0")]

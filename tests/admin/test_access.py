from __future__ import annotations

import pytest

from proxy.admin.access import bearer_matches, host_is_literal
from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields


@pytest.mark.parametrize(
    ("authority", "literal"),
    [
        ("127.0.0.1:9901", True),
        ("127.0.0.1", True),
        ("[::1]:9901", True),
        ("localhost:9901", True),
        ("192.0.2.1", True),
        ("rebound.evil.test:9901", False),
        ("127.0.0.1.nip.test", False),
        ("localhost.evil.test", False),
        ("[evil.test]:9901", False),
        ("", False),
    ],
)
def test_hosts_that_no_dns_answer_can_turn_into_us(authority: str, literal: bool) -> None:
    assert host_is_literal(authority) is literal


@pytest.mark.parametrize(
    ("authorization", "matches"),
    [
        (b"Bearer s3cret", True),
        (b"bearer  s3cret", True),
        (b"Bearer s3cre", False),
        (b"Bearer s3crets", False),
        (b"Bearer", False),
        (b"Bearer \xff", False),
        (b"Basic s3cret", False),
        (b"s3cret", False),
        (b"", False),
    ],
)
def test_bearer_tokens(authorization: bytes, matches: bool) -> None:
    request = Request("GET", "http", "a", "/", None, Fields([(b"authorization", authorization)]), Exchange())

    assert bearer_matches(request, "s3cret") is matches


def test_no_credentials_match_nothing() -> None:
    assert not bearer_matches(Request("GET", "http", "a", "/", None, Fields(), Exchange()), "s3cret")


def test_two_authorization_fields_match_nothing() -> None:
    fields = Fields([(b"authorization", b"Bearer s3cret"), (b"authorization", b"Bearer s3cret")])

    assert not bearer_matches(Request("GET", "http", "a", "/", None, fields, Exchange()), "s3cret")

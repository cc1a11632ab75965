"""Sessions resumed elsewhere than where they began: Python's own ssl as the client, without a network."""

from __future__ import annotations

import _ssl
import ssl
import sys
from pathlib import Path

import pytest
import trustme

from proxy.tls import server_context, share, tickets
from proxy.tls.ticket_keys import PERIOD, TicketKeys
from tests.tls.certificates import client_context, issue

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def client(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = client_context()
    context.maximum_version = version
    return context


def met(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLObject:
    """The client's end, after a handshake and the first byte that the server says."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="a.example", session=session)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [here, there]
    for _ in range(4):
        for each in list(waiting):
            try:
                each.do_handshake()
                waiting.remove(each)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    there.write(b".")
    assert here.read(1) == b"."
    return here


@pytest.fixture
def contexts(tmp_path: Path) -> list[ssl.SSLContext]:
    pair = issue(tmp_path, "a.example").pair
    return [server_context([pair], ["http/1.1"]) for _ in range(3)]


@pytest.mark.parametrize("version", VERSIONS)
def test_contexts_of_one_scope_open_each_others_tickets(
    contexts: list[ssl.SSLContext], version: ssl.TLSVersion
) -> None:
    first, second, other = contexts
    assert [share(each, scope) for each, scope in ((first, b"1"), (second, b"1"), (other, b"2"))] == [True] * 3
    asking = client(version)
    session = met(first, asking).session
    assert [met(each, asking, session).session_reused for each in contexts] == [True, True, False]


@pytest.mark.parametrize("version", VERSIONS)
def test_tickets_are_opened_for_two_periods_and_renewed_in_the_second(
    contexts: list[ssl.SSLContext], version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(tickets, "KEYS", TicketKeys(b"secret", now))
    monkeypatch.setattr(tickets, "monotonic", lambda: now)
    server, asking = contexts[0], client(version)
    assert share(server, b"1")
    first = met(server, asking).session
    now = PERIOD - 1
    assert met(server, asking, first).session_reused
    now = PERIOD
    later = met(server, asking, first)
    assert later.session_reused
    now = 2 * PERIOD
    assert not met(server, asking, first).session_reused
    assert met(server, asking, later.session).session_reused
    now = 3 * PERIOD
    assert not met(server, asking, later.session).session_reused


def test_a_ticket_is_no_way_around_a_certificate(tmp_path: Path, contexts: list[ssl.SSLContext]) -> None:
    """OpenSSL does not verify again who resumes a session: the scope has to say what is asked of clients."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    strict = server_context([issue(tmp_path, "a.example").pair], ["http/1.1"], client_ca=tmp_path / "ca.pem")
    assert share(contexts[0], b"open")
    assert share(strict, b"strict")
    asking = client(ssl.TLSVersion.TLSv1_2)
    session = met(contexts[0], asking).session
    with pytest.raises(ssl.SSLError, match="did not return a certificate"):
        met(strict, asking, session)


@pytest.mark.parametrize("unknown", ["version", "implementation", "linked in", "other library"])
def test_what_is_not_known_is_left_alone(
    contexts: list[ssl.SSLContext], unknown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    match unknown:
        case "version":
            monkeypatch.setattr(tickets, "KNOWN", ())
        case "implementation":
            monkeypatch.setattr(sys.implementation, "name", "other")
        case "linked in":
            monkeypatch.delattr(_ssl, "__file__")
        case _:
            monkeypatch.setattr(ssl, "OPENSSL_VERSION", "another")
    tickets._library.cache_clear()
    try:
        assert not share(contexts[0], b"1")
        asking = client(ssl.TLSVersion.TLSv1_3)
        assert met(contexts[0], asking, met(contexts[0], asking).session).session_reused
    finally:
        tickets._library.cache_clear()

"""Which socket of several a packet goes to, as the kernel decides it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from proxy.downstream import bind_datagrams, deal_by_worker

LONG = b"\xc3\0\0\0\1\x0a"
"""How a packet with a long header begins, up to the connection ID it is sent to (RFC 9000 §17.2)."""
SHORT = b"\x40"


@pytest.fixture
def workers() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        first = stack.enter_context(bind_datagrams(("127.0.0.1", 0), socket.AF_INET))
        others = [stack.enter_context(bind_datagrams(first.getsockname(), socket.AF_INET)) for _ in range(2)]
        deal_by_worker(first)
        yield [first, *others]


def arrived(workers: list[socket.socket], packet: bytes, client: socket.socket) -> list[int]:
    client.sendto(packet, workers[0].getsockname())
    found = []
    for number, each in enumerate(workers):
        try:
            assert each.recv(2000) == packet
            found.append(number)
        except BlockingIOError:
            pass
    return found


def test_packets_go_to_the_worker_that_their_connection_id_names(workers: list[socket.socket]) -> None:
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:  # from another address each time
            for number in range(3):
                cid = number.to_bytes(2) + b"12345678"
                assert arrived(workers, SHORT + cid + bytes(30), client) == [number]
                assert arrived(workers, LONG + cid + bytes(1200), client) == [number]


def test_what_names_no_worker_goes_by_its_addresses(workers: list[socket.socket]) -> None:
    seen = set()
    for _ in range(40):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            (first,) = arrived(workers, LONG + b"\xff\xff made up" + bytes(1200), client)
            assert arrived(workers, LONG + b"\x80\0another." + bytes(1200), client) == [first]
            seen.add(first)
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("packet", [b"", b"\x40", b"\xc0", b"\xc0\0\0", bytes(6)])
def test_packets_that_are_too_short_go_somewhere(workers: list[socket.socket], packet: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert len(arrived(workers, packet, client)) <= 1


def test_a_socket_of_one_client_comes_before_all_others(workers: list[socket.socket]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        with bind_datagrams(workers[0].getsockname(), socket.AF_INET) as own:
            own.connect(client.getsockname())
            for number in range(3):
                packet = SHORT + number.to_bytes(2) + b"12345678"
                assert arrived([*workers, own], packet, client) == [3]
        for number in range(3):
            packet = SHORT + number.to_bytes(2) + b"12345678"
            assert arrived(workers, packet, client) == [number], "as before it was there"

"""Sockets of UDP beside those of TCP."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

import pytest

from proxy.config.values import Address
from proxy.server.datagram_sockets import bind_both, datagram_key, of_worker
from proxy.server.sockets import close
from tests.ports import free_port


def ports(sockets: list[socket.socket]) -> set[int]:
    return {each.getsockname()[1] for each in sockets}


def test_both_are_at_the_same_port_and_stay_when_there_are_more_workers() -> None:
    tcp, udp = bind_both(Address("127.0.0.1", 0), None, (), 2)
    again, more = bind_both(Address("127.0.0.1", 0), tcp, udp, 4)
    fewer = bind_both(Address("127.0.0.1", 0), tcp, more, 1)[1]
    try:
        assert ports(tcp) == ports(more)
        assert again is tcp
        assert more[:2] == udp
        assert len(more) == 4
        assert fewer == more[:1]
    finally:
        close({"tcp": tcp, "udp": more})


def test_a_port_that_another_program_has() -> None:
    with ExitStack() as stack:
        taken = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        port = free_port()
        taken.bind(("127.0.0.1", port))
        with pytest.raises(OSError, match=r"Address already in use \(UDP, for h3\)"):
            bind_both(Address("127.0.0.1", port), None, (), 2)
        free = stack.enter_context(socket.socket())
        free.bind(("127.0.0.1", port))  # of TCP nothing was left behind


def test_each_worker_is_given_its_own() -> None:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(6)]
    sockets = {"a": made[:2], datagram_key("a"): made, "b": made[2:3]}
    assert of_worker(sockets, 0) == {"a": made[:2], "udp a": made[:2], "b": made[2:3]}
    assert of_worker(sockets, 2) == {"a": made[:2], "udp a": made[4:], "b": made[2:3]}
    close({"": made})


def test_what_is_kept_is_not_closed() -> None:
    first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    close({"a": [first, second]}, keep={"a": [first]})
    assert first.fileno() >= 0
    assert second.fileno() == -1
    first.close()

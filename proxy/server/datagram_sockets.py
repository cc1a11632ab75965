"""The sockets of UDP that HTTP/3 is spoken on: beside those of TCP, one for each worker."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from proxy import downstream
from proxy.config import model
from proxy.config.values import Address

Held = Mapping[str, list[socket.socket]]

WORD = "udp "

TRIES = 20
"""Ports to try when any would do, as one that is free for TCP need not be free for UDP."""


def datagram_key(key: str) -> str:
    """What they are known by beside the listener's own sockets: as many for each worker as there are of those, those of
    the first worker first."""
    return WORD + key


def are_datagrams(key: str) -> bool:
    return key.startswith(WORD)


def bind_both(
    address: Address, tcp: list[socket.socket] | None, udp: Sequence[socket.socket], workers: int
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Of TCP, and of UDP at the same ports; those that are held already are kept. OSError when they cannot be had."""
    if tcp is not None:
        return tcp, _datagrams(tcp, udp, workers)
    for left in reversed(range(TRIES if address.port == 0 else 1)):
        streams = downstream.bind(address.host, address.port)
        try:
            return streams, _datagrams(streams, udp, workers)
        except OSError:
            _close(streams)
            if not left:
                raise
    raise AssertionError


def _datagrams(streams: list[socket.socket], held: Sequence[socket.socket], workers: int) -> list[socket.socket]:
    """They stay in their order, by which the kernel knows whose they are."""
    number = len(streams) * workers
    found = list(islice(held, number))
    try:
        while len(found) < number:
            beside = streams[len(found) % len(streams)]
            found.append(downstream.bind_datagrams(beside.getsockname(), beside.family))
        if workers > 1:
            for each in found[: len(streams)]:
                downstream.deal_by_worker(each)
    except OSError as error:
        _close(found[len(held) :])
        raise OSError(error.errno, f"{error.strerror} (UDP, for h3)") from error
    return found


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()


def of_worker(sockets: Held, place: int) -> dict[str, list[socket.socket]]:
    """What a worker is given: of UDP only its own."""
    given = dict(sockets)
    for key, each in sockets.items():
        if (udp := sockets.get(datagram_key(key))) is not None:
            given[datagram_key(key)] = udp[place * len(each) : (place + 1) * len(each)]
    return given


def speak_http3(config: model.Config, keys: Iterable[str]) -> set[str]:
    """The keys of those listeners that do, of the keys of all."""
    return {key for key, listener in zip(keys, config.listeners, strict=True) if "h3" in listener.protocols}

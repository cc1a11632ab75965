"""wasi:sockets 0.2: operations are started and finished, and waited for between by pollables."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.component import HostInterface
from proxy.wasi.addresses import Address
from proxy.wasi.sockets import tcp_methods, udp_methods
from proxy.wasi.sockets.errors import Result, SocketFailed, told
from proxy.wasi.sockets.lookup import addresses_of
from proxy.wasi.sockets.network import Holder, Network
from proxy.wasi.sockets.places import written
from proxy.wasi.waiting import Job

REFUSED: Result = ("err", "access-denied")


class InstanceNetwork:
    """What stands for the network, and says nothing of it."""


def interfaces(network: Network | None = None) -> dict[str, HostInterface]:
    """network: None refuses everything; else instances have a Holder as their data."""
    return {
        "sockets/network": HostInterface({"network-error-code": _error_code}, resources={"network": _nothing}),
        "sockets/instance-network": HostInterface({"instance-network": lambda data: InstanceNetwork()}),
        "sockets/ip-name-lookup": _lookup(network),
        **tcp_methods.interfaces(network),
        **udp_methods.interfaces(network),
    }


def _nothing(data: Any, resource: Any) -> None:
    """Nothing is kept for it."""


def _error_code(data: Any, error: object) -> str | None:
    """What a stream failed with, when that was a socket's doing."""
    return told(error)[1] if isinstance(error, SocketFailed | OSError) else None


class Answers:
    """A `resolve-address-stream`."""

    def __init__(self, found: list[Address] | Job[list[Address]]) -> None:
        self._job = None if isinstance(found, list) else found
        self._left = list(reversed(found)) if isinstance(found, list) else []

    def pending(self) -> asyncio.Future[Any] | None:
        return None if self._job is None else self._job.pending()

    def next(self) -> Result:
        if self._job is not None:
            if self._job.pending() is not None:
                return "err", "would-block"
            job, self._job = self._job, None
            self._left = list(reversed(job.result()))
        return "ok", written(self._left.pop()) if self._left else None

    def close(self) -> None:
        if self._job is not None:
            self._job.cancel()


def _lookup(network: Network | None) -> HostInterface:
    def resolve(data: Holder, through: object, name: str) -> Result:
        if network is None:
            return REFUSED
        try:
            found = addresses_of(network, data.sockets, name)
        except SocketFailed as error:
            return told(error)
        return "ok", Answers(found if isinstance(found, list) else data.job(found))

    def following(data: Holder, answers: Answers) -> Result:
        try:
            return answers.next()
        except SocketFailed as error:
            return told(error)

    return HostInterface(
        {
            "resolve-addresses": resolve,
            "[method]resolve-address-stream.resolve-next-address": following,
            "[method]resolve-address-stream.subscribe": lambda data, answers: answers,
        },
        resources={"resolve-address-stream": lambda data, answers: answers.close()},
    )

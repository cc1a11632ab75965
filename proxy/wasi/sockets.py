"""wasi:sockets without a network: whoever wants a socket, or the addresses of a name, is refused."""

from __future__ import annotations

from typing import Any

from proxy.component import HostInterface

REFUSED = ("err", "access-denied")

_BUFFERS = ("receive-buffer-size", "set-receive-buffer-size", "send-buffer-size", "set-send-buffer-size")
_BOUND = ("start-bind", "finish-bind", "local-address", "remote-address", "address-family", "subscribe")

TCP = (
    *_BOUND, *_BUFFERS, "start-connect", "finish-connect", "start-listen", "finish-listen", "accept", "is-listening",
    "set-listen-backlog-size", "keep-alive-enabled", "set-keep-alive-enabled", "keep-alive-idle-time",
    "set-keep-alive-idle-time", "keep-alive-interval", "set-keep-alive-interval", "keep-alive-count",
    "set-keep-alive-count", "hop-limit", "set-hop-limit", "shutdown",
)  # fmt: skip
"""The methods of a tcp-socket (wasi:sockets/tcp)."""

UDP = (*_BOUND, *_BUFFERS, "stream", "unicast-hop-limit", "set-unicast-hop-limit")
"""The methods of a udp-socket (wasi:sockets/udp)."""


class Network:
    """What a guest gets before it is refused everything."""


class NoSocket(Exception):
    """Cannot happen: a guest has no socket to call this with."""


def interfaces() -> dict[str, HostInterface]:
    return {
        "sockets/network": HostInterface(
            {"network-error-code": lambda data, error: None}, resources={"network": _nothing}
        ),
        "sockets/instance-network": HostInterface({"instance-network": lambda data: Network()}),
        "sockets/ip-name-lookup": HostInterface(
            {"resolve-addresses": _refused, **_methods("resolve-address-stream", "resolve-next-address", "subscribe")},
            resources={"resolve-address-stream": _nothing},
        ),
        "sockets/tcp": HostInterface(_methods("tcp-socket", *TCP), resources={"tcp-socket": _nothing}),
        "sockets/tcp-create-socket": HostInterface({"create-tcp-socket": _refused}),
        "sockets/udp": HostInterface(
            {
                **_methods("udp-socket", *UDP),
                **_methods("incoming-datagram-stream", "receive", "subscribe"),
                **_methods("outgoing-datagram-stream", "check-send", "send", "subscribe"),
            },
            resources=dict.fromkeys(("udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"), _nothing),
        ),
        "sockets/udp-create-socket": HostInterface({"create-udp-socket": _refused}),
    }


def _methods(resource: str, *names: str) -> dict[str, Any]:
    return {f"[method]{resource}.{name}": _unreachable for name in names}


def _refused(data: Any, *args: Any) -> object:
    return REFUSED


def _unreachable(data: Any, *args: Any) -> object:
    raise NoSocket


def _nothing(data: Any, resource: Any) -> None:
    """Nothing is kept for it."""

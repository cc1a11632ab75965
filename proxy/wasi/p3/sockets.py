"""wasi:sockets 0.3 without a network: whoever wants a socket, or the addresses of a name, is refused."""

from __future__ import annotations

from typing import Any

from proxy.component import HostInterface
from proxy.wasi.sockets import NoSocket

REFUSED = ("err", ("access-denied", None))

_BOTH = (
    "bind", "connect", "send", "receive", "get-local-address", "get-remote-address", "get-address-family",
    "get-receive-buffer-size", "set-receive-buffer-size", "get-send-buffer-size", "set-send-buffer-size",
)  # fmt: skip
TCP = (
    *_BOTH, "listen", "get-is-listening", "set-listen-backlog-size", "get-keep-alive-enabled",
    "set-keep-alive-enabled", "get-keep-alive-idle-time", "set-keep-alive-idle-time", "get-keep-alive-interval",
    "set-keep-alive-interval", "get-keep-alive-count", "set-keep-alive-count", "get-hop-limit", "set-hop-limit",
)  # fmt: skip
UDP = (*_BOTH, "disconnect", "get-unicast-hop-limit", "set-unicast-hop-limit")


def interfaces() -> dict[str, HostInterface]:
    return {
        "sockets/types": HostInterface(
            {
                "[static]tcp-socket.create": _refused,
                "[static]udp-socket.create": _refused,
                **{f"[method]tcp-socket.{name}": _unreachable for name in TCP},
                **{f"[method]udp-socket.{name}": _unreachable for name in UDP},
            },
            resources={"tcp-socket": _nothing, "udp-socket": _nothing},
        ),
        "sockets/ip-name-lookup": HostInterface({"resolve-addresses": _refused}),
    }


def _refused(data: Any, *arguments: Any) -> object:
    return REFUSED


def _unreachable(data: Any, *arguments: Any) -> object:
    raise NoSocket


def _nothing(data: Any, resource: Any) -> None:
    """Nothing is kept for it."""

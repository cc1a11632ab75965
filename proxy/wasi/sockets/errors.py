"""What can go wrong with a socket: the error codes of wasi:sockets, which 0.2 and 0.3 each tell in its own way."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

CODES = {
    errno.EACCES: "access-denied", errno.EPERM: "access-denied",
    errno.EOPNOTSUPP: "not-supported", errno.ENOPROTOOPT: "not-supported", errno.EPROTONOSUPPORT: "not-supported",
    errno.EAFNOSUPPORT: "not-supported", errno.EINVAL: "invalid-argument", errno.EDESTADDRREQ: "invalid-argument",
    errno.ENOMEM: "out-of-memory", errno.ENOBUFS: "out-of-memory", errno.ETIMEDOUT: "timeout",
    errno.EMFILE: "new-socket-limit", errno.ENFILE: "new-socket-limit", errno.EADDRNOTAVAIL: "address-not-bindable",
    errno.EADDRINUSE: "address-in-use", errno.EHOSTUNREACH: "remote-unreachable",
    errno.EHOSTDOWN: "remote-unreachable", errno.ENETUNREACH: "remote-unreachable",
    errno.ENETDOWN: "remote-unreachable", errno.ECONNREFUSED: "connection-refused", errno.EPIPE: "connection-broken",
    errno.ECONNRESET: "connection-reset", errno.ECONNABORTED: "connection-aborted",
    errno.EMSGSIZE: "datagram-too-large",
    errno.ENOTCONN: "closed", errno.EISCONN: "invalid-state",
}  # fmt: skip
"""Error codes by errno; others are `unknown`."""

Result = tuple[str, Any]
OK: Result = ("ok", None)


class SocketFailed(Exception):
    """code: of wasi:sockets, of either version; or `closed`, of what is no longer what the guest takes it for, since
    its exchange is over or its peer has gone."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @classmethod
    def by(cls, error: OSError) -> SocketFailed:
        return cls(CODES.get(error.errno or 0, "unknown"))


def told(failure: SocketFailed | OSError) -> Result:
    """For 0.2. What is closed is aborted there: wasi-libc ends the guest at an `invalid-state` it did not expect."""
    code = failure.code if isinstance(failure, SocketFailed) else SocketFailed.by(failure).code
    return "err", {"connection-broken": "connection-reset", "closed": "connection-aborted"}.get(code, code)


def told3(failure: SocketFailed | OSError) -> Result:
    """For 0.3."""
    code = failure.code if isinstance(failure, SocketFailed) else SocketFailed.by(failure).code
    if code == "new-socket-limit":
        return "err", ("other", "too many sockets")
    return "err", {"unknown": ("other", None), "closed": ("invalid-state", None)}.get(code, (code, None))


def answering(
    function: Callable[..., object], tell: Callable[[SocketFailed | OSError], Result]
) -> Callable[..., Result]:
    """The same as a `result`."""

    def answer(data: Any, *arguments: Any) -> Result:
        try:
            return "ok", function(data, *arguments)
        except (SocketFailed, OSError) as error:
            return tell(error)

    return answer

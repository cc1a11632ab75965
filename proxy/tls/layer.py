"""TLS as a layer of its own: the protocol of a socket's transport, and the transport of a protocol above it.

Our own rather than the event loop's, because a listener has to count, watch and drain connections while they shake
hands, has to put it on a socket that something was read from before (PROXY protocol), and has to tell an end from a
cut. It costs what uvloop's costs: a few microseconds a request, nearly all of them OpenSSL's.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any, cast

_READ = 16 * 1024
"""The longest plaintext of a record (RFC 8446 §5.1): one read yields one record at most."""


class Layer(asyncio.Protocol, asyncio.Transport):
    """Shakes hands, then asks `established` for the protocol above and carries its bytes.

    Above, the end of what the peer sends is `eof_received` only when the peer said so (`close_notify`); a connection
    that ends without is lost, with an error: bytes may be missing (RFC 8446 §6.1).
    """

    _transport: asyncio.Transport

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        self._above: asyncio.Protocol | None = None
        self._reading = True
        self._closing = False  # nothing is written any more
        self._ending = False  # an end is to be written as soon as what has come is read
        self._over = False  # the peer sends nothing any more
        self._error: Exception | None = None

    # For who makes one of it.

    def established(self, tls: ssl.SSLObject) -> asyncio.Protocol:
        """The handshake is done: the protocol above, for its `connection_made`."""
        raise NotImplementedError

    def shake(self) -> bool:
        """Go on with the handshake, as far as what has come allows. Returns whether there was something to say."""
        said = False
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            said = self._outgoing.pending > 0
            self._flush()
        except ssl.SSLError as error:
            self._broken(error)
        else:
            self._flush()
            self._above = self.established(self._tls)
            self._above.connection_made(self)
            self._deliver()
        return said

    def failed(self, error: Exception | None) -> None:
        """There will be no protocol above. An ssl.SSLError (ssl.SSLCertVerificationError), or as of connection_lost."""

    # As the protocol of the socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.shake()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._incoming.write(data)
        if self._above is None:
            self.shake()
        elif self._reading:
            self._deliver()

    def eof_received(self) -> bool:
        if not self._over:
            self._broken(ssl.SSLEOFError("the connection ended within TLS"))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._over = True
        above, self._above = self._above, None
        if above is not None:
            above.connection_lost(self._error or exc)
        else:
            self.failed(self._error or exc)

    def pause_writing(self) -> None:
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        if self._above is not None:
            self._above.resume_writing()

    # As the transport of the protocol above.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls if name == "ssl_object" else self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._above = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._above is not None
        return self._above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        self._tls.write(data)
        self._transport.write(self._outgoing.read())

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The peer may go on sending (RFC 8446 §6.1)."""
        if self._reading and not self._over and (self._incoming.pending or self._tls.pending()):
            self._ending = True  # OpenSSL refuses to read on when it finds something unread now
        else:
            self._end()
            self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._end()
        self._transport.close()

    def abort(self) -> None:
        self._closing = self._over = True
        self._transport.abort()

    def pause_reading(self) -> None:
        self._reading = False
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._reading = True
        self._transport.resume_reading()
        if self._incoming.pending or self._tls.pending():
            asyncio.get_running_loop().call_soon(self._deliver)

    # Between the two.

    def _deliver(self) -> None:
        incoming, tls = self._incoming, self._tls
        while self._reading and not self._over and (incoming.pending or tls.pending()):
            try:
                data = tls.read(_READ)
            except ssl.SSLWantReadError:
                break  # for the rest of a record
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                self._broken(error)
                return
            if not data:
                self._ended()
            elif self._above is not None:
                self._above.data_received(data)
        if self._outgoing.pending:  # an answer to what is not data: a key update
            self._flush()
        if self._ending:
            self._ending = False
            self.write_eof()

    def _ended(self) -> None:
        """`close_notify` came: what comes after it does not count."""
        self._over = True
        if self._above is not None and not self._above.eof_received():
            self.close()

    def _broken(self, error: Exception) -> None:
        """An alert says why, if the peer still listens. Then nothing."""
        self._error = error
        self._over = True
        if not self._closing:
            self._flush()
            self._closing = True
        self._transport.close()

    def _end(self) -> None:
        """Say that nothing more comes from us."""
        if self._closing:
            return
        self._closing = True
        with suppress(ssl.SSLError):  # that the peer has not said so too: we do not wait for it
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

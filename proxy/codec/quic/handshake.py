"""TLS of one connection, as aioquic does it, with what we do otherwise."""

from __future__ import annotations

from typing import Any

from aioquic._buffer import Buffer
from aioquic.tls import Context, pull_client_hello

from proxy.codec.quic import tickets
from proxy.codec.quic.identity import Identity


class Handshake(Context):
    """The certificate is chosen by the name that the client asks for, sessions are resumed by tickets that hold them,
    and early data is not taken, whatever a client says of it: it may be somebody else's who has recorded it
    (RFC 8446 §8)."""

    identity: Identity
    name: str

    @classmethod
    def take_over(cls, tls: Any, identity: Identity) -> None:
        """tls: a Context in which nothing has happened yet."""
        tls.__class__ = cls
        tls.identity = identity

    @property
    def early_data_accepted(self) -> bool:
        return False

    @early_data_accepted.setter
    def early_data_accepted(self, accepted: bool) -> None: ...

    def _server_handle_hello(self, hello: Buffer, *outputs: Buffer) -> None:
        asked = pull_client_hello(Buffer(data=hello.data_slice(hello.tell(), hello.capacity)))
        name = self.name = asked.server_name or ""
        chosen, keys = self.identity.named(name), self.identity.ticket_keys
        self.certificate, self.certificate_private_key = chosen.certificate, chosen.key
        self.certificate_chain = list(chosen.chain)
        if keys is not None:
            self.get_session_ticket_cb = lambda ticket: tickets.opened(ticket, name, keys)
        super()._server_handle_hello(hello, *outputs)

    def _server_handle_finished(self, finished: Buffer, output: Buffer) -> None:
        super()._server_handle_finished(finished, output)
        keys = self.identity.ticket_keys
        if keys is not None and self._psk_key_exchange_mode is not None:
            output.push_bytes(tickets.issue(self, self.name, keys))

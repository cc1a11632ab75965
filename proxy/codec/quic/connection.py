"""One QUIC connection of a client, as aioquic keeps it, with what we do otherwise.

* Windows open as what was received is consumed, not by themselves: a body that nobody reads stops its client.
* Streams: so many at once, not so many in all.
* Connection IDs say which worker it is, and reset tokens can be made again from them.
* TLS: see `handshake`.
"""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import QuicConnection, QuicConnectionId, QuicConnectionState
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch

from proxy.codec.quic.handshake import Handshake
from proxy.codec.quic.identity import STREAM_WINDOW, WINDOW, Identity

STREAMS = 100
"""Requests at once (RFC 9114 §6.1 recommends no fewer)."""

UNIDIRECTIONAL = 16
"""Streams of a client that carry no request: three, and what it tries servers with (RFC 9114 §6.2)."""

AHEAD = 64 * 1024
"""Bytes of a response that are handed over before the client has acknowledged what was before, beyond those that
may be on their way."""

MOST_AHEAD = 512 * 1024
"""Bytes on their way that are counted on, of all streams together: where nothing is ever lost, QUIC would let there be
any number, and keeps each until it is acknowledged."""

_FRAME = 9
"""Bytes of a frame that says a window of the connection: its type and one integer. One of a stream has two."""


class Quic(QuicConnection):
    """place: of the worker. asked: the connection ID that the client sent its first packet to. retried: the one it was
    given by a Retry."""

    def __init__(self, identity: Identity, place: int, asked: bytes, retried: bytes | None) -> None:
        super().__init__(
            configuration=identity.configuration,
            original_destination_connection_id=asked,
            retry_source_connection_id=retried,
        )
        self._identity = identity
        self._place = place.to_bytes(2, "big")
        first = self._host_cids[0]
        self._mark(first)
        self.host_cid = self._local_initial_source_connection_id = first.cid
        for limit, most in ((self._local_max_streams_bidi, STREAMS), (self._local_max_streams_uni, UNIDIRECTIONAL)):
            limit.value = limit.sent = most
        self._owed = 0
        self._owed_by: dict[int, int] = {}

    # What is received.

    def consumed(self, number: int, size: int) -> None:
        """So much of a stream, which may be gone, is out of memory."""
        self._owed += size
        if self._owed >= WINDOW // 2:
            self._local_max_data.value += self._owed
            self._owed = 0
        stream = self._streams.get(number)
        if stream is None or stream.receiver.is_finished:
            self._owed_by.pop(number, None)
            return
        owed = self._owed_by.get(number, 0) + size
        if owed >= STREAM_WINDOW // 2:
            stream.max_stream_data_local += owed
            owed = 0
        self._owed_by[number] = owed

    def stop(self, number: int, code: int) -> None:
        """Ask the client not to send the rest of a stream."""
        self._owed_by.pop(number, None)
        stream = self._streams.get(number)
        if stream is not None and not stream.receiver.is_finished:
            stream.receiver.stop(code)

    # What is sent.

    def room(self, number: int, among: int) -> int:
        """Bytes of a stream that may be handed over now. among: how many have something to send."""
        stream = self._streams.get(number)
        if stream is None:
            return 0
        sender = stream.sender
        share = min(self._loss.congestion_window, MOST_AHEAD) // among
        return max(0, AHEAD + share - (sender._buffer_stop - sender._buffer_start))

    def reset(self, number: int, code: int) -> None:
        """What was not sent of a stream will not be."""
        stream = self._streams.get(number)
        if stream is not None and not stream.sender.is_finished and stream.sender._reset_error_code is None:
            stream.sender.reset(code)

    @property
    def delivered(self) -> bool:
        """The client has all that it was sent."""
        return all(stream.sender.buffer_is_empty and not stream.sender._buffer for stream in self._streams.values())

    @property
    def peer(self) -> Any:
        """The address that the client has now; None while nothing it sent could be read."""
        return self._network_paths[0].addr if self._network_paths else None

    @property
    def silence(self) -> float:
        """Seconds without a packet that either side takes for the end."""
        return self._idle_timeout()

    @property
    def why(self) -> tuple[int, str, bool]:
        """When it has ended: the code, the reason in words, and whether the client has closed it."""
        event = self._close_event
        assert event is not None
        return event.error_code, event.reason_phrase, self._state is QuicConnectionState.DRAINING

    @property
    def ended(self) -> bool:
        """One side has closed it, or the other was silent for too long."""
        return self._close_event is not None

    # What aioquic asks.

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        Handshake.take_over(self.tls, self._identity)

    def _update_traffic_key(self, direction: Any, epoch: Epoch, *more: Any) -> None:
        if epoch is not Epoch.ZERO_RTT:  # packets with early data are as if they had been lost
            super()._update_traffic_key(direction, epoch, *more)

    def _replenish_connection_ids(self) -> None:
        known = len(self._host_cids)
        super()._replenish_connection_ids()
        for each in self._host_cids[known:]:
            self._mark(each)

    def _mark(self, each: QuicConnectionId) -> None:
        each.cid = self._place + each.cid[len(self._place) :]
        each.stateless_reset_token = self._identity.reset_token(each.cid)

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        streams = self._local_max_streams_bidi
        streams.value = max(streams.value, STREAMS + streams.used - len(self._streams))
        for limit in (self._local_max_data, streams, self._local_max_streams_uni):
            if limit.value - limit.sent >= (STREAMS // 10 if limit is streams else 1):
                frame = builder.start_frame(
                    limit.frame_type, _FRAME, handler=self._on_connection_limit_delivery, handler_args=(limit,)
                )
                frame.push_uint_var(limit.value)
                limit.sent = limit.value

    def _write_stream_limits(self, builder: Any, space: Any, stream: QuicStream) -> None:
        if stream.max_stream_data_local != stream.max_stream_data_local_sent:
            frame = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                2 * _FRAME - 1,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            frame.push_uint_var(stream.stream_id)
            frame.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local

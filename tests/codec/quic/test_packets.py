"""What is answered to packets that are of no connection."""

from __future__ import annotations

from aioquic.quic.connection import QuicConnection
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.quic import packets
from proxy.codec.quic.connection import Quic
from proxy.codec.quic.identity import CID_LENGTH, Identity
from tests.codec.http3.talk import HERE, THERE, Talk, authority, credential, identity

ADDRESS, CID = "192.0.2.2 5000", b"\0\1randomly"


def first_packet(client: QuicConnection) -> bytes:
    return client.datagrams_to_send(0.0)[0][0]


def client() -> QuicConnection:
    asking = Talk(greet=False).client  # for its configuration
    made = QuicConnection(configuration=asking.configuration)
    made.connect(HERE, 0.0)
    return made


def opened(datagram: bytes) -> packets.Opening:
    asked = packets.opening(datagram, identity())
    assert isinstance(asked, packets.Opening)
    return asked


def test_a_client_comes_back_with_the_token_of_a_retry() -> None:
    asking = client()
    asked = opened(first_packet(asking))
    assert asked.token == b""
    asking.receive_datagram(packets.retry(asked, CID, ADDRESS, 1.0, identity()), HERE, 1.0)
    again = asking.datagrams_to_send(1.0)[0][0]
    assert packets.destination(again) == CID
    proven = opened(again)
    first = packets.original(proven, ADDRESS, 2.0, identity())
    assert first == asked.destination
    server = Quic(identity(), 1, first, CID)
    server.receive_datagram(again, THERE, 2.0)
    for datagram, _ in server.datagrams_to_send(2.0):
        asking.receive_datagram(datagram, HERE, 2.0)
    assert asking._close_event is None
    assert asking.tls.state.name in ("CLIENT_POST_HANDSHAKE",)


def test_a_token_is_of_one_address_for_a_while_and_of_us() -> None:
    asking = client()
    asking.receive_datagram(packets.retry(opened(first_packet(asking)), CID, ADDRESS, 1.0, identity()), HERE, 1.0)
    proven = opened(asking.datagrams_to_send(1.0)[0][0])
    assert packets.original(proven, "192.0.2.3 5000", 2.0, identity()) is None
    assert packets.original(proven, ADDRESS, 1.0 + packets.LIFETIME + 1, identity()) is None
    other = Identity([credential("localhost")], b"another", 30.0)
    assert packets.original(proven, ADDRESS, 2.0, other) is None
    forged = packets.Opening(proven.version, b"\0\2randomly", proven.source, proven.token)
    assert packets.original(forged, ADDRESS, 2.0, identity()) is None


def test_a_version_that_nobody_knows() -> None:
    datagram = bytearray(first_packet(client()))
    datagram[1:5] = b"\x1a\x2a\x3a\x4a"
    answer = packets.opening(bytes(datagram), identity())
    assert isinstance(answer, bytes)
    assert answer[1:5] == bytes(4)
    assert (1).to_bytes(4, "big") in answer
    assert len(answer) < len(datagram)
    assert packets.opening(bytes(datagram[:1199]), identity()) is None


def test_a_connection_that_another_process_had_is_reset() -> None:
    talk = Talk()
    talk.client.send_ping(1)
    ((datagram, _),) = talk.client.datagrams_to_send(talk.now)
    padded = datagram + bytes(30)
    fresh = Identity([credential("localhost")], b"secret", 30.0)
    reset = packets.stateless_reset(padded, fresh)
    assert reset is not None
    assert len(reset) < len(padded)
    assert talk.client._peer_cid.stateless_reset_token == reset[-16:], "as the first process said"
    assert packets.stateless_reset(reset[:21], fresh) is None


def test_connection_ids_say_which_worker_it_is() -> None:
    talk = Talk()
    assert len(talk.routes) >= 7
    assert {(len(cid), cid[:2]) for cid in talk.routes} == {(CID_LENGTH, b"\0\3")}
    assert talk.quic.host_cid[:2] == b"\0\3"


def test_certificates_by_name() -> None:
    for asked, shown in (
        ("shop.example", "shop.example"),
        ("www.shop.example", "*.shop.example"),
        ("localhost", "localhost"),
    ):
        talk = Talk(name=asked)
        assert talk.ready
        assert talk.client.tls._peer_certificate == identity().named(asked).certificate
        assert shown in identity().named(asked).names
    assert authority() is not None
    assert not Talk(name="elsewhere.test", greet=False).ready


@given(st.binary(max_size=60), st.integers(0, 1300))
def test_any_datagram(begin: bytes, size: int) -> None:
    datagram = begin + bytes(size)
    cid = packets.destination(datagram)
    assert cid is None or len(cid) <= 20
    packets.opening(datagram, identity())
    answer = packets.stateless_reset(datagram, identity())
    assert answer is None or len(answer) < len(datagram)

"""QUIC (RFC 9000, RFC 9001): the one door to aioquic, which is there when `sluicegate[http3]` is installed."""

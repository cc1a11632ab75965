"""HTTP/3 (RFC 9114) over the streams of QUIC: frames, header sections (QPACK, RFC 9204), the server's side."""

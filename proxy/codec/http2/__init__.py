"""HTTP/2 (RFC 9113): frames, streams, flow control and what protects them from abuse, without I/O."""

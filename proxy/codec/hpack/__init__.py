"""HPACK, the compression of field lines in HTTP/2 (RFC 7541)."""

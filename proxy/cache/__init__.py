"""What a cache stores, when it may be used, and where it is kept (RFC 9111)."""

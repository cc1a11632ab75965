"""What HTTP means (RFC 9110, RFC 9112): pure functions and values, no I/O."""

"""Bytes to events and back, without I/O. One event vocabulary (`events`) for every HTTP version."""

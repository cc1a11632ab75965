"""Traces of random guests on this host, replayed on the specification's own code (definitions.py)."""

"""Checks that take long; each is a command named in CONTRIBUTING, with a short version in the suite."""

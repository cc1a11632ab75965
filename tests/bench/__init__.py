"""Throughput side by side with nginx, Varnish and Envoy: `python -m tests.bench`."""

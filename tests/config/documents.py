"""A small configuration to write variations of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.config.loader import ConfigFile, load

ROOT = Path(__file__).parents[2]

TOP = """\
version: 1
listeners:
  - address: 127.0.0.1:8080
upstreams:
  shop: {endpoints: ["http://127.0.0.1:9000"]}
"""
ROUTES = """\
routes:
  - chain: [{forward: shop}]
"""


def load_text(directory: Path, text: str, environment: Mapping[str, str] | None = None) -> ConfigFile:
    """Loads it as a file in this directory."""
    file = directory / "sluice.yaml"
    file.write_text(text)
    return load(file, environment or {})

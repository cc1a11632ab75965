"""What is said of components of wasi:http 0.3."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.description import describe

BUILT = Path(__file__).parents[2] / "filters" / "http" / "built"


def test_a_middleware() -> None:
    described = describe((BUILT / "edge-include.wasm").read_bytes())
    assert (described.other, described.problems, described.grants) == (
        "wasi:http/middleware",
        (),
        ("{http: [http://HOST]}",),
    )

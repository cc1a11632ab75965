"""Whatever the file says, the answer is a Config or ConfigErrors with positions, and soon."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from tests.config.documents import ROOT, ROUTES, TOP

FULL = (ROOT / "config/full.yaml").read_text().replace("../filters", str(ROOT / "filters"))
PIECES = st.sampled_from([
    "version: 1", "listeners:", "  - address: 127.0.0.1:0", "- ", "  ", "\n", "\t", "\r", ": ", "{", "}", "[", "]",
    ",", "&a ", "*a", "<<: ", "!!str ", "!x ", "|\n", ">-\n", "'", '"', "#", "? ", "---\n", "...\n", "%YAML 1.2\n",
    "%TAG ! x\n", "${A}", "${file:/dev/zero}", "routes:", "chain:", "cache: ", "forward: shop", "upstreams:", "x-a: ",
    "\\U00110000", "\\x", "\0", "\x85", "\ufeff", "\u2028", "\U0001f600", "ä", "filters:", "config:", "0x", "1e9999",
])  # fmt: skip
YAMLISH = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)
CHEAP = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def outcome(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "sluice.yaml"
        file.write_bytes(content)
        try:
            load(file, {"A": "a: [b"})
        except ConfigErrors as errors:
            found = errors.errors
        else:
            return
    # PyYAML counts some characters as line ends that editors do not.
    lines = len(content.decode("utf-8", "replace").splitlines()) + 1
    assert found
    for each in found:
        assert each.file == str(file)
        assert 1 <= each.line <= lines
        assert each.column >= 1
        assert str(each).isprintable()


@CHEAP
@given(YAMLISH)
def test_text_that_looks_like_yaml(text: str) -> None:
    outcome(text.encode("utf-8", "surrogatepass"))


@CHEAP
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    outcome(content)


@CHEAP
@given(st.data())
def test_full_yaml_with_pieces_replaced(data: st.DataObject) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 30))
        text = text[:start] + data.draw(YAMLISH) + text[start + length :]
    outcome(text.encode("utf-8", "surrogatepass"))


@CHEAP
@given(st.data())
def test_full_yaml_with_lines_moved(data: st.DataObject) -> None:
    lines = FULL.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 5))):
        source, target = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        lines.insert(target, lines[source] if data.draw(st.booleans()) else lines.pop(source))
    outcome("".join(lines).encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@CHEAP
@given(VALUES, st.sampled_from([
    "version", "listeners", "admin", "workers", "access_log", "log", "upstreams", "filters", "routes",
    "  shop", "    endpoints", "    limits", "    grants", "  level", "  - match", "      path", "          body",
    "          headers", "      - forward", "      - filter", "          ttl", "    max_headers",
]))  # fmt: skip
def test_full_yaml_with_a_value_of_any_type(value: object, key: str) -> None:
    lines = [f"{key}: {json.dumps(value)}" if line.startswith(f"{key}:") else line for line in FULL.splitlines()]
    outcome("\n".join(lines).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "content",
    [
        "[" * 500_000,
        "{" * 500_000,
        "- " * 400_000,
        "? " * 400_000,
        "a: &a [" * 1000,
        "\n" * 1_000_000,
        "'" + "a" * 1_000_000,
        "x-a: " + "1" * 1_000_000,
        f"{TOP}{ROUTES}x-a: [{'1,' * 300_000}]\n",
        f"{TOP}{ROUTES}x-a: {'${' * 400_000}\n",
        f"{TOP}{ROUTES}x-a: {'9' * 500_000}s\n",
        f"{TOP}routes:\n" + "  - {match: {path: /x}, chain: [{forward: shop}]}\n" * 3000,
        f"{TOP}routes:\n" + "".join(f"  - {{match: {{path: /{n}}}, chain: [forward: shop]}}\n" for n in range(3000)),
        f"{TOP}routes:\n  - chain:\n" + "      - cache: {}\n" * 5000 + "      - forward: shop\n",
        f"{TOP}routes:\n  - chain:\n" + "      - filter: nothing-like-it\n" * 5000 + "      - forward: shop\n",
    ],
    ids=lambda content: content[-30:].strip()[:20],
)  # fmt: skip
def test_large_files_end_soon(content: str) -> None:
    start = process_time()
    outcome(content.encode())
    assert process_time() - start < 60

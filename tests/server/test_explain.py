"""`sluice explain`: what it tells of an exchange."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main
from proxy.server.explain import BadQuestion, question
from tests.integration.site import BUILT, HOSTILE

GOLDEN = Path(__file__).parent / "golden"

FILTERS = {
    "ab": {
        "component": str(BUILT / "ab-split.wasm"),
        "config": {"experiment": "design", "header": "x-design", "weights": {"a": 1, "b": 1}},
    },
    "banner": {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<hr>"}},
    "nosy": {"component": str(HOSTILE / "hostile.wasm"), "config": {"on-request": {"do": "read-all"}}},
    "crash": {"component": str(HOSTILE / "hostile.wasm"), "config": {"on-request": {"do": "trap"}}},
    "chatty": {"component": str(HOSTILE / "hostile.wasm"), "config": {"on-request": {"do": "log-forged"}}},
}


def asked(directory: Path, chain: list[dict[str, Any]], *arguments: str) -> str:
    used = {stage["filter"] for stage in chain if "filter" in stage}
    config = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "filters": {name: declared for name, declared in FILTERS.items() if name in used},
        "routes": [{"match": {"path": "/shop/*"}, "chain": chain}],
    }
    path = directory / "sluice.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    result = CliRunner().invoke(main, ["explain", str(path), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


PAGE = {"respond": {"headers": {"content-type": "text/html"}, "body": "<html><head></head><p>hello"}}
CACHE: dict[str, Any] = {"cache": {"name": "pages", "ttl": "60s"}}


def golden(name: str, told: str) -> None:
    """What differs between two runs is made the same first."""
    told = re.sub(r"\d+ µs", "N µs", told)
    told = re.sub(r'"microseconds": \d+', '"microseconds": N', told)
    told = re.sub(r"(ttl=|for )(5\d|60)\b", r"\g<1>60", told)  # seconds may have begun meanwhile
    assert told == (GOLDEN / name).read_text()


def test_the_whole_story(tmp_path: Path) -> None:
    chain = [CACHE, {"filter": "ab"}, {"filter": "banner"}, PAGE]
    golden("explain.txt", asked(tmp_path, chain, "http://h/shop/a?b=1", "-H", "Cookie: design=a; other=1"))


def test_the_whole_story_for_programs(tmp_path: Path) -> None:
    chain = [CACHE, {"filter": "ab"}, {"filter": "banner"}, PAGE]
    told = asked(tmp_path, chain, "http://h/shop/a?b=1", "-H", "Cookie: design=a; other=1", "--json")
    golden("explain.json", told)
    json.loads(told)


def test_a_filter_that_reads_all_headers_is_warned_of(tmp_path: Path) -> None:
    told = asked(tmp_path, [CACHE, {"filter": "nosy"}, PAGE], "http://h/shop/")
    assert (
        "warning: filter nosy reads all headers, so cache `pages` above it can share nothing between clients that "
        "differ in it"
    ) in told.splitlines()


def test_above_the_cache_it_may_read_what_it_likes(tmp_path: Path) -> None:
    assert "warning" not in asked(tmp_path, [{"filter": "nosy"}, CACHE, PAGE], "http://h/shop/")


def test_a_filter_that_fails(tmp_path: Path) -> None:
    told = asked(tmp_path, [CACHE, {"filter": "crash"}, PAGE], "http://h/shop/").splitlines()
    assert "  outcome: pages; fwd=uri-miss" in told
    assert "  to be a hit: nothing was stored, as no answer came from below" in told
    assert any(line.startswith("  on-request: failed") for line in told)
    assert any(line.startswith("  failed: unreachable") for line in told)
    assert "failure proxy_internal_error: filter crash failed" in told


def test_what_a_filter_logs(tmp_path: Path) -> None:
    told = asked(tmp_path, [{"filter": "chatty"}, PAGE], "http://h/shop/", "--json")
    (line,) = json.loads(told)["stages"][0]["log"]
    assert line == {"level": "error", "message": "one\r\ntwo\x1b[31m\0"}
    text = asked(tmp_path, [{"filter": "chatty"}, PAGE], "http://h/shop/")
    assert "  log error: one\\r\\ntwo\\x1b[31m\\x00" in text.split("\n")


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({}, "the response says nothing of how long: let the origin send max-age, or give the cache a `ttl`"),
        (
            {"set-cookie": "a=b", "cache-control": "max-age=9"},
            "the response sets a cookie: `set_cookie: strip` stores it without, or let the origin say public",
        ),
        (
            {"cache-control": "no-cache", "etag": '"1"'},
            "stored; it is used when the origin confirms it (no-cache, or stale already)",
        ),
    ],
)
def test_what_would_make_it_a_hit(tmp_path: Path, headers: dict[str, str], advice: str) -> None:
    chain: list[dict[str, Any]] = [{"cache": {"name": "pages"}}, {"respond": {"headers": headers, "body": "x"}}]
    assert f"  to be a hit: {advice}" in asked(tmp_path, chain, "http://h/shop/").splitlines()


def test_no_route(tmp_path: Path) -> None:
    told = asked(tmp_path, [PAGE], "http://h/elsewhere")
    assert "no route matches" in told
    assert "response 404" in told


@pytest.mark.parametrize(
    ("method", "url", "header"),
    [
        ("GET", "ftp://h/", "a: b"),
        ("GET", "h/path", "a: b"),
        ("GET", "http://h/a b", "a: b"),
        ("G T", "http://h/", "a: b"),
        ("GET", "http://user@h/", "a: b"),
        ("GET", "http://[::1/", "a: b"),
        ("GET", "http://h/", "host: a/b"),
        ("GET", "http://h/", "no colon"),
        ("GET", "http://h/", "a: b\r\nc: d"),
    ],
)
def test_what_is_no_request_is_refused(method: str, url: str, header: str) -> None:
    with pytest.raises(BadQuestion):
        question(method, url, [header])

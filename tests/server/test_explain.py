"""`sluice explain`: what it tells of an exchange."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main
from proxy.server.explain import BadQuestion, question
from tests.integration.site import BUILT


def explained(directory: Path, *arguments: str) -> str:
    config = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "filters": {
            "ab": {
                "component": str(BUILT / "ab-split.wasm"),
                "config": {"experiment": "design", "header": "x-design", "weights": {"a": 1, "b": 1}},
            },
        },
        "routes": [
            {
                "match": {"path": "/shop/*"},
                "chain": [
                    {"cache": {"name": "pages", "ttl": "60s"}},
                    {"filter": "ab"},
                    {"respond": {"body": "hello"}},
                ],
            }
        ],
    }
    path = directory / "sluice.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    result = CliRunner().invoke(main, ["explain", str(path), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_whole_story(tmp_path: Path) -> None:
    told = explained(tmp_path, "http://h/shop/a?b=1", "-H", "Cookie: design=a; other=1")
    told = told.replace("ttl=59", "ttl=60")  # a second may have begun meanwhile
    assert [line for line in told.splitlines() if "x-request-id" not in line and "content-length" not in line] == [
        "GET http://h/shop/a?b=1",
        "route 0:/shop/*",
        "cache pages",
        "  outcome: pages; fwd=uri-miss; stored; ttl=60",
        "  key: http://h/shop/a?b=1",
        "  selected by: cookie(design)",
        "filter ab",
        "  on-request: next",
        "    read cookie(design): 'a'",
        "    wrote request: set-note design a",
        "    wrote request: set-header x-design a",
        "  on-response: next",
        "    read cookie(design): 'a'",
        "response 200",
        "  cache-status: pages; fwd=uri-miss; stored; ttl=60",
        "  via: 1.1 sluicegate",
    ]


def test_no_route(tmp_path: Path) -> None:
    told = explained(tmp_path, "http://h/elsewhere")
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

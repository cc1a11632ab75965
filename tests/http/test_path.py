"""Spellings of a path: those that mean the same, and those that may."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.path import canonical, is_ambiguous, loosest


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("*", "*"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/../../a", "/a"),
        ("/..", "/"),
        ("/%61pi/%7e", "/api/~"),
        ("/a/%2e%2E/b", "/b"),
        ("/%2e", "/"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%3f", "/a%3F"),
        ("/%", "/%"),
        ("/%zz/..", "/"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        ("/%%32e%%32e/a", "/%%32e%%32e/a"),
        ("/%2%65%2%65/a", "/%2%65%2%65/a"),
        ("/%%%61%61", "/%%%61a"),
        ("/%%2f", "/%%2F"),
        ("/a..b/...", "/a..b/..."),
        ("//a", "//a"),
        ("/a//../b", "/a/b"),
    ],
)
def test_canonical(path: str, same: str) -> None:
    assert canonical(path) == same


@pytest.mark.parametrize(
    ("path", "ambiguous", "loose"),
    [
        ("/a/b", False, "/a/b"),
        ("//a", True, "/a"),
        ("/a%2Fb", True, "/a/b"),
        ("/a%2F..%2Fb", True, "/b"),
        ("/a\\b", True, "/a/b"),
        ("/a/%5C%5Cb", True, "/a/b"),
        ("/a%3Fb", False, "/a%3Fb"),
    ],
)
def test_loosest(path: str, ambiguous: bool, loose: str) -> None:
    assert is_ambiguous(path) is ambiguous
    assert loosest(path) == loose


pieces = st.sampled_from(["/", "//", ".", "..", "a", "%61", "%2e", "%2E", "%2f", "%25", "%", "%32", "%65", "2", "\\"])


@given(st.lists(pieces, max_size=12).map(lambda parts: "/" + "".join(parts)))
def test_canonical_is_final_and_means_the_same(path: str) -> None:
    once = canonical(path)
    assert canonical(once) == once
    assert once.startswith("/")
    assert not {".", ".."} & set(once.split("/"))
    assert loosest(once).startswith("/")
    if "%" not in path and "." not in path:
        assert unquote(once) == unquote(path)

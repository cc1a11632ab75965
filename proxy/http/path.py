"""Paths that are written differently and mean the same (RFC 3986 §6.2.2), or may mean the same to some server.

`/x/../api`, `/%61pi` and `/api` are one resource by the RFC, so they become one path before anything looks at it: a
route cannot be walked around by spelling, and a cache does not store the same thing twice. `//api` and `/%2Fapi`
are other paths by the RFC, yet there are servers that take them for `/api`; `loosest` tells what those would see.
"""

from __future__ import annotations

import re

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE = re.compile(r"(%[0-9A-Fa-f]?(?=%))?%([0-9A-Fa-f]{2})")
_SUSPECT = re.compile(r"%|/\.")
_LOOSE = re.compile(r"//|\\|%(?:2[fF]|5[cC])")
_SLASHES = re.compile(r"(?:[/\\]|%2F|%5C)+")


def is_plain(path: str) -> bool:
    """It is canonical and not ambiguous, as nearly all paths are. False says nothing."""
    return path.startswith("/") and not ("%" in path or "//" in path or "/." in path or "\\" in path)


def canonical(path: str) -> str:
    """The path with needless escapes undone, the others in upper case (§6.2.2.1, §6.2.2.2), and without dot segments
    (§6.2.2.3). What is no absolute path ("*") stays as it is."""
    if not _SUSPECT.search(path) or not path.startswith("/"):
        return path
    return _without_dots(_ESCAPE.sub(_unescaped, path))


def is_ambiguous(path: str) -> bool:
    """Has it anything that servers differ about: empty segments, back slashes, escaped slashes?"""
    return _LOOSE.search(path) is not None


def loosest(path: str) -> str:
    """What the most forgiving server makes of a canonical path: every kind of slash is one, runs of them are one."""
    return _without_dots(_SLASHES.sub("/", path))


def _unescaped(escape: re.Match[str]) -> str:
    unfinished, code = escape[1], escape[2]
    if unfinished:  # "%%32e": undone, it would complete what comes before to another escape, "%2e"
        return f"{unfinished}%{code.upper()}"
    character = chr(int(code, 16))
    return character if character in _UNRESERVED else f"%{code.upper()}"


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)

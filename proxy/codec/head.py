"""Heads of requests: those with anything particular about them are parsed by llhttp, and what it lets pass is looked at
again."""

from __future__ import annotations

import re
from typing import Final

import httptools

from proxy import errors
from proxy.codec.events import RequestHead
from proxy.codec.known_lines import KnownLines, NotPlain
from proxy.codec.limits import Limits
from proxy.errors import ProxyError
from proxy.http import framing, target
from proxy.http.fields import Fields, FixedLines, Line
from proxy.http.hop_by_hop import HOP_BY_HOP, end_to_end, options
from proxy.http.known import Known
from proxy.http.target import authority
from proxy.http.upgrade import offered

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-\"$-~]+) HTTP/1\.([01])\r\n")
"""RFC 9112 §3: single spaces, a token, a target in visible ASCII without fragment. llhttp is content with several
spaces, takes a fragment, and knows RTSP and ICE."""

_END: Final = b"\r\n"

_PLAIN: Final = re.compile(
    rb"(GET|HEAD) (/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1\r\n[Hh][Oo][Ss][Tt]:[ \t]*([!-~]+)[ \t]*"
)
"""How nearly every head begins: with its path, query and Host."""

_Beginning = tuple[str, str, str, str | None]
"""Method, authority, path and query."""

_BEGINNINGS: Final[Known[bytes, _Beginning]] = Known(4096)
"""What the first two lines of heads say: many clients ask for the same things."""

_LONGEST_BEGINNING = 256
"""Bytes of one that is kept."""

_SECTIONS: Known[bytes, FixedLines] = Known(4096)
"""What follows the first two lines of heads, where there is nothing particular about it: a client says the same on all
its connections, and with all its requests of one kind."""

_HEARD: Known[int, None] = Known(4096)
"""Hashes of those that were said before: one that never comes again need not be kept."""

_LONGEST_SECTION, _MOST_LINES = 1024, 32
"""Bytes and field lines of one that is kept."""

_OTHER_VERSION = re.compile(rb"[!-~]+ [!-~]+(?: (?!HTTP/1\.[01]\r)[A-Z]+/[0-9.]+)?\r\n")
"""HTTP/0.9 has none."""

_REFUSED = {
    "CONNECT": "a gateway is no tunnel",
    "TRACE": "its answer would show fields that other parties rely on staying hidden (RFC 9110 §9.3.8)",
}

_SPECIAL = HOP_BY_HOP | {b"content-length", b"expect", b"host"}
"""Fields that say something about connection, framing or target."""


def refused(status: int, detail: str) -> ProxyError:
    return ProxyError(errors.HTTP_REQUEST_ERROR, detail, status=status)


def refuse_bare_lf(data: bytes, at: int) -> None:
    """A section that is not over yet, and cannot become one, must not keep the client waiting for an answer."""
    if data.count(b"\n", at) != data.count(b"\r\n", at):
        raise refused(400, "line feed without carriage return")


def _read(beginning: bytes) -> _Beginning | None:
    """None: there is something particular about it."""
    plain = _PLAIN.fullmatch(beginning)
    if plain is None:
        return None
    method, path, query, host = plain.groups()
    read = method.decode(), authority(host), path.decode(), None if query is None else query.decode()
    if len(beginning) <= _LONGEST_BEGINNING:
        _BEGINNINGS.keep(beginning, read)
    return read


class _Section:
    """What llhttp calls for each field line. Apart from HeadParser, so that it and the parser are no cycle.

    special: the lines to be looked at; host is only there. persistent: `connection: keep-alive` was said, and is
    nowhere else, since every browser says it and in HTTP/1.1 it means nothing.
    """

    __slots__ = ("lines", "persistent", "special")

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lines: list[Line] = []
        self.special: list[Line] = []
        self.persistent = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        line = (name, value.rstrip(b" \t"))
        if name in _SPECIAL:
            if name == b"connection" and line[1].lower() == b"keep-alive":
                self.persistent = True
                return
            self.special.append(line)
            if name == b"host":
                return
        self.lines.append(line)


_KNOWN: Final = KnownLines(_SPECIAL)


class HeadParser:
    """Parses the heads of one connection, one after the other. Plain ones, as nearly every GET has, do without llhttp.

    default_authority: stands for the Host of an HTTP/1.0 request without one (RFC 9112 §3.3).
    """

    __slots__ = ("_authority", "_limits", "_parser", "_said", "_said_lines", "_section")

    def __init__(self, limits: Limits, default_authority: str) -> None:
        self._limits = limits
        self._authority = default_authority
        self._section = _Section()
        self._parser = httptools.HttpRequestParser(self._section)
        self._said = b""
        self._said_lines: list[Line] | FixedLines = []

    def parse(self, head: bytes) -> RequestHead:
        """head: all of one, with its empty line. Raises ProxyError with status 400, 413, 417, 431, 501 or 505."""
        end = head.find(_END, head.find(_END) + 2)
        begin = _BEGINNINGS.get(head[:end]) or _read(head[:end])
        if begin is None:
            return self._parse(head)
        section = head[end:]
        if section != self._said:
            try:
                self._said_lines = self._plain(section)
            except NotPlain:
                return self._parse(head)
            self._said = section
        elif isinstance(self._said_lines, list):
            self._said_lines = FixedLines(self._said_lines)
        method, host, path, query = begin
        return RequestHead(method, host, path, query, Fields(self._said_lines), 0, "1.1", True)

    def _plain(self, section: bytes) -> list[Line] | FixedLines:
        mark, most = hash(section), self._limits.field_lines
        again = mark in _HEARD
        if again and most >= _MOST_LINES and (known := _SECTIONS.get(section)) is not None:
            return known
        lines = section[2:-4].split(b"\r\n") if len(section) > 4 else []
        if len(lines) > most:
            raise NotPlain
        parsed = _KNOWN.parse(lines)
        if not again:
            _HEARD.keep(mark, None)
        elif len(section) <= _LONGEST_SECTION and len(lines) <= _MOST_LINES:
            fixed = FixedLines(parsed)
            _SECTIONS.keep(section, fixed)
            return fixed
        return parsed

    def _parse(self, head: bytes) -> RequestHead:
        request_line = _REQUEST_LINE.match(head)
        if request_line is None:
            raise _bad_request_line(head)
        method, on_target, minor = request_line.groups()
        section = self._parse_fields(head)
        if len(section.lines) > self._limits.field_lines:
            raise refused(431, f"more than {self._limits.field_lines} field lines")
        name = method.decode()
        if name in _REFUSED:
            raise refused(501, f"{name} is refused: {_REFUSED[name]}")
        return self._checked(name, on_target.decode(), "1.1" if minor == b"1" else "1.0", section)

    def _checked(self, method: str, on_target: str, version: str, section: _Section) -> RequestHead:
        special = section.special
        authority, path, query = target.parse(method, on_target, self._host(version, special), self._authority)
        length = framing.request_length(version, _all(special, b"content-length"), _all(special, b"transfer-encoding"))
        if length is None or length:
            # llhttp now waits for the body, which it does not get to see.
            self._renew()
            if length is not None and self._limits.body is not None and length > self._limits.body:
                raise refused(413, f"body is longer than {self._limits.body} bytes")
        keep_alive = version == "1.1" or section.persistent
        fields = Fields(section.lines)
        if connection := options(special):
            keep_alive = b"close" not in connection and (keep_alive or b"keep-alive" in connection)
        if not HOP_BY_HOP.isdisjoint([name for name, _ in special]):
            fields.lines = end_to_end(fields.lines)
        if expected := _all(special, b"expect"):
            _check_expectation(expected, version, fields)
        head = RequestHead(method, authority, path, query, fields, length, version, keep_alive)
        if length == 0 and version == "1.1" and keep_alive:
            head.upgrade = offered(method, special, fields)
        return head

    def _host(self, version: str, special: list[Line]) -> bytes | None:
        hosts = _all(special, b"host")
        if len(hosts) > 1:
            raise refused(400, "more than one Host")
        if not hosts and version == "1.1":
            raise refused(400, "no Host")
        return hosts[0] if hosts else None

    def _parse_fields(self, head: bytes) -> _Section:
        section = self._section
        section.begin()
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._renew()  # it would take what follows for another protocol; to us this is an ordinary request
        except httptools.HttpParserInvalidMethodError:
            raise refused(501, "unknown method") from None
        except httptools.HttpParserError as error:
            raise refused(400, str(error)) from None
        return section

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self._section)


def field_lines(section: bytes) -> list[Line]:
    """The lines of a trailer section, its empty line included. Raises ProxyError with status 400."""
    lines = _Section()
    try:
        httptools.HttpRequestParser(lines).feed_data(b"GET / HTTP/1.1\r\n" + section)  # it only parses whole heads
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise refused(400, f"in the trailers: {error}") from None
    if any(name in (b"content-length", b"transfer-encoding") for name, _ in lines.special):
        raise refused(400, "a framing field in the trailers")
    return lines.lines


def _all(lines: list[Line], name: bytes) -> list[bytes]:
    return [v for n, v in lines if n == name]


def _check_expectation(expected: list[bytes], version: str, fields: Fields) -> None:
    """RFC 9110 §10.1.1: there is one expectation, and HTTP/1.0 does not have it."""
    if version == "1.0":
        fields.remove(b"expect")
    elif [value.lower() for value in expected] != [b"100-continue"]:
        raise refused(417, "an expectation other than 100-continue")


def _bad_request_line(head: bytes) -> ProxyError:
    if _OTHER_VERSION.match(head):
        return refused(505, "not HTTP/1.1 or HTTP/1.0")
    return refused(400, "bad request line")

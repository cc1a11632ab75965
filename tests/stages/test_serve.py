"""Components of the world wasi:http/proxy, as their toolchain makes them, behind the stage that serves them."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from proxy import errors, wasi
from proxy.component import Component, LinkError, decode
from proxy.errors import ProxyError
from proxy.exchange import Body, Exchange, Pipe, Request, Response, collect
from proxy.exchange.observation import Reads
from proxy.http.fields import Fields
from proxy.sandbox import Limits
from proxy.sluice.interface import imports
from proxy.stages.serve import Serve
from proxy.telemetry import FilterTally
from proxy.upstream import Endpoint
from proxy.upstream.secure import Secured
from proxy.wasi.files import Folder
from proxy.wasi.http import Outgoing, Service
from tests.component.guests import parse, run
from tests.integration.site import BUILT, Asked, engine, ok, origin, serving
from tests.listening import listening
from tests.tls.certificates import client_context, issue

NO_FIELDS: Mapping[str, str] = MappingProxyType({})
GUESTS = Path(__file__).parents[1] / "wasi" / "guests" / "built"


@cache
def component(name: str) -> Component:
    return decode((GUESTS / f"{name}.wasm").read_bytes())


@cache
def service(name: str) -> Service:
    """Each is linked once; every exchange has an instance of its own."""
    return Service(
        component(name), engine(), wasi.service_interfaces({"NAME": "value"}), Limits(memory=64 << 20, time=0.25)
    )


def stage(name: str, client: Outgoing | None = None, total: float = 5.0) -> Serve:
    return Serve(name, service(name), client or Outgoing([]), FilterTally(name), total)


def request(target: str, body: Body = b"", method: str = "GET", fields: Mapping[str, str] = NO_FIELDS) -> Request:
    path, mark, query = target.partition("?")
    lines = [(name.encode(), value.encode()) for name, value in fields.items()]
    return Request(method, "http", "site.example", path, query if mark else None, Fields(lines), Exchange("id"), body)


async def ask(serve: Serve, asked: Request) -> Response:
    async def below(_: Request) -> Response:
        raise AssertionError("nothing is below")

    return await serve(asked, below)


async def text(response: Response) -> str:
    return (await collect(response.body, 1 << 20)).decode()


def answer(name: str, asked: Request, client: Outgoing | None = None) -> tuple[int, str]:
    async def asking() -> tuple[int, str]:
        response = await ask(stage(name, client), asked)
        return response.status, await text(response)

    return asyncio.run(asking())


def failure(name: str, asked: Request) -> str:
    with pytest.raises(ProxyError) as caught:
        answer(name, asked)
    return str(caught.value)


@pytest.fixture(params=["plain", "service"])
def guest(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# What is asked and answered.


def test_a_whole_answer_has_a_length() -> None:
    async def asking() -> None:
        response = await ask(stage("service"), request("/hello"))
        assert response.body == b"Hello\n"
        assert response.fields.get(b"content-length") == b"6"

    asyncio.run(asking())


def test_nothing_is_waited_for_that_is_there() -> None:
    """Such a visit costs no task."""

    async def asking() -> None:
        coroutine = ask(stage("plain"), request("/greet"))
        with pytest.raises(StopIteration):
            coroutine.send(None)

    asyncio.run(asking())


def test_the_parts_of_a_request() -> None:
    assert answer("plain", request("/about?a=b")) == (200, 'GET http Some("site.example") Some("/about?a=b")')
    assert answer("plain", request("/about", method="PURGE"))[1].startswith("other PURGE http")


def test_an_unknown_path_is_the_guests_to_refuse(guest: str) -> None:
    assert answer(guest, request("/unknown")) == (404, "")


def test_the_answer_to_head_has_no_body() -> None:
    async def asking() -> None:
        response = await ask(stage("plain"), request("/greet", method="HEAD"))
        assert (response.status, response.body) == (200, b"")

    asyncio.run(asking())


def test_fields_are_checked() -> None:
    assert answer("plain", request("/immutable")) == (200, "Err(HeaderError::Immutable) Ok(()) true")
    assert answer("plain", request("/fields"))[1] == (
        "Ok(()) Ok(()) [[49], [50]] Err(HeaderError::InvalidSyntax) Err(HeaderError::InvalidSyntax) "
        "Err(HeaderError::Forbidden)"
    )


@pytest.mark.parametrize(("status", "said"), [("200", "Ok(())"), ("99", "Err(())"), ("101", "Err(())")])
def test_final_statuses_only(status: str, said: str) -> None:
    assert answer("plain", request(f"/status?{status}")) == (200, said)


def test_the_environment_that_is_granted() -> None:
    assert answer("service", request("/environment")) == (200, '[("NAME", "value")]')


def test_there_are_no_files_unless_granted() -> None:
    assert answer("service", request("/read?/etc/passwd"))[1].startswith("error")


def test_files_that_are_granted(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("content")
    (tmp_path / "folder").mkdir()

    async def asking(write: bool, target: str) -> str:
        granted = wasi.service_interfaces({}, [Folder(str(tmp_path), "/data", write)])
        made = Service(component("service"), engine(), granted, Limits(memory=64 << 20))
        serve = Serve("service", made, Outgoing([]), FilterTally("service"), 5.0)
        return await text(await ask(serve, request(target)))

    assert asyncio.run(asking(False, "/read?/data/name")) == "content"
    assert asyncio.run(asking(False, "/list?/data")) == "folder name"
    assert asyncio.run(asking(False, "/read?/data/../etc/passwd")).startswith("error")
    assert asyncio.run(asking(False, "/write?/data/new")) == "error: ReadOnlyFilesystem"
    assert not (tmp_path / "new").exists()
    assert asyncio.run(asking(True, "/write?/data/new")) == "done"
    assert (tmp_path / "new").read_text() == "written"


def test_what_it_prints_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "proxy.guest"):
        answer("service", request("/print"))
    lines = [record.getMessage() for record in caplog.records if record.name == "proxy.guest"]
    assert lines == ["stdout: asked for http://site.example/print", "stderr: no end of line"]
    assert {vars(record)["filter"] for record in caplog.records} == {"service"}


@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.9", "0.2.31"])
def test_any_version_that_is_compatible(version: str) -> None:
    """The guests are of 0.2.12."""
    text = run("print", str(GUESTS / "plain.wasm")).decode().replace("@0.2.12", f"@{version}")
    made = Service(decode(parse(text)), engine(), wasi.service_interfaces({}), Limits())
    serve = Serve("plain", made, Outgoing([]), FilterTally("plain"), 5.0)
    assert asyncio.run(ask(serve, request("/greet"))).body == b"Hello"


# Bodies.


def fed(*chunks: bytes, trailers: Fields | None = None) -> Pipe:
    pipe = Pipe()
    for chunk in chunks:
        pipe.feed(chunk)
    pipe.end(trailers)
    return pipe


def test_a_body_is_echoed() -> None:
    assert answer("service", request("/echo", b"abc" * 1000, "POST")) == (200, "abc" * 1000)
    assert answer("service", request("/upper", fed(b"ab", b"cd"), "POST")) == (200, "ABCD")


def test_trailers_come_and_go() -> None:
    async def asking() -> None:
        body = fed(b"abc", trailers=Fields([(b"x-sum", b"6")]))
        response = await ask(stage("service"), request("/echo-trailers", body, "POST"))
        assert await text(response) == "abc"
        assert not isinstance(response.body, bytes)
        assert response.body.trailers == Fields([(b"x-sum", b"6")])

    asyncio.run(asking())
    counted = answer("plain", request("/count", fed(b"abc", b"de", trailers=Fields([(b"x-sum", b"6")])), "POST"))
    assert counted == (200, '5 closed ["x-sum"]')


def test_a_body_flows_both_ways_at_once() -> None:
    """The first piece comes back before the second is sent."""

    async def asking() -> None:
        body = Pipe()
        body.feed(b"one")
        response = await ask(stage("service"), request("/echo", body, "POST"))
        assert not isinstance(response.body, bytes)
        assert await response.body.read() == b"one"
        body.feed(b"two")
        assert await response.body.read() == b"two"
        body.end()
        assert await response.body.read() == b""

    asyncio.run(asking())


def test_a_reader_that_is_slow_holds_the_guest_back() -> None:
    async def asking() -> None:
        response = await ask(stage("service"), request("/flood"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert isinstance(response.body, Pipe)
        assert len(response.body.take() or b"") <= 256 * 1024
        response.body.close()

    asyncio.run(asking())


def test_a_guest_that_is_slow_is_held_back_itself() -> None:
    """It does not read, so nothing is asked for beyond what it was given."""
    paused: list[bool] = []

    async def asking() -> None:
        body = Pipe(pause=lambda: paused.append(True))
        body.feed(b"x" * 100_000)
        assert (await ask(stage("service"), request("/hello", body, "POST"))).status == 200

    asyncio.run(asking())
    assert paused == [True]


def test_a_request_that_breaks_is_told() -> None:
    body = Pipe()
    body.feed(b"abc")
    body.fail(ProxyError(errors.HTTP_REQUEST_ERROR, "gone"))
    assert answer("plain", request("/count", body, "POST")) == (200, "3 failed []")


def test_ticks_come_one_by_one() -> None:
    async def asking() -> list[bytes]:
        response = await ask(stage("service"), request("/tick?1"))
        assert not isinstance(response.body, bytes)
        chunks = []
        while chunk := await response.body.read():
            chunks.append(chunk)
        return chunks

    assert asyncio.run(asking()) == [b"tick 0\n", b"tick 1\n", b"tick 2\n"]


def test_many_wait_at_once() -> None:
    async def asking() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        serve = stage("service")
        answers = await asyncio.gather(*(ask(serve, request("/wait?100")) for _ in range(20)))
        assert [each.status for each in answers] == [200] * 20
        return loop.time() - started

    assert asyncio.run(asking()) < 1.5


# What goes wrong.


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("service", "/fail", "proxy_internal_error: the component answers with internal-error: no answer to this"),
        ("service", "/trap", "proxy_internal_error: service failed"),
        ("service", "/loop", "proxy_internal_error: service failed"),
        ("service", "/grow", "proxy_internal_error: service failed"),
        ("service", "/broken", "http_response_incomplete: the component did not finish the body"),
        ("plain", "/silent", "proxy_internal_error: the component ended without a whole answer"),
        ("plain", "/refuse", "http_request_denied: the component answers with HTTP-request-denied"),
        ("plain", "/unfinished", "http_response_incomplete: the component did not finish the body"),
        ("plain", "/short", "http_response_incomplete: the body has 5 bytes, 10 were announced"),
        ("plain", "/long", "http_response_incomplete: the body is longer than the 3 bytes announced"),
        ("plain", "/late", "proxy_internal_error: plain failed"),
    ],
)
def test_failures(name: str, target: str, said: str) -> None:
    assert failure(name, request(target)) == said


def test_a_visit_that_takes_too_long_ends() -> None:
    async def asking() -> None:
        serve = stage("service", total=0.05)
        with pytest.raises(ProxyError, match="took longer than"):
            await ask(serve, request("/wait?10000"))
        response = await ask(serve, request("/tick?10000"))
        with pytest.raises(ProxyError, match="took longer than"):
            await collect(response.body, 1000)

    asyncio.run(asking())


def test_a_client_that_leaves_ends_the_visit() -> None:
    async def asking() -> None:
        serve = stage("service")
        waiting = asyncio.ensure_future(ask(serve, request("/wait?10000")))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        response = await ask(serve, request("/tick?10000"))
        assert not isinstance(response.body, bytes)
        response.body.close()
        await _all_done()

    asyncio.run(asking())


async def _all_done() -> None:
    """No task is left, so no guest is."""
    mine = asyncio.current_task()
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {mine}


def test_a_filter_serves_nothing() -> None:
    with pytest.raises(LinkError, match="does not export wasi:http/incoming-handler"):
        Service(decode((BUILT / "headers.wasm").read_bytes()), engine(), imports(), Limits())


# What caches above are told.


def observed(name: str, target: str) -> list[tuple[str, str]]:
    reads: Reads = {}
    asked = request(target)
    asked.observers = ((reads, frozenset()),)
    answer(name, asked)
    return list(reads)


def test_only_what_is_read_is_observed() -> None:
    assert observed("plain", "/greet") == [
        ("path", ""), ("query", ""), ("header", "accept-language"),
    ]  # fmt: skip


def test_entries_are_everything() -> None:
    assert ("headers", "") in observed("plain", "/headers")
    assert ("headers", "") in observed("service", "/hello")


def test_lines_that_a_combined_value_does_not_tell_apart_are_everything() -> None:
    reads: Reads = {}
    asked = request("/greet")
    asked.fields = Fields([(b"accept-language", b"fr"), (b"accept-language", b"de")])
    asked.observers = ((reads, frozenset()),)
    assert answer("plain", asked) == (200, "Bonjour")
    assert ("headers", "") in reads


def test_bytes_that_are_no_text_are_not_to_be_repeated() -> None:
    reads: Reads = {}
    asked = request("/greet")
    asked.fields = Fields([(b"accept-language", b"\xff")])
    asked.observers = ((reads, frozenset()),)
    answer("plain", asked)
    assert ("unrepeatable", "") in reads


# What it asks of others.


def with_origin(
    reply: Callable[[Asked], bytes] | bytes, scenario: Callable[[int, list[Asked], Serve], Coroutine[Any, Any, None]]
) -> None:
    async def running() -> None:
        async with origin(reply) as (port, asked):
            client = Outgoing([Endpoint("127.0.0.1", port)])
            await scenario(port, asked, stage("service", client))
            client.close()

    asyncio.run(running())


def test_it_asks_what_it_is_granted() -> None:
    async def scenario(port: int, asked: list[Asked], serve: Serve) -> None:
        response = await ask(serve, request(f"/fetch?http://127.0.0.1:{port}/a?b", fields={"cdn-loop": "other"}))
        assert (response.status, await text(response)) == (200, "from the origin")
        (seen,) = asked
        assert (seen.method, seen.target, seen.header("host")) == ("GET", "/a?b", f"127.0.0.1:{port}")
        assert seen.header("cdn-loop") == "other, sluicegate"

    with_origin(ok(b"from the origin"), scenario)


def test_a_cache_is_told_that_what_is_passed_on_of_a_circle_counts() -> None:
    """Else one client could have the failure of a circle that there is none stored for all."""

    async def scenario(port: int, asked: list[Asked], serve: Serve) -> None:
        reads: Reads = {}
        sent = request(f"/fetch?http://127.0.0.1:{port}/")
        sent.observers = ((reads, frozenset()),)
        assert (await ask(serve, sent)).status == 200
        assert ("header", "cdn-loop") in reads

    with_origin(ok(), scenario)


def test_it_asks_several_at_once() -> None:
    async def scenario(port: int, asked: list[Asked], serve: Serve) -> None:
        response = await ask(serve, request(f"/fetch-two?http://127.0.0.1:{port}/"))
        assert (await text(response), len(asked)) == ("onceonce", 2)

    with_origin(ok(b"once"), scenario)


def test_it_passes_a_body_on() -> None:
    async def scenario(port: int, asked: list[Asked], serve: Serve) -> None:
        body = fed(b"some ", b"bytes")
        response = await ask(serve, request(f"/post?http://127.0.0.1:{port}/", body, "POST"))
        assert await text(response) == "thanks"
        assert (asked[0].method, asked[0].body) == ("POST", b"some bytes")

    with_origin(ok(b"thanks"), scenario)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://other.example/", "HttpRequestDenied"),
        ("http://127.0.0.1:1/", "HttpRequestDenied"),
        ("https://127.0.0.1:{port}/", "HttpRequestDenied"),
    ],
)
def test_it_asks_nobody_else(url: str, said: str) -> None:
    async def scenario(port: int, asked: list[Asked], serve: Serve) -> None:
        response = await ask(serve, request(f"/fetch?{url.format(port=port)}"))
        assert (response.status, await text(response)) == (599, f"ErrorCode::{said}")
        assert asked == []

    with_origin(ok(), scenario)


@pytest.mark.parametrize(
    ("named", "trusted", "said"),
    [
        ("127.0.0.1", True, "secret"),
        ("127.0.0.1", False, "ErrorCode::TlsCertificateError"),
        ("other.example", True, "ErrorCode::TlsCertificateError"),
    ],
    ids=["verified", "of an unknown authority", "of somebody else"],
)
def test_it_asks_over_tls(tmp_path: Path, named: str, trusted: bool, said: str) -> None:
    async def scenario() -> None:
        served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        files = issue(tmp_path, named)
        served.load_cert_chain(files.certificate, files.key)
        context = client_context() if trusted else ssl.create_default_context()
        async with listening(serving([], ok(b"secret")), ssl=served) as port:
            client = Outgoing([Endpoint("127.0.0.1", port, secure=True)], Secured(context))
            serve = stage("service", client)
            response = await ask(serve, request(f"/fetch?https://127.0.0.1:{port}/"))
            assert await text(response) == said
            refused = await ask(serve, request(f"/fetch?http://127.0.0.1:{port}/"))
            assert await text(refused) == "ErrorCode::HttpRequestDenied"
            client.close()

    asyncio.run(scenario())


def test_a_circle_ends() -> None:
    async def scenario(port: int, asked: list[Asked], serve: Serve) -> None:
        passed = ", ".join(["sluicegate"] * 4)
        response = await ask(serve, request(f"/fetch?http://127.0.0.1:{port}/", fields={"cdn-loop": passed}))
        assert (response.status, await text(response)) == (599, "ErrorCode::LoopDetected")
        assert asked == []

    with_origin(ok(), scenario)


def test_an_origin_that_is_not_there() -> None:
    async def scenario() -> None:
        async with origin(ok()) as (port, _):
            pass
        client = Outgoing([Endpoint("127.0.0.1", port)])
        response = await ask(stage("service", client), request(f"/fetch?http://127.0.0.1:{port}/"))
        assert (response.status, await text(response)) == (599, "ErrorCode::ConnectionRefused")
        client.close()

    asyncio.run(scenario())


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO):
        yield

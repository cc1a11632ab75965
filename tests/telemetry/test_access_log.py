from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.telemetry import AccessLog, Sink, combined_line, json_line
from proxy.telemetry.access_log import Format
from tests.telemetry.exchanges import request

OK = Response(200, Fields())


def test_json_of_a_plain_exchange() -> None:
    line = json_line(request((b"user-agent", b"curl/8"), query="size=9"), OK, 512, True, 0.0015)

    assert line == (
        '{"time":"2023-11-14T22:13:20.500Z","id":"r1","client":"192.0.2.7","version":"1.1","method":"GET","scheme":"http",'
        '"authority":"shop.test","target":"/shoes?size=9","status":200,"bytes":512,"complete":true,"us":1500,'
        '"route":"shop","referer":null,"user_agent":"curl/8"}\n'
    )


def test_json_tells_of_caches_filters_and_failures_where_there_are_any() -> None:
    asked = request()
    asked.exchange.cache_status = ["inner; fwd=uri-miss; stored", "outer; fwd=vary-miss"]
    asked.exchange.spent = {"api-key": 31, "headers": 40}
    asked.exchange.failure = ("connection_refused", "127.0.0.1:9000")

    entry = json.loads(json_line(asked, Response(502, Fields()), 20, False, 0.2))

    assert entry["cache"] == ["inner; fwd=uri-miss; stored", "outer; fwd=vary-miss"]
    assert entry["filters"] == {"api-key": 31, "headers": 40}
    assert (entry["failure"], entry["detail"]) == ("connection_refused", "127.0.0.1:9000")
    assert (entry["status"], entry["complete"], entry["us"]) == (502, False, 200_000)


def test_combined_of_a_plain_exchange() -> None:
    asked = request((b"referer", b"http://a.test/"), (b"user-agent", b"curl/8"))

    assert combined_line(asked, OK, 512, True, 0.0015) == (
        '192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] "GET /shoes HTTP/1.1" 200 512 "http://a.test/" "curl/8" us=1500'
        ' id="r1"\n'
    )


def test_combined_with_everything() -> None:
    asked = request()
    asked.exchange.cache_status = ["pages; hit; ttl=9"]
    asked.exchange.spent = {"headers": 40}
    asked.exchange.failure = ("http_response_incomplete", "origin closed")

    assert combined_line(asked, OK, 3, False, 0.001).endswith(
        ' 200 3 "-" "-" us=1000 aborted=1 cache="pages; hit; ttl=9" filters="headers:40"'
        ' failure="http_response_incomplete: origin closed" id="r1"\n'
    )


@pytest.mark.parametrize("format", [json_line, combined_line])
@given(value=st.binary(max_size=40), name=st.text(max_size=20))
def test_nothing_a_client_or_a_guest_sends_leaves_its_string(format: Format, value: bytes, name: str) -> None:
    asked = request((b"user-agent", value), (b"referer", value), path=f"/{name}", query=name, method=name, id=name)
    asked.exchange.cache_status = [name]
    asked.exchange.spent = {name: 1}
    asked.exchange.failure = (name, name)

    line = format(asked, OK, 1, True, 0.0)

    assert line.endswith("\n")
    assert all(" " <= c <= "~" for c in line[:-1])
    if format is json_line:
        entry = json.loads(line)
        assert entry["user_agent"] == value.decode("utf-8", "replace")
        assert (entry["method"], entry["cache"], entry["filters"]) == (name, [name], {name: 1})


def test_a_forged_line_stays_one_line() -> None:
    agent = b'x"\r\n203.0.113.9 - - "GET /admin'

    line = combined_line(request((b"user-agent", agent)), OK, 0, True, 0.0)

    assert line.count("\n") == 1
    assert '"x\\"\\r\\n203.0.113.9 - - \\"GET /admin"' in line


def test_the_log_formats_and_writes(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "access.log", lambda delay, call: None)
    log = AccessLog(sink, lambda asked, response, sent, complete, seconds: f"{asked.path} {response.status} {sent}\n")

    for path in ("/a", "/b"):
        log.finished(request(path=path), OK, 7, True, 0.1)
    sink.close()

    assert (tmp_path / "access.log").read_text() == "/a 200 7\n/b 200 7\n"


def test_requests_are_taken_as_they_came() -> None:
    asked: Request = request((b"user-agent", b"\xff\xfe"))

    assert json.loads(json_line(asked, OK, 0, True, 0.0))["user_agent"] == "��"

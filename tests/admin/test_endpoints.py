from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from typing import Any, TypeVar

import pytest

from proxy.admin import Admin, FilterState, View
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.telemetry import EndpointSample, UpstreamSample

T = TypeVar("T")
READY = FilterState("hello", "sha256:aa", "ready")


def soon(value: T) -> Callable[[], Coroutine[Any, Any, T]]:
    async def answer() -> T:
        return value

    return answer


VIEW = View(
    filters=soon([READY]),
    upstreams=soon([{"upstream": "shop", "retries": 7}]),
    draining=lambda: False,
    metrics=soon(b"up 1\n"),
    config=lambda: {"version": 1, "admin": {"token": "hush"}},
    status=soon({"pid": 1}),
    reload=soon(None),
)


def ask(
    path: str,
    *,
    method: str = "GET",
    host: str = "127.0.0.1:9901",
    bearer: str | None = None,
    admin: Admin | None = None,
) -> Response:
    fields = Fields([] if bearer is None else [(b"authorization", f"Bearer {bearer}".encode())])
    return asyncio.run(
        (admin or Admin(VIEW, loopback=True))(Request(method, "http", host, path, None, fields, Exchange()))
    )


def body_of(response: Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def test_healthz() -> None:
    response = ask("/healthz")

    assert (response.status, body_of(response)) == (200, b"ok\n")
    assert response.fields.lines == [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"3"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]


def test_readyz_names_each_filter_s_digest_and_state() -> None:
    response = ask("/readyz")

    assert response.status == 200
    assert json.loads(body_of(response)) == {
        "ready": True,
        "draining": False,
        "filters": [{"name": "hello", "digest": "sha256:aa", "state": "ready", "detail": ""}],
    }


@pytest.mark.parametrize("state", ["compiling", "failed"])
def test_not_ready_while_a_filter_is_not(state: str) -> None:
    other = FilterState("late", "sha256:bb", "failed" if state == "failed" else "compiling", "why")
    response = ask("/readyz", admin=Admin(replace(VIEW, filters=soon([READY, other])), loopback=True))

    assert response.status == 503
    assert json.loads(body_of(response))["filters"][1]["state"] == state


def test_not_ready_while_draining() -> None:
    response = ask("/readyz", admin=Admin(replace(VIEW, draining=lambda: True), loopback=True))

    assert (response.status, json.loads(body_of(response))["draining"]) == (503, True)


def test_ready_without_any_filter() -> None:
    assert ask("/readyz", admin=Admin(replace(VIEW, filters=soon([])), loopback=True)).status == 200


def test_metrics() -> None:
    response = ask("/metrics")

    assert (response.status, body_of(response)) == (200, b"up 1\n")
    assert response.fields.get(b"content-type") == b"text/plain; version=0.0.4; charset=utf-8"


def test_config_without_its_secrets() -> None:
    assert json.loads(body_of(ask("/config"))) == {"version": 1, "admin": {"token": "[redacted]"}}


def test_the_index_lists_every_endpoint() -> None:
    listed = [line.split()[0] for line in body_of(ask("/")).decode().splitlines()]

    assert listed == [
        "/", "/healthz", "/readyz", "/upstreams", "/metrics", "/config", "/status", "/reload", "/dashboard",
    ]  # fmt: skip
    assert [ask(path).status for path in listed] == [*[200] * 7, 405, 200]


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/config", "/missing"])
def test_head_is_get_without_the_body(path: str) -> None:
    get, head = ask(path), ask(path, method="HEAD")

    assert (head.status, head.fields, head.body) == (get.status, get.fields, b"")


@pytest.mark.parametrize("path", ["/missing", "/healthz/", "//", "*", "/metrics/../config"])
def test_unknown_paths(path: str) -> None:
    assert ask(path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_methods(method: str) -> None:
    response = ask("/config", method=method)

    assert (response.status, response.fields.get(b"allow")) == (405, b"GET, HEAD")


def test_a_page_that_rebinds_its_name_to_us_is_refused() -> None:
    response = ask("/config", host="evil.test:9901")

    assert response.status == 421
    assert b"version" not in body_of(response)


def test_no_listener_beyond_this_machine_without_a_token() -> None:
    with pytest.raises(ValueError, match="give it a token"):
        Admin(VIEW, loopback=False)


GUARDED = Admin(VIEW, loopback=False, token="s3cret")


@pytest.mark.parametrize("bearer", [None, "", "wrong", "s3cret2"])
@pytest.mark.parametrize("path", ["/", "/readyz", "/metrics", "/config", "/missing"])
def test_the_token_is_asked_for(path: str, bearer: str | None) -> None:
    response = ask(path, bearer=bearer, admin=GUARDED)

    assert (response.status, response.fields.get(b"www-authenticate")) == (401, b'Bearer realm="sluice admin"')


def test_with_the_token_any_host_is_served() -> None:
    assert ask("/config", host="admin.internal", bearer="s3cret", admin=GUARDED).status == 200


def test_a_health_check_needs_no_token() -> None:
    assert ask("/healthz", host="10.0.0.7:9901", admin=GUARDED).status == 200


def test_upstreams_are_shown_with_their_endpoints() -> None:
    endpoint = EndpointSample("10.0.0.1:80", "ejected", 1.0, 0, 3, 0, 17, 1, 4, 2, {"connection_refused": 5})
    admin = Admin(replace(VIEW, upstreams=soon([asdict(UpstreamSample("shop", 7, 0, [endpoint]))])), loopback=True)
    (shown,) = json.loads(body_of(ask("/upstreams", admin=admin)))
    assert (shown["upstream"], shown["retries"]) == ("shop", 7)
    assert shown["endpoints"][0]["state"] == "ejected"
    assert shown["endpoints"][0]["failures"] == {"connection_refused": 5}

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admin import redacted
from proxy.admin.redaction import REDACTED


@pytest.mark.parametrize(
    "key",
    ["token", "Token", "admin_token", "password", "secret", "client-secret", "private_key", "api-key", "apikey", "key",
     "keys", "signing_keys", "authorization", "credentials", "session-cookie"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hush", ["hush"], {"a": {"b": "hush"}}, 42])
def test_what_sounds_secret_is_not_shown(key: str, value: object) -> None:
    assert redacted({"filters": [{"config": {key: value}}]}) == {"filters": [{"config": {key: REDACTED}}]}


@pytest.mark.parametrize("key", ["name", "component", "keyboard", "max_keys_total", "address"])
def test_the_rest_is(key: str) -> None:
    assert redacted({key: "shown"}) == {key: "shown"}


@pytest.mark.parametrize("value", [None, "", [], {}, True, False])
def test_that_there_is_no_secret_is_no_secret(value: object) -> None:
    assert redacted({"token": value}) == {"token": value}


def test_user_information_of_urls() -> None:
    assert redacted({"x": ["http://joe:hush@origin.test:9000/a@b"]}) == {
        "x": [f"http://{REDACTED}@origin.test:9000/a@b"]
    }


def test_names_that_somebody_gave_are_no_keys() -> None:
    config = {"filters": {"api-key": {"component": "a.wasm", "config": {"keys": ["hush"]}}}, "upstreams": {"keys": 1}}

    assert redacted(config) == {
        "filters": {"api-key": {"component": "a.wasm", "config": {"keys": REDACTED}}},
        "upstreams": {"keys": 1},
    }


def test_the_original_is_untouched() -> None:
    config = {"admin": {"token": "hush"}}

    redacted(config)

    assert config == {"admin": {"token": "hush"}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(config=JSON)
def test_any_json_comes_out_as_json_and_stays_redacted(config: Any) -> None:
    once = redacted({"token": "hush-hush", "x": config})

    assert "hush-hush" not in json.dumps(once)
    assert redacted(once) == once

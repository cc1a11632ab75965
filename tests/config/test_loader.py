"""Files that load: what comes out, and where it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.config.model import CacheStage, Config, ForwardStage, RespondStage
from proxy.config.schema import schema
from proxy.config.values import Address, Origin
from tests.config.documents import ROOT, ROUTES, TOP, load_text


def respond_headers(config: Config) -> dict[str, str]:
    (stage,) = config.routes[0].chain
    assert isinstance(stage, RespondStage)
    return stage.respond.headers


def test_the_example_files_load() -> None:
    minimal = load(ROOT / "config/minimal.yaml", {}).config
    assert minimal.listeners[0].address == Address("127.0.0.1", 8080)
    assert minimal.upstreams["shop"].endpoints == [Origin("127.0.0.1", 9000)]
    full = load(ROOT / "config/full.yaml", {}).config
    assert [type(stage) for stage in full.routes[-1].chain] == [CacheStage, ForwardStage]
    assert all(each.component.is_file() for each in full.filters.values())


def test_the_full_example_has_every_option() -> None:
    text = (ROOT / "config/full.yaml").read_text()
    options = {name for each in schema()["$defs"].values() for name in each.get("properties", {})}
    missing = {name for name in options | set(schema()["properties"]) if f"{name}:" not in text}
    assert missing == set()


def test_the_full_example_loads_with_the_files_that_are_not_there(tmp_path: Path) -> None:
    text = (ROOT / "config/full.yaml").read_text().replace("../", f"{ROOT}/").replace("#: ", "")
    full = load_text(tmp_path, text).config
    assert full.listeners[1].tls is not None


def test_the_full_example_says_the_defaults_where_it_says_so() -> None:
    full = load(ROOT / "config/full.yaml", {}).config
    minimal = load(ROOT / "config/minimal.yaml", {}).config
    shop, default = full.upstreams["shop"], minimal.upstreams["shop"]
    commented = {
        "endpoints": default.endpoints,
        "health_check": None,
        "outlier_detection": shop.outlier_detection.model_copy(update={"consecutive_5xx": None}),
        "retries": shop.retries.model_copy(update={"statuses": []}),
        "slow_start": 0.0,
    }
    assert shop.model_copy(update=commented) == default
    assert full.listeners[0].model_copy(update={"max_body": None}) == minimal.listeners[0]
    assert (full.workers, full.log) == (minimal.workers, minimal.log)
    assert full.access_log is not None
    chosen: dict[str, object] = {"fields": None, "request_headers": [], "response_headers": [], "hide_params": []}
    assert full.access_log.model_copy(update=chosen) == minimal.access_log
    filters = list(full.filters.values())
    assert filters[0] == filters[1].model_copy(update={"component": filters[0].component, "config": {}})


def test_what_is_shown_as_json_loads_again(tmp_path: Path) -> None:
    config = load(ROOT / "config/minimal.yaml", {}).config
    assert load_text(tmp_path, config.model_dump_json()).config == config
    silent = config.model_copy(update={"access_log": None})
    assert load_text(tmp_path, silent.model_dump_json()).config == silent


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    scalars = {
        "on": "on", "no": "no", "Yes": "Yes", "true": True, "False": False, "~": None, "null": None, "": None,
        "0": 0, "-7": -7, "0o17": 15, "0x1f": 31, "0755": "0755", "1_000": "1_000", "60:30": "60:30", "1.50": 1.5,
        "1e3": 1000.0, ".5": 0.5, ".inf": ".inf", ".nan": ".nan", "1e999": "1e999", "2026-01-31": "2026-01-31",
        "1.2.3": "1.2.3", "=": "=", "'5'": "5", '"true"': "true", "0b11": "0b11", "+1": 1, "1.": 1.0,
    }  # fmt: skip
    lines = "".join(f"      - {text}\n" for text in scalars)
    component = ROOT / "filters/built/headers.wasm"
    text = f"{TOP}filters:\n  a:\n    component: {component}\n    config:\n     list:\n{lines}{ROUTES}"
    assert load_text(tmp_path, text).config.filters["a"].config == {"list": list(scalars.values())}


def test_where_text_is_expected_it_is_as_written(tmp_path: Path) -> None:
    headers = "{x-version: 1.10, x-on: on, x-true: True, x-octal: 0o17, x-empty: '', x-date: 2026-01-31}"
    text = f"{TOP}routes:\n  - chain: [{{respond: {{body: 1e3, headers: {headers}}}}}]\n"
    config = load_text(tmp_path, text).config
    assert respond_headers(config) == {
        "x-version": "1.10", "x-on": "on", "x-true": "True", "x-octal": "0o17", "x-empty": "", "x-date": "2026-01-31",
    }  # fmt: skip


def test_numbers_and_truth_values_may_be_quoted_or_words(tmp_path: Path) -> None:
    text = TOP.replace("shop: {", "shop: {max_connections: '12', ") + ROUTES
    assert load_text(tmp_path, text).config.upstreams["shop"].max_connections == 12


@pytest.mark.parametrize("off", ["off", "false", "'off'", "${LOG}", "${LOG:-json}"])
def test_no_access_log(tmp_path: Path, off: str) -> None:
    assert load_text(tmp_path, f"{TOP}access_log: {off}\n{ROUTES}", {"LOG": "off"}).config.access_log is None


def test_a_key_without_a_value_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    text = (
        f"{TOP}admin:\naccess_log:\nfilters:\n  # none yet\nroutes:\n  - match:\n    chain: [cache: , forward: shop]\n"
    )
    config = load_text(tmp_path, text).config
    assert config == load_text(tmp_path, f"{TOP}routes:\n  - chain: [cache: {{}}, forward: shop]\n").config


def test_variables_are_typed_after_they_are_put_in(tmp_path: Path) -> None:
    values = {
        "${A}": 5, '"${A}"': "5", "${A}-${A}": "5-5", "${B:-7}": 7, "${E:-x}": "x", "${B:-}": "",
        "${E}": "", "${N}": "null", "$A": "$A", "$${A}": "${A}", "$$${A}": "$${A}", "${NESTED}": "${A}",
    }  # fmt: skip
    lines = "".join(f"      - {text}\n" for text in values)
    component = ROOT / "filters/built/headers.wasm"
    text = f"{TOP}filters:\n  a:\n    component: {component}\n    config:\n     list:\n{lines}{ROUTES}"
    environment = {"A": "5", "E": "", "N": "null", "NESTED": "${A}"}
    assert load_text(tmp_path, text, environment).config.filters["a"].config == {"list": list(values.values())}


def test_a_value_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"s3cret\r\n")
    text = f"{TOP}admin: {{address: '127.0.0.1:1', token: '${{file:token}}'}}\n{ROUTES}"
    file = load_text(tmp_path, text)
    assert file.config.admin is not None
    assert file.config.admin.token == "s3cret"
    assert "s3cret" not in repr(file.config) + file.config.model_dump_json()


def test_what_is_put_in_is_bounded(tmp_path: Path) -> None:
    text = f"{TOP}x-a: {'${A}' * 5000}\n{ROUTES}"
    with pytest.raises(ConfigErrors, match="x-a: is longer than 1048576 characters with what is put in"):
        load_text(tmp_path, text, {"A": "a" * 1000})


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    text = f"""{TOP}
x-small: &small {{max_size: 1MiB, max_object_size: 1KiB}}
x-long: &long {{ttl: 1h, max_size: 9MiB}}
routes:
  - match: {{path: /a}}
    chain:
      - cache: {{<<: *small, max_object_size: 2KiB}}
      - cache: {{<<: [*small, *long]}}
      - cache: *long
      - forward: shop
      - x-note: a free key
        forward: shop
"""
    text = text.replace("      - forward: shop\n", "", 1)
    caches = list(load_text(tmp_path, text).config.caches)
    assert [(c.name, c.ttl, c.max_size, c.max_object_size) for c in caches] == [
        ("cache-1", None, 1 << 20, 2 << 10),
        ("cache-2", 3600.0, 1 << 20, 1 << 10),
        ("cache-3", 3600.0, 9 << 20, 1 << 20),
    ]


def test_unnamed_caches_avoid_names_that_are_taken(tmp_path: Path) -> None:
    chain = "[cache: {}, cache: {name: cache-1}, cache: {name: cache-3}, cache: {}, forward: shop]"
    config = load_text(tmp_path, f"{TOP}routes:\n  - chain: {chain}\n").config
    assert [cache.name for cache in config.caches] == ["cache-2", "cache-1", "cache-3", "cache-4"]


def test_components_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.wasm").touch()
    file = load_text(tmp_path, f"{TOP}filters: {{a: {{component: x.wasm}}}}\n{ROUTES}")
    assert file.config.filters["a"].component == tmp_path / "x.wasm"


def test_a_byte_order_mark_and_crlf_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + (TOP + ROUTES).replace("\n", "\r\n").encode())
    assert load(file, {}).position(("upstreams", "shop", "endpoints", 0)) == (5, 22)


def test_positions_for_later_mistakes(tmp_path: Path) -> None:
    (tmp_path / "x.wasm").touch()
    file = load_text(tmp_path, f"{TOP}filters:\n  a:\n    component: x.wasm\n{ROUTES}")
    path = ("filters", "a", "component")
    assert file.position(path) == (8, 16)
    assert file.position(("filters", "a", "limits", "time")) == (8, 5)
    assert file.position(("nowhere",)) == (1, 1)
    error = file.error(path, "its world is not supported")
    assert str(error) == f"{file.path}:8:16: filters.a.component: its world is not supported"
    assert str(file.error(("filters", "a", "grants"), "needs clock")).endswith(":7:3: filters.a.grants: needs clock")


def test_a_merged_mistake_is_where_it_was_written(tmp_path: Path) -> None:
    text = f"{TOP}x-a: &a {{ttl: soon}}\nroutes:\n  - chain: [cache: *a, cache: {{<<: *a}}, forward: shop]\n"
    with pytest.raises(ConfigErrors) as raised:
        load_text(tmp_path, text)
    assert [(e.line, e.column, e.path) for e in raised.value.errors] == [
        (6, 15, "routes[0].chain[0].cache.ttl"),
        (6, 15, "routes[0].chain[1].cache.ttl"),
    ]


@pytest.mark.parametrize("name", ["missing.yaml", "", "a\0b", "x" * 5000])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigErrors, match=":1:1: cannot be read: "):
        load(f"{tmp_path}/{name}", {})


def test_a_file_too_long(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=":1:1: is longer than 1048576 bytes"):
        load_text(tmp_path, TOP + ROUTES + "#" * (1 << 20))


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_secret_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0)
    with pytest.raises(ConfigErrors, match="cannot be read: Permission denied"):
        load_text(tmp_path, f"{TOP}x-a: ${{file:token}}\n{ROUTES}")


def test_a_secret_too_long(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes("ä".encode() * 40_000)
    with pytest.raises(ConfigErrors, match="is longer than 65536 bytes"):
        load_text(tmp_path, f"{TOP}x-a: ${{file:token}}\n{ROUTES}")


def test_a_chain_of_merges_is_bounded(tmp_path: Path) -> None:
    merges = "".join(f"x-{n}: &a{n} {{<<: *a{n - 1}, k{n}: 1}}\n" for n in range(1, 2000))
    with pytest.raises(ConfigErrors, match="more than 100000 values"):
        load_text(tmp_path, f"x-0: &a0 {{k0: 1}}\n{merges}{TOP}{ROUTES}")


def test_a_mapping_merged_into_itself_ends(tmp_path: Path) -> None:
    assert load_text(tmp_path, f"x-a: &a {{<<: *a, k: 1}}\n{TOP}{ROUTES}").config.version == 1

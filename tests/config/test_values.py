"""What options are written as, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.values import (
    Address,
    Origin,
    SocketFile,
    cookie_name,
    host_pattern,
    language_tag,
    param_pattern,
    parse_address,
    parse_duration,
    parse_listen_address,
    parse_mode,
    parse_size,
    parse_web_origin,
    path_pattern,
    show_duration,
    show_size,
)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (4096, 4096), ("4096", 4096), (0, 0), ("10B", 10), ("64KiB", 65536), ("64 KiB", 65536), ("32MiB", 1 << 25),
        ("1GiB", 1 << 30), ("1kB", 1000), ("1MB", 10**6), ("1GB", 10**9),
    ],
)  # fmt: skip
def test_sizes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", [-1, 1.0, True, None, "", "1.5MiB", "64kib", "1e3", "١", "9" * 21, [1], "1TiB"])
def test_not_sizes(written: object) -> None:
    with pytest.raises(ValueError, match="expected a size in bytes"):
        parse_size(written)


@given(st.integers(0, 1 << 45))
def test_a_size_that_is_shown_is_the_same_again(size: int) -> None:
    assert parse_size(show_size(size)) == size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("50ms", 0.05), ("60s", 60.0), ("5m", 300.0), ("1h", 3600.0), ("1.5 s", 1.5), ("2d", 172800.0), ("0s", 0.0)],
)
def test_durations(written: str, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", [50, 0.5, None, "", "50", "s", "-1s", "1h30m", "60:30", "1S", "1us", "1" * 21 + "s"]
)
def test_not_durations(written: object) -> None:
    with pytest.raises(ValueError, match="expected a duration with its unit"):
        parse_duration(written)


@given(st.integers(0, 10**10).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_that_is_shown_is_the_same_again(seconds: float) -> None:
    assert parse_duration(show_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("written", "address", "loopback"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80), True),
        ("127.8.8.8:0", Address("127.8.8.8", 0), True),
        ("[::1]:8080", Address("::1", 8080), True),
        ("[0:0:0:0:0:0:0:1]:8080", Address("::1", 8080), True),
        ("localhost:65535", Address("localhost", 65535), True),
        ("0.0.0.0:80", Address("0.0.0.0", 80), False),
        ("[::]:80", Address("::", 80), False),
        ("localhost.example.com:1", Address("localhost.example.com", 1), False),
    ],
)
def test_addresses(written: str, address: Address, loopback: bool) -> None:
    assert parse_address(written) == address
    assert parse_address(str(address)) == address
    assert address.loopback is loopback


@pytest.mark.parametrize(
    "written", ["80", 80, ":80", "a", "a:", "a:b", "a:65536", "[a]:1", "::1:80", "1.2.3:4", "a b:1"]
)
def test_not_addresses(written: object) -> None:
    with pytest.raises(ValueError, match=r"expected host:port|not between 0 and 65535|not an IP address"):
        parse_address(written)


def test_addresses_to_listen_on() -> None:
    assert parse_listen_address("[::1]:8080") == Address("::1", 8080)
    assert parse_listen_address("unix:/run/a.sock") == SocketFile("/run/a.sock")
    assert parse_listen_address("unix:/run/./b/..//a.sock") == SocketFile("/run/a.sock")
    assert str(parse_listen_address("unix:/run/a.sock")) == "unix:/run/a.sock"


@pytest.mark.parametrize(
    "written", ["unix:", "unix:a.sock", "unix://run/a.sock\0", "unix:/" + "a" * 107, "Unix:/a", "/run/a.sock", 80]
)
def test_not_addresses_to_listen_on(written: object) -> None:
    with pytest.raises(ValueError, match=r"path of a Unix socket|or unix:/run/sluice.sock"):
        parse_listen_address(written)


def test_permissions() -> None:
    assert [parse_mode(written) for written in ("0660", "660", 660)] == [0o660] * 3
    for written in ("rw-rw----", "0o660", "1660", "60", "0880", True, None, -660, 6.6):
        with pytest.raises(ValueError, match="expected permissions in octal"):
            parse_mode(written)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("http://127.0.0.1:9000", Origin("127.0.0.1", 9000)),
        ("HTTP://origin/", Origin("origin", 80)),
        ("http://[::1]", Origin("::1", 80)),
        ("http://[::1]:9000", Origin("::1", 9000)),
        ("https://api.example", Origin("api.example", 443, secure=True)),
        ("https://api.example:8443", Origin("api.example", 8443, secure=True)),
    ],
)
def test_web_origins(written: str, origin: Origin) -> None:
    assert parse_web_origin(written) == origin


@pytest.mark.parametrize("pattern", ["a", "*.a.b", "a-b.c_d", "127.0.0.1", "[::1]", "xn--bcher-kva.example", "A.b"])
def test_host_patterns(pattern: str) -> None:
    assert host_pattern(pattern) == pattern.lower()


@pytest.mark.parametrize(
    "pattern", ["", "*", "*.", "a.*", "a..b", "a.", "-a", "a b", "a:80", "*.[::1]", "[::x]", "ä.b", "a" * 254]
)
def test_not_host_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"expected a host|no port|not an IPv6"):
        host_pattern(pattern)


@pytest.mark.parametrize("pattern", ["/", "/*", "/a", "/a/*", "/%C3%A4/", "/a//*", "/~a;b=c@d"])
def test_path_patterns(pattern: str) -> None:
    assert path_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern", ["", "*", "a", "/a*", "/*/a", "/a?b", "/a b", "/ä", "/a#b", "/a\n", "/" + "a" * 2000]
)
def test_not_path_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match="path pattern"):
        path_pattern(pattern)


@pytest.mark.parametrize("written", ["page", "utm_*", "*", "a b", "a[]"])
def test_parameters(written: str) -> None:
    assert param_pattern(written) == written


@pytest.mark.parametrize("written", ["", "*a", "a*b", "**"])
def test_not_parameters(written: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a parameter"):
        param_pattern(written)


def test_language_tags() -> None:
    assert language_tag("pt-BR") == "pt-br"
    for written in ("", "*", "e", "en_GB", "en-", "en;q=1", "en, de"):
        with pytest.raises(ValueError, match="not a language tag"):
            language_tag(written)


def test_cookie_names() -> None:
    assert cookie_name("preview") == "preview"
    for written in ("", "a=b", "a b", "a;"):
        with pytest.raises(ValueError, match="not the name of a cookie"):
            cookie_name(written)

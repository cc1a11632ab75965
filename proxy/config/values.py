"""The kinds of value an option can have, each parsed from what the YAML says to what the program needs.

Each raises ValueError with what was expected. In JSON they are written the way a person would write them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
DURATIONS = {
    "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86400),
}  # fmt: skip

_SIZE = re.compile(r"([0-9]+) ?(B|KiB|MiB|GiB|kB|MB|GB)?", re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?) ?%", re.ASCII)
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?", re.ASCII)
_PATH = re.compile(r"/[!$&'()+,;=:@/%._~0-9A-Za-z-]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST = 20
"""Characters of a size or duration; more than enough, and it bounds the arithmetic."""


def parse_size(value: Any) -> int:
    """Bytes: a whole number, or text such as "64KiB"."""
    written = str(value)
    match = _SIZE.fullmatch(written)
    if isinstance(value, bool | float) or match is None or len(written) > _LONGEST:
        raise ValueError("expected a size in bytes, such as 4096, 64KiB, 32MiB or 1GiB")
    number, unit = match.groups()
    return int(number) * SIZES[unit or "B"]


def show_size(size: int) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]}{unit}"
    return f"{size}B"


def parse_duration(value: Any) -> float:
    """Seconds, from text such as "50ms". A number without a unit is refused: half would mean the other unit."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    if match is None:
        raise ValueError("expected a duration with its unit, such as 50ms, 60s, 5m or 1h")
    number, unit = match.groups()
    return float(Fraction(number) * DURATIONS[unit])


def show_duration(seconds: float) -> str:
    exact = Fraction(str(seconds))
    for unit in ("h", "m", "s"):
        if exact and exact % DURATIONS[unit] == 0:
            return f"{exact // DURATIONS[unit]}{unit}"
    return f"{float(exact * 1000):.9f}".rstrip("0").rstrip(".") + "ms"


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0")
    return seconds


def parse_percent(value: Any) -> float:
    """A part of 1, from text such as "20%"."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a percentage with its sign, such as 20%")
    return float(Fraction(match[1]) / 100)


def show_percent(share: float) -> str:
    return f"{share * 100:.6f}".rstrip("0").rstrip(".") + "%"


def parse_status_pattern(value: Any) -> str:
    """A status, such as "204", or all of a kind, such as "2xx"."""
    written = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[2-5](?:xx|[0-9]{2})", written, re.ASCII):
        raise ValueError("expected a status such as 204, or 2xx for all of a kind")
    return written


def request_target(value: str) -> str:
    """A path, with its query if it has one, as in a request line."""
    if not re.fullmatch(rf"{_PATH.pattern}(?:\?[!$&'()*+,;=:@/?%._~0-9A-Za-z-]*)?", value, re.ASCII):
        raise ValueError("expected a path as it is in a request, such as /healthz")
    return value


def host_and_port(value: str) -> str:
    """What a Host field says: a host, and a port if it has one."""
    if not re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", value, re.ASCII):
        raise ValueError("expected a host, such as shop.example.com")
    return value.lower()


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect. host: a name or an address, without brackets. port: 0 listens on any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: Any) -> Address:
    """host:port, or [address]:port for IPv6."""
    return _parse_address(value, "expected host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:80")


def _parse_address(value: Any, expected: str) -> Address:
    if isinstance(value, Address):
        return value
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(expected)
    host, port = match["v6"] or match["host"], int(match["port"])
    if match["v6"] or re.fullmatch(r"[0-9.]+", host, re.ASCII):
        try:
            host = str(ip_address(host))
        except ValueError:
            raise ValueError(f"{host} is not an IP address") from None
    if port > 65535:
        raise ValueError(f"port {port} is not between 0 and 65535")
    return Address(host, port)


@dataclass(frozen=True, slots=True)
class SocketFile:
    """Where to listen for this machine alone: the path of a Unix socket."""

    path: str

    loopback = True
    """Only this machine can reach it."""

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse_listen_address(value: Any) -> Address | SocketFile:
    """As `parse_address` does it, or unix:/path."""
    if isinstance(value, SocketFile):
        return value
    if isinstance(value, str) and value.startswith("unix:"):
        return SocketFile(posixpath.normpath(socket_path(value)))  # one file has one name: it is bound once
    return _parse_address(
        value, "expected host:port or unix:/path, such as 127.0.0.1:8080, [::1]:80 or unix:/run/sluice.sock"
    )


def parse_mode(value: Any) -> int:
    """Permissions as chmod takes them: three octal digits, with a 0 before them or not."""
    written = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"0?[0-7]{3}", written, re.ASCII):
        raise ValueError("expected permissions in octal, such as 0660")
    return int(written, 8)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an origin server is. secure: https. path: of a Unix socket; there is no host then."""

    host: str
    port: int
    secure: bool = False
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"{'https' if self.secure else 'http'}://{Address(self.host, self.port)}"


def parse_origin(value: Any) -> Origin:
    """http://host:port or https://host:port, with the port of the scheme when there is none; or unix:/path."""
    if isinstance(value, Origin):
        return value
    expected = "expected http://host:port, https://host:port or unix:/path, such as http://127.0.0.1:9000"
    if not isinstance(value, str):
        raise ValueError(expected)
    if value.startswith("unix:"):
        return Origin("localhost", 80, path=socket_path(value))
    scheme, separator, authority = value.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        raise ValueError(expected)
    authority = authority.removesuffix("/")
    if "/" in authority:
        raise ValueError(f"{expected}, without a path")
    port = 443 if scheme == "https" else 80
    try:
        address = parse_address(authority if re.search(r":[0-9]+$", authority) else f"{authority}:{port}")
    except ValueError as error:
        raise ValueError(expected) from error
    if address.port == 0:
        raise ValueError("port 0 is not one to connect to")
    return Origin(address.host, address.port, scheme == "https")


def socket_path(value: str) -> str:
    """Of unix:/path; as long as the kernel takes it."""
    path = value.removeprefix("unix:")
    if not path.startswith("/") or "\0" in path:
        raise ValueError("the path of a Unix socket begins with /, as in unix:/run/app.sock")
    if len(path.encode()) > 107:
        raise ValueError("the path of a Unix socket has at most 107 bytes")
    return path


def parse_web_origin(value: Any) -> Origin:
    """http://host:port or https://host:port, with the port of the scheme when there is none."""
    expected = "expected http://host:port or https://host:port, such as https://api.example.com"
    try:
        origin = parse_origin(value)
    except ValueError as error:
        raise ValueError(str(error) if "port 0" in str(error) else expected) from error
    if origin.path is not None:
        raise ValueError(expected)
    return origin


def name(value: str) -> str:
    """What things are called in the file, in metrics and in `Cache-Status`."""
    if not _NAME.fullmatch(value):
        raise ValueError("a name is 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit")
    return value


def host_pattern(value: str) -> str:
    """A host in lower case, or "*." and a host, for all below it at any depth."""
    host = value.removeprefix("*.")
    if host.startswith("[") and host.endswith("]") and host == value:
        return f"[{_ipv6(host[1:-1])}]"
    if re.search(r":[0-9]*$", host):
        raise ValueError("a host pattern has no port")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("expected a host, such as shop.example.com, or *.example.com for all below it")
    return value.lower()


def _ipv6(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(f"{value} is not an IPv6 address") from None


def server_name(value: str) -> str:
    """A host name, as a certificate has it."""
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in value.split(".")):
        raise ValueError("expected a host name without a port, such as shop.example.com")
    return value.lower()


def path_pattern(value: str) -> str:
    """A path, or one that ends in "/*", for all that begin with what is before the star."""
    if not value.startswith("/"):
        raise ValueError("a path pattern begins with /")
    if len(value) > 2000:
        raise ValueError("a path pattern has at most 2000 characters")
    if "?" in value:
        raise ValueError("a path pattern has no query")
    path = value.removesuffix("*") if value.endswith("/*") else value
    if "*" in path:
        raise ValueError("in a path pattern * can only be last, after a /, as in /api/*")
    if not _PATH.fullmatch(path):
        raise ValueError("a path pattern is written as in a request: everything but ASCII URL characters as %XX")
    return value


def method(value: str) -> str:
    """RFC 9110 §9.1: a token, case-sensitive; all that are registered are upper-case."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is not a method")
    if value != value.upper():
        raise ValueError(f"methods are case-sensitive; did you mean {value.upper()}?")
    return value


FRAMING = frozenset({"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
"""Fields that only the proxy itself may send, because they say where a message ends (RFC 9112 §6)."""


def field_name(value: str) -> str:
    """RFC 9110 §5.1."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is not a header name")
    if value.lower() in FRAMING:
        raise ValueError(f"the proxy sets {value.lower()} itself")
    return value.lower()


def field_value(value: str) -> str:
    """RFC 9110 §5.5: no control character but tab, no blanks around it."""
    if any((c < " " and c != "\t") or c == "\x7f" for c in value):
        raise ValueError("a header value cannot contain CR, LF, NUL or other control characters")
    if value != value.strip(" \t"):
        raise ValueError("a header value cannot begin or end with blanks")
    return value


def param_pattern(value: str) -> str:
    """The name of a parameter of a query, or one that ends in "*", for all that begin with what is before the star."""
    if not value or "*" in value[:-1]:
        raise ValueError("expected the name of a parameter, such as page, or utm_* for all that begin with utm_")
    return value


def cookie_name(value: str) -> str:
    """RFC 6265 §4.1.1: a token."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a cookie")
    return value


def language_tag(value: str) -> str:
    """As in Accept-Language (RFC 5646 §2.1), in lower case."""
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not a language tag, such as en or pt-br")
    return value.lower()


def _number(value: Any) -> Any:
    """A truth value, which is an integer to Python, is none here."""
    if isinstance(value, bool):
        raise ValueError("expected a whole number")
    return value


def parse_workers(value: Any) -> int | Literal["auto"]:
    """auto: one for each core."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 256:
        raise ValueError("expected a number of processes, from 1 to 256, or auto")
    return value


def network(value: Any) -> IPv4Network | IPv6Network:
    """An address, or a network as address/bits."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("expected an IP address or a network, such as 127.0.0.1, 10.0.0.0/8 or ::1") from None


Count = Annotated[int, Field(ge=1), BeforeValidator(_number)]
Status = Annotated[int, Field(ge=200, le=599), BeforeValidator(_number)]
ErrorStatus = Annotated[int, Field(ge=500, le=599), BeforeValidator(_number)]
StatusPattern = Annotated[
    str,
    BeforeValidator(parse_status_pattern),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 200, "maximum": 599},
                {"type": "string", "pattern": "^[2-5](xx|[0-9]{2})$"},
            ],
            "examples": ["2xx"],
        }
    ),
]
Attempts = Annotated[int, Field(ge=0, le=10), BeforeValidator(_number)]
Weight = Annotated[int, Field(ge=1, le=100), BeforeValidator(_number)]
Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(show_percent, str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_PERCENT.pattern}$", "examples": ["20%"]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(show_size, str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}],
            "examples": ["64KiB"],
        }
    ),
]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["50ms"]}),
]
Timeout = Annotated[Duration, AfterValidator(_positive)]
ServerAddress = Annotated[
    Address,
    BeforeValidator(parse_address),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080"]}),
]
ListenAddress = Annotated[
    Address | SocketFile,
    BeforeValidator(parse_listen_address),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080", "unix:/run/sluice.sock"]}),
]
SocketMode = Annotated[
    int,
    BeforeValidator(parse_mode),
    PlainSerializer(lambda mode: f"{mode:04o}", str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": 777}, {"type": "string", "pattern": "^0?[0-7]{3}$"}],
            "examples": ["0660"],
        }
    ),
]
WebOrigin = Annotated[
    Origin,
    BeforeValidator(parse_web_origin),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^https?://", "examples": ["https://api.example.com"]}),
]
Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(network),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1", "10.0.0.0/8"]}),
]
OriginUrl = Annotated[
    Origin,
    BeforeValidator(parse_origin),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(https?://|unix:/)", "examples": ["http://127.0.0.1:9000"]}),
]
Name = Annotated[str, AfterValidator(name)]
Target = Annotated[str, AfterValidator(request_target)]
Host = Annotated[str, AfterValidator(host_and_port)]
ServerName = Annotated[str, AfterValidator(server_name)]
HostPattern = Annotated[str, AfterValidator(host_pattern)]
PathPattern = Annotated[str, AfterValidator(path_pattern)]
Method = Annotated[str, AfterValidator(method)]
FieldName = Annotated[str, AfterValidator(field_name)]
FieldValue = Annotated[str, AfterValidator(field_value)]
ParamPattern = Annotated[str, AfterValidator(param_pattern)]
CookieName = Annotated[str, AfterValidator(cookie_name)]
LanguageTag = Annotated[str, AfterValidator(language_tag)]
Workers = Annotated[
    int | Literal["auto"],
    BeforeValidator(parse_workers),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 256}, {"const": "auto"}]}),
]

"""The file of cases that a filter is tested with: what it says, with the place of everything in it.

Scalars are read as in the configuration, `${VAR}` included; but what a case says of messages is text as it is written,
so a header of 1.10 needs no quotes.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from urllib.parse import urljoin

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from proxy.config.document import Document, Places, read
from proxy.config.errors import ConfigError, Finding, Path, did_you_mean, quoted
from proxy.config.loader import located, nearest, raise_errors
from proxy.config.messages import finding
from proxy.config.model import Filter
from proxy.config.options import Options
from proxy.config.schema import options
from proxy.config.values import FieldValue, Method, Status, field_name
from proxy.exchange.observation import ACCESSORS, Observation
from proxy.http.syntax import is_token
from proxy.server.explain import question

SITE = "http://www.example.com/"
"""What the URL of a request is relative to."""

PATIENCE = 5.0
"""Seconds that a call may take where the file does not say: a busy machine is no failure."""


def _header_name(value: str) -> str:
    """As in the configuration, but content-length, which a filter may see, may be given."""
    if value.lower() == "host":
        raise ValueError("the host is part of url")
    return value.lower() if value.lower() == "content-length" else field_name(value)


def _request_header_name(value: str) -> str:
    if value.lower() == "cookie":
        raise ValueError("cookies go under cookies")
    return _header_name(value)


def _cookie_name(value: str) -> str:
    """RFC 6265 §4.1.1: a token."""
    if not is_token(value.encode()):
        raise ValueError(f"{value!r} is not the name of a cookie")
    return value


def _cookie_value(value: str) -> str:
    if ";" in value:
        raise ValueError("a semicolon ends a cookie")
    return value


def _checked_url(value: str) -> str:
    question("GET", urljoin(SITE, value), ())
    return value


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _one_or_more_or_none(value: Any) -> Any:
    return None if value is None else _one_or_more(value)


def _content(value: Any) -> bytes:
    match value:
        case str():
            return value.encode()
        case {"base64": str(encoded), **more} if not more:
            try:
                return b64decode(encoded, validate=True)
            except ValueError as error:
                raise ValueError(f"not base64: {error}") from None
    raise ValueError("expected text, or a mapping with base64 alone")


def _contents(value: Any) -> bytes | tuple[bytes, ...]:
    return tuple(map(_content, value)) if isinstance(value, list) else _content(value)


def observation(written: str) -> Observation:
    """A read as `sluice explain` shows it: `header(accept)`, `path()`. Raises ValueError."""
    accessor, opened, argument = written.removesuffix(")").partition("(")
    if accessor not in ACCESSORS or not opened or not written.endswith(")"):
        raise ValueError(f"expected a read such as header(accept) or path(){did_you_mean(accessor, ACCESSORS)}")
    return accessor, argument.lower() if accessor == "header" else argument


def show_observation(read: Observation) -> str:
    return f"{read[0]}({read[1]})"


Url = Annotated[str, AfterValidator(_checked_url)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
CookieValue = Annotated[FieldValue, AfterValidator(_cookie_value)]
Lines = Annotated[list[FieldValue], BeforeValidator(_one_or_more)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
RequestHeaderName = Annotated[str, AfterValidator(_request_header_name)]
Headers = dict[HeaderName, Annotated[list[str] | None, BeforeValidator(_one_or_more_or_none)]]


class GivenRequest(Options):
    """The request that comes to the filter."""

    method: Method = "GET"
    """Upper-case."""
    url: Annotated[Url, AfterValidator(partial(urljoin, SITE))] = SITE
    """http://host/path?query, or without the host."""
    headers: dict[RequestHeaderName, Lines] = Field(default_factory=dict)
    """By name; a list is a line for each value."""
    cookies: dict[CookieName, CookieValue] = Field(default_factory=dict)
    """By name."""
    client: str = "192.0.2.1"
    """The client's address."""
    notes: dict[str, str] = Field(default_factory=dict)
    """What filters above have left."""


class GivenResponse(Options):
    """What the stages below answer with."""

    status: Status = 200
    """From 200 to 599."""
    headers: dict[HeaderName, Lines] = Field(default_factory=dict)
    """By name; a list is a line for each value."""
    body: Annotated[bytes | tuple[bytes, ...], BeforeValidator(_contents)] = b""
    """Text, or {base64: …}; a list of them arrives piece by piece."""


class ExpectedRequest(Options):
    """The request as the stages below get it. What is not named must be as it was given."""

    method: str | None = None
    """As it goes on."""
    url: Url | None = None
    """http://host/path?query; relative to the one given."""
    headers: Headers = Field(default_factory=dict)
    """By name; null for one that must not be there."""
    notes: dict[str, str | None] = Field(default_factory=dict)
    """What it leaves for the stages below."""


class ExpectedResponse(Options):
    """The response as the stages above get it. What is not named must be as it was given, but in a reply."""

    status: Status | None = None
    """From 200 to 599."""
    headers: Headers = Field(default_factory=dict)
    """By name; null for one that must not be there."""
    body: Annotated[bytes | None, BeforeValidator(lambda value: None if value is None else _content(value))] = None
    """The whole of it: text, or {base64: …}."""
    tags: list[str] | None = None
    """Surrogate keys."""


class Expectation(Options):
    """What must come of it. What is left out is not looked at, but that it does not fail always is."""

    verdict: Literal["next", "reply"] | None = None
    """next: the stages below were asked. reply: they were not."""
    request: ExpectedRequest | None = None
    """As the stages below, and the origin, see it."""
    response: ExpectedResponse | None = None
    """As the stages above, and the client, see it."""
    reads: list[Annotated[Observation, BeforeValidator(observation)]] | None = None
    """All that a cache above has to key on, such as header(accept) or path(), in any order."""
    log: list[str] | None = None
    """All lines from the level info on, such as "warn: no such key"."""
    error: str | None = None
    """The run must fail, with this in the message."""


class Case(Options):
    """One exchange, and what the filter must make of it."""

    name: str
    """What is shown when it fails."""
    config: dict[str, Any] | None = None
    """Instead of the filter's own."""
    request: GivenRequest = GivenRequest()
    """What comes to the filter."""
    response: GivenResponse = GivenResponse()
    """What the stages below answer with."""
    expect: Expectation
    """What must come of it."""


class Suite(Options):
    """A file of cases."""

    filter: Filter
    """As under filters: of a configuration."""
    cases: Annotated[list[Case], Field(min_length=1)]
    """Each by itself: nothing of one is there in the next."""


@dataclass(frozen=True, slots=True)
class CaseFile:
    path: FilePath
    suite: Suite
    places: Places

    def position(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1, of the value at this path, or of what is nearest above it."""
        return nearest(self.places, _as_written(self.places, path)).value

    def error(self, path: Path, message: str) -> ConfigError:
        return located(str(self.path), self.places, Finding(path, message))


def _as_written(places: Places, path: Path) -> Path:
    """The path with a field name last as the file has it: names of fields have no case."""
    if path in places:
        return path
    same = (each for each in places if each[:-1] == path[:-1] and str(each[-1]).lower() == path[-1])
    return next(same, path)


def load(path: FilePath, component: FilePath | None = None, environment: Mapping[str, str] = os.environ) -> CaseFile:
    """Reads a file of cases; `component` is tested instead of the one it names. Raises ConfigErrors with all that is
    wrong with it."""
    document = read(path, environment, keys="filter and cases", example="what `sluice filter new` makes")
    _take_text_as_written(document)
    if component is not None:
        _replace_component(document, component)
    found: list[Finding] = []
    suite = None
    try:
        suite = Suite.model_validate(document.data, context={"directory": path.parent})
    except ValidationError as error:
        known = partial(options, whole=_schema())
        found += [finding(each, known) for each in error.errors(include_url=False)]
    else:
        found += _missing_component(suite.filter.component)
        found += _same_names(suite.cases)
    raise_errors(path, document, found)
    assert suite is not None, "or something was found"
    return CaseFile(path, suite, document.places)


@cache
def _schema() -> dict[str, Any]:
    return Suite.model_json_schema()


def _take_text_as_written(document: Document) -> None:
    for path, text in document.written.items():
        if path[0] == "cases" and path[2:3] != ("config",) and path[-2:] != ("response", "status"):
            parent: Any = document.data
            for step in path[:-1]:
                parent = parent[step]
            parent[path[-1]] = text


def _replace_component(document: Document, component: FilePath) -> None:
    declared = document.data.get("filter")
    if declared is None:
        document.data["filter"] = declared = {}
    if isinstance(declared, dict):
        declared["component"] = str(component.absolute())


def _missing_component(component: FilePath) -> Iterator[Finding]:
    if not component.is_file():
        message = f"there is no file {quoted(str(component))}; `sluice filter build` makes it from its source"
        yield Finding(("filter", "component"), message)


def _same_names(cases: list[Case]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, case in enumerate(cases):
        if first.setdefault(case.name, index) != index:
            yield Finding(("cases", index, "name"), f"is the name of cases[{first[case.name]}] already")

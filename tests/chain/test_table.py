"""Of many routes the first one that matches, as if each had been asked in turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.chain.route import Match, Route
from proxy.chain.table import RouteTable
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from tests.compiled import no_subclass

HOSTS = ["a", "example.com", "www.example.com", "a.b.example.com", "[::1]", "badexample.com", ".example.com", ""]
PATTERNS = [None, "a", "example.com", "*.example.com", "*.b.example.com", "*.com", "[::1]"]
PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "*", "/a//b"]
PATH_PATTERNS = [None, "/", "/a", "/*", "/a/*", "/a/b/*", "/a/b", "*", "/b/*"]
METHODS = [None, frozenset({"GET"}), frozenset({"POST", "HEAD"})]


async def nobody(request: Request) -> Response:
    raise AssertionError("routes are chosen here, not followed")


def request(authority: str, path: str, method: str) -> Request:
    return Request(method, "http", authority, path, None, Fields(), Exchange())


matches = st.builds(Match, st.sampled_from(PATTERNS), st.sampled_from(PATH_PATTERNS), st.sampled_from(METHODS))
requests = st.builds(
    request,
    st.builds("{}{}".format, st.sampled_from(HOSTS), st.sampled_from(["", ":80"])),
    st.sampled_from(PATHS),
    st.sampled_from(["GET", "POST", "PUT"]),
)


@given(st.lists(matches, max_size=12), st.lists(requests, min_size=1, max_size=6))
def test_as_if_each_were_asked_in_turn(declared: list[Match], asked: list[Request]) -> None:
    routes = [Route(str(number), match, nobody) for number, match in enumerate(declared)]
    table = RouteTable(routes)
    for each in asked:
        assert table.choose(each) is next((route for route in routes if route.match(each)), None)


@no_subclass
def test_a_request_is_compared_with_few_of_many() -> None:
    compared: list[str] = []

    class Watched(Match):
        def __call__(self, request: Request) -> bool:
            compared.append(f"{self.host}{self.path}")
            return super().__call__(request)

    declared = [Watched(f"{kind}host-{n}.example", f"/path-{n}/*") for n in range(500) for kind in ("", "*.")]
    table = RouteTable([Route(str(number), match, nobody) for number, match in enumerate(declared)])
    chosen = table.choose(request("host-499.example", "/path-499/x", "GET"))
    assert chosen is not None
    assert chosen.match is declared[-2]
    assert compared == ["host-499.example/path-499/*"]

"""Requests as browsers make them: no two alike, but of few objects, so that what is cached stays cached.

The fields are those that Chrome, Firefox and Safari send with a navigation, in their order; cookies are what analytics,
consent and sessions leave behind. All is drawn from a seeded generator: every run asks for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

SEED = 9110
REQUESTS = 2048
QUERIES = 64
"""Different ones among all requests: so many objects are in a cache."""

CHROMES = range(118, 132)
FIREFOXES = range(115, 134)
SAFARIS = ("16.6", "17.4", "17.6", "18.1")
SYSTEMS = (
    ("Windows NT 10.0; Win64; x64", '"Windows"', "?0"),
    ("Macintosh; Intel Mac OS X 10_15_7", '"macOS"', "?0"),
    ("X11; Linux x86_64", '"Linux"', "?0"),
    ("Linux; Android 10; K", '"Android"', "?1"),
)
LANGUAGES = (
    "en-US,en;q=0.9", "en-GB,en;q=0.8", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "fr-FR,fr;q=0.9,en;q=0.8",
    "ja,en-US;q=0.9,en;q=0.8", "pt-BR,pt;q=0.9,en-US;q=0.8", "es-ES,es;q=0.9", "zh-CN,zh;q=0.9,en;q=0.8",
    "nl-NL,nl;q=0.9,en;q=0.7", "pl-PL,pl;q=0.9,en-US;q=0.8,en;q=0.7", "ru,en;q=0.9", "it-IT,it;q=0.9,en-US;q=0.8",
)  # fmt: skip
SOURCES = ("newsletter", "search", "social", "partner")

Lines = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, without its method, path and authority."""

    query: str
    fields: Lines


def asks() -> list[Ask]:
    """REQUESTS of them, with QUERIES queries."""
    random = Random(SEED)
    queries = [_query(random) for _ in range(QUERIES)]
    makers = (_chrome, _chrome, _firefox, _safari)
    return [Ask(random.choice(queries), random.choice(makers)(random)) for _ in range(REQUESTS)]


def script(path: str, asked: Sequence[Ask]) -> str:
    """For wrk, which runs it in each of its threads: ask for them in turn."""
    texts = ((f"{path}?{ask.query}", "".join(f"{name}: {value}\\r\\n" for name, value in ask.fields)) for ask in asked)
    rows = "\n".join(f"  {{'{target}', '{lines}'}}," for target, lines in texts)
    return f"""local asked = {{
{rows}
}}
local requests, turn = {{}}, 0

function init()
  for n, each in ipairs(asked) do
    requests[n] = 'GET ' .. each[1] .. ' HTTP/1.1\\r\\nHost: ' .. wrk.headers['Host'] .. '\\r\\n' .. each[2] .. '\\r\\n'
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"""


def _query(random: Random) -> str:
    parts = [f"id={random.randrange(100_000)}", f"page={random.randrange(1, 40)}"]
    if random.random() < 0.5:
        parts.append(f"utm_source={random.choice(SOURCES)}&utm_campaign=c{random.randrange(100)}")
    return "&".join(parts)


def _chrome(random: Random) -> Lines:
    (system, platform, mobile), version = random.choice(SYSTEMS), random.choice(CHROMES)
    device = " Mobile" if mobile == "?1" else ""
    agent = (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0{device} Safari/537.36"
    )
    brands = f'"Chromium";v="{version}", "Google Chrome";v="{version}", "Not?A_Brand";v="99"'
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
    return (
        ("sec-ch-ua", brands),
        ("sec-ch-ua-mobile", mobile),
        ("sec-ch-ua-platform", platform),
        ("upgrade-insecure-requests", "1"),
        ("user-agent", agent),
        ("accept", accept),
        *_navigation("same-origin", "navigate", "?1", "document"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", random.choice(LANGUAGES)),
        ("cookie", _cookies(random)),
    )


def _firefox(random: Random) -> Lines:
    (system, _, _), version = random.choice(SYSTEMS), random.choice(FIREFOXES)
    return (
        ("user-agent", f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", random.choice(LANGUAGES)),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", _cookies(random)),
        ("upgrade-insecure-requests", "1"),
        *_navigation("none", "navigate", "?1", "document"),
        ("priority", "u=0, i"),
    )


def _safari(random: Random) -> Lines:
    system, version = "Macintosh; Intel Mac OS X 10_15_7", random.choice(SAFARIS)
    agent = f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version} Safari/605.1.15"
    return (
        ("sec-fetch-dest", "document"),
        ("user-agent", agent),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("accept-language", random.choice(LANGUAGES)),
        ("accept-encoding", "gzip, deflate, br"),
        ("cookie", _cookies(random)),
    )


def _navigation(site: str, mode: str, user: str, destination: str) -> Lines:
    names = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-user", "sec-fetch-dest")
    return tuple(zip(names, (site, mode, user, destination), strict=True))


def _cookies(random: Random) -> str:
    since = 1_700_000_000 + random.randrange(30_000_000)
    cookies = [
        f"_ga=GA1.1.{random.randrange(10**9)}.{since}",
        f"session={random.randbytes(16).hex()}",
        f"theme={random.choice(('light', 'dark'))}",
        f"consent=v2.{random.choice(('all', 'none', 'some'))}.{since}",
        f"ab={random.randrange(16)}",
    ]
    return "; ".join(random.sample(cookies, random.randrange(2, len(cookies) + 1)))

"""`sluice filter test`, as it is typed, and as pytest does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.workshop import pytest_plugin
from tests.config.documents import ROOT

BUILT = ROOT / "filters/built"
LEAKY = ROOT / "tests/hostile/built/leaky.wasm"
MIDDLEWARE = ROOT / "tests/wasi/guests/built/middleware.wasm"

Write = Callable[..., str]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("filter", "test", *arguments), prog_name="sluice", catch_exceptions=False)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes hello.yaml into a folder with the shipped filters, and goes there."""
    (tmp_path / "built").symlink_to(BUILT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def into(text: str, name: str = "hello.yaml") -> str:
        (tmp_path / name).write_text(text)
        return name

    return into


HEADERS = """\
filter:
  component: built/headers.wasm
  config: {request: {set: {x-by: sluice}, remove: [x-debug]}, response: {append: {vary: accept-language}}}
cases:
  - name: both sides
    request:
      method: HEAD
      url: "/shop?a=b"
      headers: {X-Debug: 1, x-version: 1.10, x-list: [a, b]}
      cookies: {session: abc}
      client: 192.0.2.7
    response: {status: 201, headers: {vary: accept, content-length: 9}}
    expect:
      verdict: next
      request: {headers: {X-By: sluice, X-Debug: , x-version: 1.10, x-list: "a, b", cookie: session=abc}, url: "?a=b"}
      response: {headers: {vary: [accept, accept-language]}, status: 201}
      reads: []
      log: []
"""


def test_passed(write: Write) -> None:
    result = run(write(HEADERS))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "hello.yaml\n  ok      both sides (also remembered)\n1 passed, 0 failed\n"


BODIES = """\
filter: {component: built/html-inject.wasm, config: {snippet: "<b>"}}
cases:
  - name: in pieces
    response: {headers: {content-type: text/html, etag: '"1"'}, body: ["<head></he", "ad>", {base64: /w==}]}
    expect:
      response: {headers: {etag: null}, body: {base64: PGhlYWQ+PGI+PC9oZWFkPv8=}}
  - name: another type
    response: {headers: {content-type: text/plain}, body: "</head>"}
    expect: {request: , response: {}}
"""


def test_bodies(write: Write) -> None:
    result = run(write(BODIES))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed"), result.output


REPLIES = """\
filter: {component: built/api-key.wasm, config: {keys: [secret], header: x-api-key}}
cases:
  - name: without a key
    expect:
      verdict: reply
      response: {status: 401}
      reads: [header(X-Api-Key)]
  - name: of a wrong configuration
    config: {keys: 3}
    expect: {error: unreachable}
"""


def test_replies_and_errors(write: Write) -> None:
    result = run(write(REPLIES))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed"), result.output


FAILING = """\
filter: {component: built/headers.wasm, config: {response: {set: {x-edge: 1.5}}}}
cases:
  - name: a wrong configuration
    expect: {}
  - name: much is otherwise
    config: {request: {set: {x-by: sluice}}, response: {remove: [server]}}
    request: {headers: {accept: text/html}}
    response: {headers: {server: apache}, body: "one\\ntwo\\n"}
    expect:
      verdict: reply
      request: {method: POST, headers: {X-By: somebody}}
      response:
        body: "one\\n2\\n"
      reads: [header(Accept), path()]
      log: ["info: hello"]
  - name: what is not named must be as it was
    config: {request: {set: {x-by: sluice}}}
    expect:
      request: {}
"""

FAILED = """\
hello.yaml
  FAILED  a wrong configuration (hello.yaml:3)
          hello.yaml:4:13: error
            expected  nothing
            got       "unreachable executed"
          logged  error: config: want request and response, …
          logged  filter headers failed: unreachable executed; …
  FAILED  much is otherwise (hello.yaml:5)
          hello.yaml:10:16: verdict
            expected  "reply"
            got       "next"
          hello.yaml:11:25: request.method
            expected  "POST"
            got       "GET"
          hello.yaml:11:47: request.headers.x-by
            expected  "somebody"
            got       "sluice"
          hello.yaml:13:9: response.headers.server
            expected  "apache"
            got       nothing
          hello.yaml:13:15: response.body
            expected (-) and got (+)
              "one\\n"
            - "2\\n"
            + "two\\n"
          hello.yaml:14:14: reads
            expected (-) and got (+)
            - "header(accept)"
            - "path()"
          hello.yaml:15:12: log
            expected  "info: hello"
            got       nothing
  FAILED  what is not named must be as it was (hello.yaml:16)
          hello.yaml:19:16: request.headers.x-by
            expected  nothing
            got       "sluice"
0 passed, 3 failed
"""


def test_failed(write: Write) -> None:
    result = run(write(FAILING))
    assert re.sub("(logged.*? (executed;|response,)).*", r"\1 …", result.stdout) == FAILED
    assert result.exit_code == 1


def test_another_component_than_the_file_names(write: Write) -> None:
    cases = write("cases: [{name: a, expect: {response: {headers: {x-content-type-options: nosniff}}}}]\n")
    assert run(cases).exit_code == 2
    result = run("built/security-headers.wasm", cases)
    assert result.exit_code == 1
    assert "response.headers.strict-transport-security\n            expected  nothing\n" in result.stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "hello.yaml:1:1: is empty; what `sluice filter new` makes is a start"),
        ("- a\n", "hello.yaml:1:1: expected a mapping with filter and cases, not a list"),
        ("filter: {component: x.wasm}\n", "hello.yaml:1:1: cases: is required"),
        (
            "filter: {component: x.wasm}\ncases: [{name: a, expect: {}}]\n",
            'hello.yaml:1:21: filter.component: there is no file "x.wasm"; '
            "`sluice filter build` makes it from its source",
        ),
        (
            "filter: {component: built/headers.wasm}\ncases:\n  - name: a\n    expcet: {}\n    expect: {raeds: []}\n",
            "hello.yaml:4:5: cases[0].expcet: unknown option; did you mean expect?\n"
            "hello.yaml:5:14: cases[0].expect.raeds: unknown option; did you mean reads?",
        ),
        (
            "filter: {component: built/headers.wasm}\ncases:\n  - {name: a, expect: {reads: [headr(x), path]}}\n"
            "  - {name: a, request: {headers: {host: x}, url: 'http://a b/'}, expect: {verdict: nxt}}\n",
            "hello.yaml:3:32: cases[0].expect.reads[0]: expected a read such as header(accept) or path(); did you mean "
            "header?\n"
            "hello.yaml:3:42: cases[0].expect.reads[1]: expected a read such as header(accept) or path(); did you mean "
            "path?\n"
            "hello.yaml:4:35: cases[1].request.headers.host: the host is part of url\n"
            "hello.yaml:4:50: cases[1].request.url: 'http://a b/' is not a URL such as http://127.0.0.1:8080/path\n"
            "hello.yaml:4:84: cases[1].expect.verdict: expected next or reply; did you mean next?",
        ),
        (
            "filter: {component: built/headers.wasm}\ncases: [{name: a, expect: {}}, {name: a, expect: {}}]\n",
            "hello.yaml:2:39: cases[1].name: is the name of cases[0] already",
        ),
        (
            "filter: {component: built/manifest.json}\ncases: [{name: a, expect: {}}]\n",
            "hello.yaml:1:21: filter.component: built/manifest.json: not WebAssembly (at offset 0x0)",
        ),
        (
            "filter: {component: built/headers.wasm}\ncases:\n"
            '  - {name: a, request: {cookies: {a b: x, c: "x;", d: "\\r"}},\n'
            "     response: {body: [{base64: x}]}, expect: {}}\n"
            "  - {name: b, request: {headers: {cookie: a=b}}, expect: {request: {url: 'http://['}}}\n",
            "hello.yaml:3:35: cases[0].request.cookies[\"a b\"]: 'a b' is not the name of a cookie\n"
            "hello.yaml:3:46: cases[0].request.cookies.c: a semicolon ends a cookie\n"
            "hello.yaml:3:55: cases[0].request.cookies.d: a header value cannot contain CR, LF, NUL or other control "
            "characters\n"
            "hello.yaml:4:23: cases[0].response.body: not base64: Invalid base64-encoded string: number of data "
            "characters (1) cannot be 1 more than a multiple of 4\n"
            "hello.yaml:5:35: cases[1].request.headers.cookie: cookies go under cookies\n"
            "hello.yaml:5:74: cases[1].expect.request.url: Invalid IPv6 URL",
        ),
        (
            "filter: {component: built/headers.wasm, grants: [clock]}\ncases: [{name: a, expect: {}}]\n",
            "hello.yaml:1:50: filter.grants[0]: unknown grant 'clock'; did you mean clocks?",
        ),
    ],
)  # fmt: skip
def test_a_wrong_file(write: Write, text: str, complaint: str) -> None:
    result = run(write(text))
    assert (result.exit_code, result.stderr) == (2, complaint + "\n")


def test_no_cases(write: Write) -> None:
    result = run("built/headers.wasm")
    assert result.exit_code == 2
    assert "give the YAML files with the cases" in result.stderr


def under_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", pytest_plugin.__name__, "--rootdir", folder, "-q", "--color=no"],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_pytest_collects_them(write: Write, tmp_path: Path) -> None:
    write(HEADERS, "good.filter-test.yaml")
    write(FAILING, "bad.filter-test.yaml")
    write(FAILING, "other.yaml")
    result = under_pytest(tmp_path)
    assert result.returncode == 1
    assert "3 failed, 1 passed" in result.stdout
    assert 'bad.filter-test.yaml:10:16: verdict\n  expected  "reply"\n  got       "next"\n' in result.stdout
    assert "FAILED bad.filter-test.yaml::much is otherwise" in result.stdout


def test_pytest_tells_what_is_wrong_with_a_file(write: Write, tmp_path: Path) -> None:
    write("filter: {component: built/headers.wasm}\ncases: []\n", "wrong.filter-test.yml")
    result = under_pytest(tmp_path)
    assert result.returncode == 2
    assert "wrong.filter-test.yml:2:8: cases: must not be empty" in result.stdout


def test_pytest_finds_the_plugin_by_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pytest_plugin.__name__ in project["entry-points"]["pytest11"].values()


def test_the_plugin_costs_those_nothing_who_have_no_such_files() -> None:
    program = (
        f"import sys, {pytest_plugin.__name__}; print(sorted({{'pydantic', 'yaml', 'wasmtime'}} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert output.stdout == "[]\n"


FAILING_OPEN = """\
filter:
  component: built/headers.wasm
  config: {request: 3}
  on_error: fail_open
  instance: pooled
cases:
  - name: it goes on without the filter
    response: {status: 404, body: gone}
    expect: {verdict: next, error: unreachable, request: {}, response: {}, reads: [unrepeatable()]}
  - name: the pool is not of the case before
    config: {response: {set: {x-edge: "1"}}}
    expect: {response: {headers: {x-edge: 1}}}
"""


def test_failing_open_and_pooled(write: Write) -> None:
    result = run(write(FAILING_OPEN))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed"), result.output


LEAKING = f"""\
filter: {{component: {LEAKY}}}
cases:
  - name: Ada
    request: {{headers: {{x-user: ada}}}}
    expect: {{request: {{headers: {{x-asking: ada}}}}}}
  - name: nobody
    expect: {{request: {{headers: {{x-asking: nobody}}}}}}
  - name: with an instance of its own
    config: {{}}
    expect: {{request: {{headers: {{x-asking: nobody}}}}}}
"""

LEAKED = """\
hello.yaml
  ok      Ada (also remembered)
  ok      nobody (also remembered)
  ok      with an instance of its own (also remembered)
  in one instance, forwards and backwards (--shuffle=7)
  LEAKED  nobody (hello.yaml:6) after "Ada" in the same instance
          request.headers.x-asking
            alone  "nobody"
            after  "ada"
3 passed, 0 failed, 1 leaked
"""


def test_what_one_exchange_leaves_and_another_finds(write: Write) -> None:
    result = run("--shuffle=7", write(LEAKING))
    assert (result.exit_code, result.stdout) == (1, LEAKED), result.output


def test_the_seed_of_a_shuffle_is_told(write: Write) -> None:
    result = run("--shuffle", write(BODIES))
    told, total = result.stdout.splitlines()[-2:]
    assert re.fullmatch(r"  in one instance, forwards and backwards \(--shuffle=[0-9]+\)", told)
    assert (result.exit_code, total) == (0, "2 passed, 0 failed, 0 leaked"), result.output
    assert run("--shuffle=x", "hello.yaml").exit_code == 2


OF_WASI = f"""\
filter: {{component: {MIDDLEWARE}, grants: [{{http: []}}]}}
cases:
  - name: passed down
    request: {{url: /pass, headers: {{accept: text/html}}}}
    response: {{body: [he, llo], headers: {{x-origin: "1"}}}}
    expect: {{verdict: next, request: {{}}, response: {{}}, reads: [path(), query()]}}
  - name: answered
    request: {{url: /answer}}
    expect: {{verdict: reply, response: {{status: 200, body: answered here}}}}
  - name: an error of its own
    request: {{url: /error}}
    expect: {{error: unavailable}}
  - name: a trap
    request: {{url: /trap}}
    expect: {{error: unreachable}}
  - name: the first call
    request: {{url: /calls}}
    expect: {{response: {{body: "1"}}}}
"""


def test_components_of_wasi_http(write: Write) -> None:
    result = run("--shuffle=3", write(OF_WASI))
    assert result.exit_code == 1
    assert """\
  LEAKED  the first call (hello.yaml:16) after "the first call" in the same instance
          response.body
            alone  "1"
            after  "2"
5 passed, 0 failed, 1 leaked
""" in result.stdout  # fmt: skip


def test_what_has_no_instance_to_share_is_not_shuffled(write: Write) -> None:
    service = ROOT / "tests/wasi/guests/built/service.wasm"
    cases = "cases: [{name: a, request: {url: /}, expect: {verdict: reply}}]\n"
    text = f"filter: {{component: {service}, grants: [{{http: []}}]}}\n{cases}"
    assert run(write(text)).exit_code == 0
    result = run("--shuffle", write(text))
    assert result.exit_code == 2
    assert "of wasi:http 0.2, which has an instance for each exchange: nothing can leak" in result.stderr

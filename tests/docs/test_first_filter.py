"""docs/first-filter.md: every command on the page is run, and says what the page says that it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.documents import ROOT
from tests.patience import PATIENCE
from tests.ports import free_port

PAGE = ROOT / "docs/first-filter.md"
PORTS = ("8080", "8081", "9000", "9901")
NEEDED = ("clang", "wasm-ld", "curl", "bash")

READY = {
    "http.server": "until (: < /dev/tcp/127.0.0.1/{9000}) 2>/dev/null; do sleep 0.05; done",
    "sluice inspect": "until (: < /dev/tcp/127.0.0.1/{8080}) 2>/dev/null; do sleep 0.05; done",
    "sluice run": "until (: < /dev/tcp/127.0.0.1/{8080}) 2>/dev/null; do sleep 0.05; done",
    "sluice record": "until grep -q 'recording into' log; do sleep 0.05; done",
}
"""A reader waits for what was started in the background before typing on."""

Step = tuple[str, list[str]]
"""A command, and the lines that it must print, in this order and maybe with others between."""


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(console|yaml)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def steps(console: str) -> list[Step]:
    found: list[Step] = []
    for line in console.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def script(ports: dict[str, str]) -> tuple[str, list[Step]]:
    """The page for bash, each command after a line that marks it; and what it must print."""
    lines = ["set -m", "exec > log 2>&1"]
    expected: list[Step] = []
    for kind, text in blocks():
        # All at once: a port that was put in may contain another of the page's.
        text = re.sub("|".join(ports), lambda match: ports[match[0]], text)
        if kind == "yaml":
            name = text.splitlines()[0].removeprefix("# ")
            lines += [f"cat > {name} <<'END'", text.rstrip(), "END"]
            continue
        for command, output in steps(text):
            expected.append((command, output))
            if "sluice inspect" in command:
                command = command.replace(" &", f" --web 127.0.0.1:{ports['8081']} --set confdir=mitmproxy &")
            lines += [f"echo '@@{len(expected) - 1}'", command]
            ready = next((wait for started, wait in READY.items() if started in command and command.endswith("&")), "")
            lines.append(re.sub(r"\{(\d+)\}", lambda match: ports[match[1]], ready))
            if command.startswith("kill"):
                lines.append("wait %2")
    return "\n".join([*lines, "echo '@@end'", "kill $(jobs -p); wait", ""]), expected


@pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)) or not Path("/usr/lib/wasm32-wasi").exists(),
    reason="needs clang and curl (apt-get install clang lld wasi-libc curl)",
)
def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    text, expected = script({port: str(free_port()) for port in PORTS})
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", text], cwd=tmp_path, env={**os.environ, "PATH": path}, start_new_session=True
    )
    try:
        process.wait(5 * PATIENCE)
    except subprocess.TimeoutExpired:
        # By session: under `set -m` each job has a process group of its own.
        subprocess.run(["pkill", "-KILL", "--session", str(process.pid)], check=True)
        process.wait()
    log = (tmp_path / "log").read_text()
    assert "@@end" in log, log
    said = dict(re.findall(r"^@@(\d+)\n(.*?)(?=^@@)", log, re.M | re.S))
    for number, (command, lines) in enumerate(expected):
        rest = said[str(number)]
        if command.startswith("wait"):  # what is waited for may have been quicker
            rest = said[str(number - 1)] + rest
        for line in lines:
            wanted = re.escape(line).replace("…", ".*")
            match = re.search(f"^{wanted}$", rest, re.M)
            assert match is not None, f"{command}\nmust print: {line}\nprinted: {said[str(number)]}"
            rest = rest[match.end() :]


def test_a_free_port_may_look_like_one_of_the_page() -> None:
    text, _ = script({"8080": "38081", "8081": "39000", "9000": "39901", "9901": "40139"})
    assert "http.server 39901 " in text
    assert "http://127.0.0.1:38081/" in text
    assert "address: 127.0.0.1:40139" in text


def test_the_page_has_commands_of_each_kind() -> None:
    commands = " ".join(command for kind, text in blocks() if kind == "console" for command, _ in steps(text))
    for name in ("filter new", "filter build", "filter test", "check", "explain", "inspect", "run", "record", "replay"):
        assert f"sluice {name}" in commands

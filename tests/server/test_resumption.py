"""TLS sessions over several workers and reloads: real processes, and the client that comes with OpenSSL."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.server.process import Process, config, respond, running
from tests.tls.certificates import issue

OPENSSL = shutil.which("openssl")


def shake(process: Process, port: str, version: str, *session: str) -> str:
    """How the session came to be: New or Reused. The server's first bytes bring the tickets of TLS 1.3."""
    command = ["openssl", "s_client", f"-{version}", "-connect", f"127.0.0.1:{port}", "-servername", "a.example"]
    request = "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n"
    done = subprocess.run(
        [*command, "-ign_eof", *session],
        input=request, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "HTTP/1.1 200 OK" in done.stdout, done.stdout + done.stderr
    found = re.search(r"^(New|Reused), ", done.stdout, re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.skipif(OPENSSL is None, reason="openssl: apt-get install openssl")
def test_a_session_is_resumed_by_every_worker_and_after_a_reload(tmp_path: Path) -> None:
    files = issue(tmp_path, "a.example")
    secure = {"address": "127.0.0.1:0", "tls": {"certificates": [files.option]}}
    path = config(tmp_path, respond("one"), workers=2, listeners=[{"address": "127.0.0.1:0"}, secure])
    with running(path) as process:
        port = process.until(r"listening on https://127\.0\.0\.1:(\d+)")[1]
        kept = {version: str(tmp_path / version) for version in ("tls1_2", "tls1_3")}
        for version, session in kept.items():
            assert shake(process, port, version, "-sess_out", session) == "New"
            assert Counter(shake(process, port, version, "-sess_in", session) for _ in range(4)) == {"Reused": 4}
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        for version, session in kept.items():
            assert shake(process, port, version, "-sess_in", session) == "Reused"
        issue(tmp_path, "a.example")
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        for version, session in kept.items():
            assert shake(process, port, version, "-sess_in", session) == "New"

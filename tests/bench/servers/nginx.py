"""nginx: the origin of all, and one of those measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import SIZES
from tests.bench.machine import Machine
from tests.bench.target import Case, Missing, Site, Target
from tests.ports import free_port

WHOLE = 2048
"""Bodies of the origin up to so many bytes stand in its configuration, which has no room for longer ones."""

FRAME = """
daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {http}
}}
"""

# x-serial tells a response made anew from a stored one, x-saw which request fields came through.
ORIGIN = """
  open_file_cache max=100; etag off;
  server {{
    listen 127.0.0.1:{port};
    root {folder}; default_type text/plain;
    add_header cache-control max-age=3600;
    add_header x-serial $connection-$connection_requests;
    add_header x-saw "$http_x_bench_1$http_x_bench_2";
    {short}
  }}
"""

PROXY = """
  proxy_cache_path {folder}/cache keys_zone=pages:10m;
  proxy_http_version 1.1; proxy_set_header Connection "";
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{hit}; listen 127.0.0.1:{secure} ssl http2;
    ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;  # the default since nginx 1.23.4
    location / {{ proxy_pass http://origin; proxy_cache pages; }}
  }}
  server {{ listen 127.0.0.1:{forward}; location / {{ proxy_pass http://origin; }} }}
"""


def body(size: int) -> str:
    return "x" * size


def start_origin(machine: Machine) -> int:
    """Its port."""
    port, folder = free_port(), machine.scratch / "origin"
    (folder / "bytes").mkdir(parents=True)
    for size in SIZES:
        (folder / "bytes" / str(size)).write_text(body(size))
    short = "\n    ".join(f"location = /bytes/{size} {{ return 200 {body(size)}; }}" for size in SIZES if size <= WHOLE)
    command = _command(folder, ORIGIN.format(port=port, folder=folder, short=short), 1)
    machine.serve("origin", machine.beside(command), port)
    return port


def start(machine: Machine, site: Site) -> Iterator[Target]:
    hit, secure, forward = free_port(), free_port(), free_port()
    folder = machine.scratch / "nginx"
    folder.mkdir()
    ports = {"hit": hit, "secure": secure, "forward": forward, "origin": site.origin}
    http = PROXY.format(folder=folder, chain=site.chain, key=site.key, **ports)
    pid = machine.serve("nginx", machine.measured(_command(folder, http, machine.workers)), hit)
    yield Target(Case.HIT, "nginx", hit, pid)
    yield Target(Case.HIT_TLS, "nginx", secure, pid)
    yield Target(Case.HIT_HTTP2, "nginx", secure, pid)
    yield Target(Case.PASS, "nginx", forward, pid)


def _command(folder: Path, http: str, workers: int) -> list[str]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise Missing("nginx: apt-get install nginx-light")
    config = folder / "nginx.conf"
    config.write_text(FRAME.format(folder=folder, http=http, user=_user(), workers=workers))
    return [program, "-p", str(folder), "-c", str(config), "-e", "stderr"]


def _user() -> str:
    """Workers started by root would change to a user who cannot write to our folder."""
    return "user root;" if os.geteuid() == 0 else ""

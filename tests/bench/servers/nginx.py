"""nginx: the origin of all, and one of those measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.machine import Machine, free_port
from tests.bench.target import Case, Missing, Target

BODY = "x" * 600

FRAME = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
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
  server {{
    listen 127.0.0.1:{port};
    location / {{
      add_header cache-control max-age=3600;
      add_header x-serial $connection-$connection_requests;
      add_header x-saw "$http_x_bench_1$http_x_bench_2";
      default_type text/plain;
      return 200 {body};
    }}
  }}
"""

PROXY = """
  proxy_cache_path {folder}/cache keys_zone=pages:10m;
  proxy_http_version 1.1; proxy_set_header Connection "";
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{hit}; location / {{ proxy_pass http://origin; proxy_cache pages; }} }}
  server {{ listen 127.0.0.1:{forward}; location / {{ proxy_pass http://origin; }} }}
"""


def start_origin(machine: Machine) -> int:
    """Its port."""
    port = free_port()
    _serve(machine, "origin", 1, ORIGIN.format(port=port, body=BODY), port)
    return port


def start(machine: Machine, origin: int) -> Iterator[Target]:
    hit, forward = free_port(), free_port()
    http = PROXY.format(folder=machine.scratch / "nginx", origin=origin, hit=hit, forward=forward)
    pid = _serve(machine, "nginx", 0, http, hit)
    yield Target(Case.HIT, "nginx", hit, pid)
    yield Target(Case.PASS, "nginx", forward, pid)


def _serve(machine: Machine, name: str, core: int, http: str, port: int) -> int:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise Missing("nginx: apt-get install nginx-light")
    folder: Path = machine.scratch / name
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(FRAME.format(folder=folder, http=http, user=user()))
    return machine.serve(name, core, [program, "-p", str(folder), "-c", str(config), "-e", "stderr"], port)


def user() -> str:
    """Workers started by root would change to a user who cannot write to our folder."""
    return "user root;" if os.geteuid() == 0 else ""

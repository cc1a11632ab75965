"""Varnish: the cache to measure hits against."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from tests.bench.machine import Machine
from tests.bench.target import Case, Missing, Site, Target
from tests.ports import free_port

VCL = """
vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_recv {{ if (local.socket == "forward") {{ return (pass); }} }}
"""


def start(machine: Machine, site: Site) -> Iterator[Target]:
    program = shutil.which("varnishd") or shutil.which("varnishd", path="/usr/sbin")
    if program is None:
        raise Missing("Varnish: apt-get install varnish")
    folder = machine.scratch / "varnish"
    folder.mkdir()
    vcl = folder / "bench.vcl"
    vcl.write_text(VCL.format(origin=site.origin))
    hit, forward = free_port(), free_port()
    command = [program, "-F", "-n", str(folder / "state"), "-f", str(vcl), "-s", "malloc,256m", "-j", "none"]
    listen = ["-a", f"hit=127.0.0.1:{hit}", "-a", f"forward=127.0.0.1:{forward}"]
    pid = machine.serve("varnish", machine.measured([*command, *listen]), hit)
    yield Target(Case.HIT, "varnish", hit, pid)
    yield Target(Case.PASS, "varnish", forward, pid)

"""`sluice filter`: for those who write filters; one file for each of its commands."""

from __future__ import annotations

import click

from proxy.cli import Commands

COMMANDS = ("build", "inspect", "new", "test")


@click.command(name="filter", cls=Commands, package="proxy.cli.filter", names=COMMANDS)
def command() -> None:
    """Begin, build, test and describe a filter.

    A filter is a WebAssembly component that is called with each request, each response, or each response body, and
    may change them.
    """

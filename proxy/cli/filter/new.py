"""`sluice filter new`: a filter to begin with."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.workshop.scaffold import Refused, begin
from proxy.workshop.toolchains import LANGUAGES


@click.command(name="new")
@click.option("-l", "--lang", "language", required=True, type=click.Choice(sorted(LANGUAGES)), help="Its language.")
@click.argument("name")
def command(language: str, name: str) -> None:
    """Begin a filter called NAME, in a new folder of that name.

    \b
    It has the source of a small filter, cases to test it with, the interface (WIT), and a README. It builds and
    passes its test as it is:
        sluice filter new --lang rust hello
        cd hello
        sluice filter build
        sluice filter test hello.filter-test.yaml
    """
    folder = Path(name)
    try:
        written = begin(name, language, folder)
    except (Refused, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    for path in written:
        click.echo(path)
    click.echo(f"\nNow: cd {name} && sluice filter build && sluice filter test {name}.filter-test.yaml")

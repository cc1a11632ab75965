"""Commands that need what is not always installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def mitmproxy() -> Iterator[None]:
    """To import it in; ends the command with a clear message where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"this needs mitmproxy ({error.name} is missing): pip install 'sluicegate[inspect]'"
        click.echo(message, err=True)
        sys.exit(2)

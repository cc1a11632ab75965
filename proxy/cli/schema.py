"""`sluice schema`: for editors and other programs."""

from __future__ import annotations

import click

from proxy.config.schema import schema_text


@click.command(name="schema")
def command() -> None:
    """Print the JSON Schema of the configuration."""
    click.echo(schema_text(), nl=False)

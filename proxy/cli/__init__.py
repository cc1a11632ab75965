"""The command `sluice`: one file for each of its commands, loaded when it is used."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = ("check", "completion", "explain", "run", "schema", "version")
"""Each is `command` in the module of its name."""


class Commands(click.Group):
    """Imports only the command that is asked for, so that the small ones are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"proxy.cli.{cmd_name}").command
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Sluicegate, a reverse proxy that runs chains of WebAssembly filters and caches from one YAML file."""

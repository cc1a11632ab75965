"""The command `sluice`: one file for each of its commands, loaded when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

COMMANDS = (
    "check",
    "completion",
    "explain",
    "filter",
    "inspect",
    "purge",
    "record",
    "reload",
    "replay",
    "run",
    "schema",
    "status",
    "version",
)
"""Each is `command` in the module of its name."""


class Commands(click.Group):
    """Imports only the command that is asked for, so that the small ones are quick. `package`: where their modules
    are; `names`: of the commands and the modules."""

    def __init__(self, *arguments: Any, package: str, names: Sequence[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._package, self._names = package, names

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._names:
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name}").command
        return command


@click.command(
    cls=Commands,
    package="proxy.cli",
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Sluicegate, a reverse proxy that runs chains of WebAssembly filters and caches from one YAML file."""

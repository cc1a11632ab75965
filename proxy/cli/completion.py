"""`sluice completion`: a script for the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "fish", "zsh"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL; evaluate it in the shell's startup file.

    For bash: eval "$(sluice completion bash)"
    """
    completion = get_completion_class(shell)
    assert completion is not None, "click has these three"
    script = completion(context.find_root().command, {}, "sluice", "_SLUICE_COMPLETE")
    click.echo(script.source())

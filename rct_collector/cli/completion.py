"""``rct-collector completion``: the script that teaches a shell our words."""

from __future__ import annotations

import os
from pathlib import Path

import click

_SHELLS = ["bash", "zsh", "fish"]

_EPILOG = """\b
To install it for yourself:
  bash:  rct-collector completion bash \\
           > ~/.local/share/bash-completion/completions/rct-collector
  zsh:   rct-collector completion zsh > ~/.zfunc/_rct-collector
         (with 'fpath+=~/.zfunc' before 'compinit' in ~/.zshrc)
  fish:  rct-collector completion fish > ~/.config/fish/completions/rct-collector.fish
\b
To try it in this bash only:
  source <(rct-collector completion bash)
"""


@click.command("completion", short_help="Print the completion script of a shell.", epilog=_EPILOG)
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the script that completes commands, options and their values in a SHELL.

    Without SHELL, the one that $SHELL names.
    """
    from rct_collector.cli.main import PROGRAM, application

    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in _SHELLS:
        raise click.UsageError(f"name the shell: {', '.join(_SHELLS)}")
    click.echo(script(shell, application, PROGRAM))


def script(shell: str, group: click.Command, program: str) -> str:
    """The completion script.

    Args:
        shell: One of the three.
        group: The command line.
        program: Its name.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows all three
    variable = f"_{program}_COMPLETE".replace("-", "_").upper()
    completion = found(group, {}, program, variable)
    # Not source(), which starts bash to ask for its version.
    return completion.source_template % completion.source_vars()

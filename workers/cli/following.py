"""Waiting for a run from a shell: how far it is, on stderr; its end."""

import sys

import typer

from hone_client import Client, models


def told(hone: Client, run: models.RunView) -> models.RunView:
    """The run once it has succeeded. Raises RunEnded where it does not."""
    last = ""

    def tell(now: models.RunView) -> None:
        nonlocal last
        pace = f", {now.step} of {now.total_steps} {now.unit or 'steps'}" if now.total_steps else ""
        speed = f", {now.steps_per_second:.2g} a second" if now.steps_per_second else ""
        line = f"Run {now.id} is {now.state}{pace}{speed if now.state == 'running' else ''}."
        if line != last:
            typer.echo(line, err=True)
            sys.stderr.flush()
        last = line

    return hone.wait(run, progress=tell)

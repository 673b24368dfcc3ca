"""What of `hone account` and `hone users` asks for more than one call has."""

from typing import Annotated

import typer

from workers.cli.calls import does
from workers.cli.data import users
from workers.cli.reach import As, client
from workers.cli.telling import Json


def add_to(groups: dict[str, typer.Typer]) -> None:
    """Mount these commands."""
    groups["account"].command("password")(password)
    groups["users"].callback(invoke_without_command=True)(users)


@does("set_my_password")
def password(
    as_: As = None,
    current: Annotated[str, typer.Option(prompt="Current password", hide_input=True, show_default=False)] = "",
    new: Annotated[str, typer.Option(prompt="New password", hide_input=True, confirmation_prompt=True)] = "",
    as_json: Json = False,
) -> None:
    """Set one's own password; what is not given is asked for. Other browsers are signed out, API tokens are void."""
    with client(as_) as hone:
        hone.set_my_password(current=current, new=new)
    if not as_json:
        typer.echo("The password is set. Other browsers are signed out, and your API tokens are void.")

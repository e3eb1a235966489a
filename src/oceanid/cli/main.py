"""The `oceanid` command: its sub-commands, each a few lines that call the room it belongs to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from oceanid import __version__
from oceanid.cli import clusters
from oceanid.cli.site import PORTAL_SETTINGS, at_home, make_ready
from oceanid.errors import OceanidError
from oceanid.home import VARIABLE

app = typer.Typer(
    name="oceanid",
    help="Jobs of a web portal, on this machine and beyond.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help=f"The state directory; {VARIABLE} or the user's own otherwise."),
]


def main() -> None:
    """Run the command line; what Oceanid raises on purpose becomes a message and code 1."""
    try:
        app()
    except OceanidError as problem:
        screen = Console(stderr=True, highlight=False)
        screen.print(f"[red]{problem.message}[/red]", soft_wrap=True)
        if problem.hint:
            screen.print(problem.hint, soft_wrap=True)
        screen.print(f"[dim]{problem.slug}[/dim]")
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oceanid {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command()
def up(
    home: HomeOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port; 8000, or a free one when that is taken."),
    ] = None,
) -> None:
    """Start the portal: web server and supervisor. Ctrl-C stops both; jobs run on."""
    from oceanid.cli.up import run

    # A DJANGO_SETTINGS_MODULE of some other project must not decide what is served here.
    os.environ["DJANGO_SETTINGS_MODULE"] = PORTAL_SETTINGS
    raise typer.Exit(run(at_home(home), host=host, port=port))


@app.command()
def stop(
    home: HomeOption = None,
    jobs: Annotated[bool, typer.Option("--jobs", help="End the running jobs too.")] = False,
) -> None:
    """Stop the portal that runs on this home; jobs run on unless --jobs is given."""
    from oceanid.cli.stop import run

    os.environ["DJANGO_SETTINGS_MODULE"] = PORTAL_SETTINGS
    raise typer.Exit(run(at_home(home), with_jobs=jobs))


@app.command()
def supervise(home: HomeOption = None) -> None:
    """Run a supervisor in the foreground; several may run at once."""
    make_ready(home)
    from oceanid.cli.supervise import run

    raise typer.Exit(run())


@app.command()
def doctor(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is present, what is missing and how to get it."""
    make_ready(home, may_fail=True)
    from oceanid.cli.doctor import run

    raise typer.Exit(run(as_json=as_json))


@app.command()
def retention(
    home: HomeOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove finished jobs whose time is over."""
    make_ready(home)
    from oceanid.cli.retention import run

    raise typer.Exit(run(dry_run=dry_run))


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def manage(context: typer.Context) -> None:
    """Run one of Django's management commands in the portal, for example `manage shell`."""
    at_home(None)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", PORTAL_SETTINGS)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["oceanid manage", *context.args])


app.add_typer(clusters.app, name="clusters")


if __name__ == "__main__":
    main()

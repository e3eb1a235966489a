"""`oceanid doctor`: what is present, what is missing, and how to get it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from oceanid.cli.findings import Finding, Level, look

SIGNS = {
    Level.OK: "[green]✓[/green]",
    Level.MAYBE: "[yellow]![/yellow]",
    Level.WRONG: "[red]✗[/red]",
}


def run(*, as_json: bool) -> int:
    """Look at everything and tell.

    Returns:
        0 when nothing that Oceanid needs is missing, else 1.
    """
    findings = look()
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2, ensure_ascii=False))
    else:
        _tell(findings)
    return int(any(each.level is Level.WRONG for each in findings))


def _tell(findings: Sequence[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for each in findings:
        cure = f"\n[dim]→ {each.cure}[/dim]" if each.cure else ""
        table.add_row(SIGNS[each.level], f"[bold]{each.name}[/bold]", f"{each.found}{cure}")
    screen = Console(highlight=False)
    screen.print(table)
    wrong = sum(each.level is Level.WRONG for each in findings)
    screen.print(f"\n{wrong} to put right." if wrong else "\nAll that Oceanid needs is there.")

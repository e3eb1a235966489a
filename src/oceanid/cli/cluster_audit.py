"""`oceanid clusters audit`: what an account holds with our tags, and what shall become of it."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape

from oceanid.cli.cluster_tables import print_json, table_of
from oceanid.clouds.registry import title_of
from oceanid.errors import CloudUnavailable, InvalidValue, NotFound, OceanidError
from oceanid.models import CloudAccount, Cluster, FoundEstate
from oceanid.services import beats, estates

LOOK_EVERY_S: Final = 0.5
COLOURS: Final = {"KNO": "green", "ORP": "red", "LEA": "yellow", "FOR": "dim"}


def run(account: CloudAccount, actor: Any, *, timeout_s: float, as_json: bool) -> int:
    """Have an account surveyed, and tell what was found.

    Returns:
        0 when all of it is known or another portal's, 1 when something is orphaned or leaking.

    Raises:
        CloudUnavailable: It was not surveyed in time, or the survey failed.
    """
    _surveyed(account, actor, timeout_s=timeout_s)
    found = list(FoundEstate.objects.filter(account=account).order_by("verdict", "name", "pk"))
    if as_json:
        print_json([_described(each) for each in found])
    else:
        _told(account, found)
    return int(any(each.verdict in estates.LOOSE for each in found))


def take(
    account: CloudAccount, given: str, verb: str, actor: Any, *, yes: bool, force: bool
) -> Cluster:
    """Adopt or delete something that the last survey found, after its plan was shown.

    Raises:
        NotFound: The last survey found no such thing.
        InvalidValue: It is no identity, or its name was not typed.
        IllegalTransition: It can't be done.
    """
    estate = _found(account, given)
    if problem := estates.why_not(estate, verb, force=force):
        raise problem
    if not yes:
        _agree(estate, verb)
    do = estates.adopt if verb == "adopt" else estates.delete
    return do(estate, actor, force=force)


def _surveyed(account: CloudAccount, actor: Any, *, timeout_s: float) -> None:
    estates.want_survey(account, actor)
    deadline = time.monotonic() + timeout_s
    while True:
        account.refresh_from_db(fields=["survey_wanted_at", "survey_problem"])
        if account.survey_wanted_at is None:
            break
        if not beats.is_alive():
            raise CloudUnavailable(
                "No supervisor runs, so nobody looks.",
                hint="Start one with “oceanid up” or “oceanid supervise”.",
            )
        if time.monotonic() >= deadline:
            raise CloudUnavailable(
                "The account was not looked through in time; it goes on.",
                hint="Ask again later, or give more time with --timeout.",
            )
        time.sleep(LOOK_EVERY_S)
    if account.survey_problem:
        raise CloudUnavailable(account.survey_problem)


def _found(account: CloudAccount, given: str) -> FoundEstate:
    try:
        identity = UUID(given)
    except ValueError as problem:
        raise InvalidValue(
            "“{given}” is not an identity.",
            hint="“oceanid clusters audit” tells them.",
            given=given[:60],
        ) from problem
    rows = FoundEstate.objects.select_related("account")
    estate = rows.filter(account=account, cluster_uuid=identity).first()
    if estate is None:
        raise NotFound(
            "Nothing with the identity {identity} was found in “{name}”.",
            hint="“oceanid clusters audit” looks again.",
            identity=identity,
            name=account.name,
        )
    return estate


def _agree(estate: FoundEstate, verb: str) -> None:
    screen = Console(stderr=True, highlight=False)
    for each in estate.resources:
        words = [str(each.get(key) or "") for key in ("kind", "id", "name", "detail")]
        screen.print(escape("  ".join(word for word in words if word)), soft_wrap=True)
    name = estate.name or str(estate.cluster_uuid)
    if verb == "adopt":
        screen.print(
            "It becomes a cluster of this portal. Its keys are not known any more: the master is "
            "replaced, and workers that can't join the new one.",
            soft_wrap=True,
        )
        typer.confirm(f"Adopt “{name}”?", abort=True, err=True)
        return
    typed = typer.prompt(f"All of this is deleted. Type “{name}” to delete it", err=True)
    if typed.strip() != name:
        raise InvalidValue("That is not its name.", hint="Nothing was done.")


def _told(account: CloudAccount, found: list[FoundEstate]) -> None:
    screen = Console(highlight=False)
    where = f"{title_of(account.cloud)}: {account.name}"
    if not found:
        screen.print(f"There is nothing in {escape(where)} that carries our tags.")
        return
    table = table_of("Name", "", "Region", "Things", "Identity")
    for each in found:
        colour = COLOURS.get(each.verdict, "dim")
        word = "being deleted" if each.wish == "delete" else each.get_verdict_display()
        table.add_row(
            escape(each.name), f"[{colour}]{word}[/{colour}]", escape(each.region),
            str(len(each.resources)), str(each.cluster_uuid),
        )  # fmt: skip
    screen.print(table)
    loose = [each for each in found if each.verdict in estates.LOOSE]
    if loose:
        screen.print(
            "What is orphaned or leaking may cost, and nothing here knows it: --adopt IDENTITY or "
            "--delete IDENTITY.",
            soft_wrap=True,
        )


def _described(each: FoundEstate) -> dict[str, Any]:
    problems: dict[str, OceanidError | None] = {
        verb: estates.why_not(each, verb) for verb in ("adopt", "delete")
    }
    return {
        "identity": each.cluster_uuid,
        "name": each.name,
        "verdict": each.get_verdict_display(),
        "portal": each.portal,
        "region": each.region,
        "wish": each.wish,
        "resources": each.resources,
        "can": [verb for verb, problem in problems.items() if problem is None],
        "found_at": each.found_at,
    }

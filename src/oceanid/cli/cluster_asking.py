"""What the commands about clusters share: which one is meant, who asks, is it agreed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from oceanid.errors import InvalidSettings, InvalidValue, NotFound

if TYPE_CHECKING:
    from oceanid.models import CloudAccount, Cluster


def require_tables() -> None:
    """A home in which nothing was ever started is told so, by no stack trace."""
    from django.db import DatabaseError

    from oceanid.models import Cluster

    try:
        Cluster.objects.exists()
    except DatabaseError as problem:
        raise InvalidSettings(
            "This site's database can't be used, or has no tables of Oceanid yet.",
            hint="Start the portal with “oceanid up”, or migrate the site; see --home too.",
        ) from problem


def find(name: str) -> Cluster:
    """The cluster of a name, or of an account's name and its name.

    Raises:
        NotFound: There is none.
        InvalidValue: There are several.
    """
    from oceanid.models import Cluster

    rows = Cluster.objects.select_related("account").order_by("pk")
    account, slash, plain = name.rpartition("/")
    found = list(
        rows.filter(name=plain, account__name=account) if slash else rows.filter(name=name)
    )
    if not found:
        raise NotFound(
            "There is no cluster “{name}”.", hint="“oceanid clusters list” shows all.", name=name
        )
    if len(found) > 1:
        which = ", ".join(f"{each.account.name}/{each.name}" for each in found)
        raise InvalidValue(
            "Several clusters are called “{name}”.",
            hint="Say which: {which}.",
            name=name,
            which=which,
        )
    return found[0]


def ask_for(
    cluster: Cluster,
    verb: str,
    act: Callable[[Cluster, Any], Any],
    *,
    yes: bool,
    wait: bool,
    timeout_s: float,
    person: str,
    as_json: bool,
    size: int | None = None,
) -> None:
    """Show the plan of an action, have it agreed to, ask for it, and follow it."""
    from oceanid.services import clusters
    from oceanid.states import ClusterWanted

    wanted = {"stop": ClusterWanted.STOP, "delete": ClusterWanted.DELETE}
    if not yes:
        found = clusters.plan(cluster, wanted=wanted.get(verb, ClusterWanted.RUN), size=size)
        name = cluster.name if verb == "delete" else ""
        agree(found, f"{verb.capitalize()} “{cluster.name}”?", yes=False, name=name)
    with acting_as(person) as actor:
        act(cluster, actor)
    raise typer.Exit(follow(cluster, wait=wait, timeout_s=timeout_s, as_json=as_json))


def follow(cluster: Cluster, *, wait: bool, timeout_s: float, as_json: bool) -> int:
    """Follow what becomes of a wish; the exit code."""
    from oceanid.cli import cluster_follow

    return cluster_follow.run(cluster, wait=wait, timeout_s=timeout_s, as_json=as_json)


def agree(found: Any, question: str, *, yes: bool, name: str = "") -> None:
    """Show a plan and ask; what is printed goes to standard error, so that JSON stays JSON."""
    from oceanid.cli import cluster_tables

    if yes:
        return
    cluster_tables.planned(found, to_error=True)
    if name:
        typed = typer.prompt(f"Type “{name}” to delete it", err=True)
        if typed.strip() != name:
            raise InvalidValue("That is not its name.", hint="Nothing was done.")
        return
    typer.confirm(question, abort=True, err=True)


@contextmanager
def acting_as(person: str) -> Iterator[Any]:
    """Who does it, as the audit history tells; None is whoever may run this command."""
    from django.contrib.auth import get_user_model

    from oceanid.services import audit

    model = get_user_model()
    with audit.coming_from("cli"):
        if not person:
            yield None
            return
        found = model._default_manager.filter(**{model.USERNAME_FIELD: person}).first()
        if found is None:
            raise NotFound("There is no user “{person}”.", person=person)
        yield found


def account_named(name: str) -> CloudAccount:
    """The account of a name; without one that of the default cluster, or the only default one.

    Raises:
        NotFound: There is none of this name, or several are.
        InvalidValue: There is none, or it is not clear which is meant.
    """
    from oceanid.models import CloudAccount, Setting

    rows = CloudAccount.objects.order_by("cloud", "name")
    if name:
        found = list(rows.filter(name=name))
        if len(found) == 1:
            return found[0]
        raise NotFound(
            "There is no cloud account “{name}”."
            if not found
            else "Accounts of several clouds are called “{name}”.",
            hint="These are: {all_names}.",
            name=name,
            all_names=", ".join(rows.values_list("name", flat=True)),
        )
    part = Setting.objects.filter(default_cluster__isnull=False)
    default = part.values_list("default_cluster__account", flat=True)
    found = list(rows.filter(pk__in=default)) or list(rows.filter(is_default=True))
    if len(found) != 1:
        raise InvalidValue(
            "There is no cloud account." if not found else "There are several cloud accounts.",
            hint="Add one in the site admin, under Settings." if not found
            else "Say which: --account " + ", ".join(each.name for each in found) + ".",
        )  # fmt: skip
    return found[0]


def money(given: str, option: str) -> Decimal | None:
    """An amount of US dollars; None for nothing."""
    if not given:
        return None
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount) >= 10**8:
        raise typer.BadParameter(f"“{given}” is not an amount of US dollars.", param_hint=option)
    return amount.quantize(Decimal("0.01"))


def sized(size: int | None) -> int | None:
    """A size that a cluster can have.

    Raises:
        InvalidValue: It is none.
    """
    from oceanid.services.clusters import MOST_MACHINES

    if size is not None and not 1 <= size <= MOST_MACHINES:
        raise InvalidValue(
            "A cluster has 1 to {most_machines:,} machines.",
            hint="1 is the master alone, which then works too.",
            most_machines=MOST_MACHINES,
        )
    return size


def contents(path: Path) -> bytes:
    """What is in a file, as far as it may be a table of prices.

    Raises:
        InvalidValue: It can't be read.
    """
    from oceanid.clouds.prices import MOST_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise InvalidValue(
            "“{path}” can't be read: {strerror}.",
            hint="Look at the path and the rights.",
            path=path,
            strerror=problem.strerror,
        ) from problem

"""A real supervisor surveys accounts when it is wanted; what is found is adopted or deleted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from oceanid.clouds import registry
from oceanid.clouds.base import Cloud
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.testing import PaperCloud, Stage, World
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import IllegalTransition, NotPermitted
from oceanid.models import AuditEvent, CloudAccount, Cluster, ClusterEvent, FoundEstate, Setting
from oceanid.services import accounts, audit, estates, site_settings
from oceanid.states import Role
from tests.integration.running import eventually
from tests.integration.supervisor.house import QUICK, Running, supervising

pytestmark = pytest.mark.django_db(transaction=True)
HOSTILE = "<b>”\N{WATER WAVE}" * 30


class PaperStage(Stage):
    """A folder, with clusters that no row knows."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)

    def make_cloud(self) -> Cloud:
        folder = {"folder": str(self.world.folder)}
        return PaperCloud(AccountSpec(uuid.UUID(int=1), "paper", folder))

    def calls(self) -> int:
        return len(self.world.read().calls)

    def give_room(self, machines: int) -> None:
        raise NotImplementedError

    def deny(self, denied: bool) -> None:
        with self.world.open() as state:
            state.denied = denied

    def cut(self, call: int, *, done: bool) -> None:
        raise NotImplementedError

    def disarm(self) -> None:
        raise NotImplementedError

    def remains(self) -> list[str]:
        return [each.cluster for each in self.world.read().groups]

    def cluster(self, name: str, *, workers: int, portal: uuid.UUID | None = None) -> uuid.UUID:
        """Make one by hand; without workers nothing but its network stands."""
        actor = Actor(self, name, portal)

        async def make() -> None:
            claim = await actor.prepared()
            if workers:
                await actor.cloud.launch(claim, actor.order(1, Role.MASTER))
                await actor.cloud.launch(claim, actor.order(workers))

        asyncio.run(make())
        return actor.uuid


@pytest.fixture
def stage(tmp_path: Path) -> PaperStage:
    return PaperStage(tmp_path / "paper")


@pytest.fixture
def ours(transactional_db: None) -> uuid.UUID:
    site_settings.ensure()
    return Setting.objects.get(part="cluster").identity


@pytest.fixture
def account(stage: PaperStage, ours: uuid.UUID, monkeypatch: pytest.MonkeyPatch) -> CloudAccount:
    entries = (*registry.installed(), registry.Entry("paper", PaperCloud, ""))
    monkeypatch.setattr(registry, "installed", lambda: entries)
    config = {"folder": str(stage.world.folder)}
    return accounts.save(CloudAccount(cloud="paper", name="ours", config=config), None)


@pytest.fixture
def supervisor(_house: None, settings: Settings) -> Iterator[Running]:
    settings.OCEANID = {**settings.OCEANID, "SUPERVISOR": dict(QUICK) | {"SWEEP_S": 60.0}}
    with supervising() as running:
        yield running


def surveyed(account: CloudAccount, actor: Any = None) -> dict[str, FoundEstate]:
    """What a survey by the supervisor finds, by name."""
    with audit.coming_from("cli"):
        estates.want_survey(account, actor)

    def is_done() -> bool:
        account.refresh_from_db()
        return account.survey_wanted_at is None

    eventually(is_done, within_s=60, what="the account is surveyed")
    return {each.name: each for each in account.estates.select_related("account")}


def test_what_is_there_is_known_orphaned_leaking_or_anothers(
    stage: PaperStage, account: CloudAccount, ours: uuid.UUID, supervisor: Running
) -> None:
    known = stage.cluster("alps", workers=1, portal=ours)
    Cluster.objects.create(uuid=known, account=account, name="alps")
    stage.cluster("lost", workers=2, portal=ours)
    stage.cluster("rest", workers=0, portal=ours)
    stage.cluster("theirs", workers=1, portal=uuid.UUID(int=9))
    boss = User.objects.create_superuser("boss")
    found = surveyed(account, boss)
    assert {name: each.verdict for name, each in found.items()} == {
        "alps": "KNO", "lost": "ORP", "rest": "LEA", "theirs": "FOR",
    }  # fmt: skip
    assert estates.machines_of(found["lost"]) == 3
    assert account.surveyed_at is not None and account.survey_problem == ""
    assert AuditEvent.objects.get(verb="survey", origin="cli").person == "boss"
    with stage.world.open() as state:
        state.groups = [each for each in state.groups if each.name == "lost"]
        left = {each.cluster for each in state.groups}
        state.machines = [each for each in state.machines if each.cluster in left]
    assert surveyed(account).keys() == {"lost"}, "what is gone is told no more"


def test_a_survey_that_fails_is_told_and_what_was_found_stays(
    stage: PaperStage, account: CloudAccount, supervisor: Running
) -> None:
    stage.cluster("lost", workers=1)
    assert surveyed(account)
    before = account.surveyed_at
    CloudAccount.objects.create(cloud="gone", name="gone")
    stage.deny(True)
    assert surveyed(account).keys() == {"lost"}
    assert account.survey_problem and account.surveyed_at == before
    gone = CloudAccount.objects.get(name="gone")
    assert surveyed(gone) == {} and "No cloud named “gone”" in gone.survey_problem
    stage.deny(False)
    assert surveyed(account) and account.survey_problem == ""


@pytest.fixture
def found(stage: PaperStage, account: CloudAccount, ours: uuid.UUID) -> dict[str, FoundEstate]:
    """What was found, without a supervisor that would go on with it."""
    from django.utils import timezone

    from oceanid.services import leases

    stage.cluster("lost", workers=2, portal=ours)
    stage.cluster("rest", workers=0, portal=ours)
    stage.cluster("theirs", workers=1, portal=uuid.UUID(int=9))
    hold = leases.acquire("clouds", uuid.uuid4(), ttl_s=600)
    assert hold is not None
    seen = asyncio.run(stage.make_cloud().survey())
    estates.report(hold, account.pk, seen, wanted=timezone.now())
    return {each.name: each for each in account.estates.select_related("account")}


def test_an_orphan_is_adopted_with_all_that_is_known_of_it(found: dict[str, FoundEstate]) -> None:
    boss = User.objects.create_superuser("boss")
    cluster = estates.adopt(found["lost"], boss)
    assert (cluster.name, cluster.size, cluster.wanted, cluster.state) == (
        "lost", 3, "RUN", "CRE",
    )  # fmt: skip
    assert cluster.uuid == found["lost"].cluster_uuid
    assert cluster.node_type == "small" and cluster.blueprint["node_image"] == "image-12"
    found["lost"].refresh_from_db()
    assert (found["lost"].verdict, found["lost"].wish) == ("KNO", "adopt")
    assert AuditEvent.objects.get(verb="adopt-found").object_name == "lost"
    assert ClusterEvent.objects.get(cluster=cluster).actor == boss
    for do in (estates.adopt, estates.delete):
        with pytest.raises(IllegalTransition, match="a cluster of this portal"):
            do(found["lost"], boss)


def test_what_leaks_is_deleted_and_never_adopted(found: dict[str, FoundEstate]) -> None:
    with pytest.raises(IllegalTransition, match="no machine left"):
        estates.adopt(found["rest"], None)
    cluster = estates.delete(found["rest"], None)
    assert (cluster.wanted, cluster.state, cluster.force) == ("DEL", "DEL", True)


def test_anothers_is_left_alone_unless_that_portal_is_no_more(
    found: dict[str, FoundEstate],
) -> None:
    for do in (estates.adopt, estates.delete):
        with pytest.raises(IllegalTransition, match="belongs to another portal"):
            do(found["theirs"], None)
    assert not Cluster.objects.exists()
    assert estates.delete(found["theirs"], None, force=True).wanted == "DEL"


def test_a_taken_name_gets_the_identity_behind_it(
    found: dict[str, FoundEstate], account: CloudAccount
) -> None:
    Cluster.objects.create(account=account, name="lost")
    assert estates.adopt(found["lost"], None).name == (f"lost-{found['lost'].cluster_uuid.hex[:8]}")
    FoundEstate.objects.filter(name="rest").update(name=HOSTILE[:100])
    found["rest"].refresh_from_db()
    assert len(estates.delete(found["rest"], None).name) <= 40


def test_what_nothing_is_known_of_is_only_deleted(found: dict[str, FoundEstate]) -> None:
    FoundEstate.objects.update(blueprint={"region": "here"})
    with pytest.raises(IllegalTransition, match="does not tell what"):
        estates.adopt(found["lost"], None)
    assert estates.delete(found["lost"], None).wanted == "DEL"


def test_only_who_may_clean_up_does(found: dict[str, FoundEstate], account: CloudAccount) -> None:
    runner = User.objects.create_user("rosa")
    runner.user_permissions.add(Permission.objects.get(codename="run_cluster"))
    for refused in (
        lambda: estates.want_survey(account, runner),
        lambda: estates.adopt(found["lost"], runner),
        lambda: estates.delete(found["lost"], runner),
    ):
        with pytest.raises(NotPermitted):
            refused()
    assert not Cluster.objects.exists()

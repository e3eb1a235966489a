"""Connecting a pool in the site admin: its options, its test, its host key, people's accounts."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from oceanid.errors import NotPermitted
from oceanid.models import Scheduler, SchedulerEvent
from oceanid.services import schedulers
from oceanid.services.freeze import usable_scheduler
from tests.integration.shell.sshd import keygen
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
FINGERPRINT = "SHA256:abc"
OFFERED = {
    "host": "submit.example", "key": "ssh-ed25519 AAAA", "fingerprint": FINGERPRINT,
    "option": "host_key", "is_changed": False,
}  # fmt: skip
NO_ACCOUNTS = {"accounts-TOTAL_FORMS": "0", "accounts-INITIAL_FORMS": "0"}


@pytest.fixture
def pool() -> Scheduler:
    """A pool of an engine that is not installed: no page needs the engine itself."""
    return Scheduler.objects.create(
        name="pool", engine="pool",
        config={"host": "submit.example", "port": 2222, "user": "me", "environment": {"A": "b"}},
        secrets={"passphrase": "Xk9-old"},
    )  # fmt: skip


def page_of(pool: Scheduler, what: str = "change") -> str:
    return f"/admin/oceanid/scheduler/{pool.pk}/{what}/"


def values(**changes: str) -> dict[str, str]:
    given = {"name": "pool", "engine": "pool", "config": "{}", "enabled": "on", "host": "h"}
    return given | NO_ACCOUNTS | changes


def test_each_option_has_its_field_and_the_others_stay_an_object(
    boss: Client, pool: Scheduler
) -> None:
    text = boss.get(page_of(pool)).content.decode()
    for told in ("Scheduler IP", "Scheduler Key Location", 'value="submit.example"', "2222"):
        assert told in text
    saved = boss.post(
        page_of(pool),
        values(port="", user="you", key_path="/k", config='{"environment": {"A": "b"}}'),
    )
    assert saved.status_code == 302
    pool.refresh_from_db()
    assert pool.config == {
        "host": "h", "user": "you", "key_path": "/k", "environment": {"A": "b"},
    }  # fmt: skip


def test_scripts_of_workflows_are_allowed_by_a_tick_and_not_otherwise(
    boss: Client, pool: Scheduler
) -> None:
    assert "Allow scripts of workflows" in boss.get(page_of(pool)).content.decode()
    for given, kept in (({"allow_scripts": "on"}, True), ({}, None)):
        assert boss.post(page_of(pool), values(**given)).status_code == 302
        pool.refresh_from_db()
        assert pool.config.get("allow_scripts") is kept


def test_a_key_is_kept_when_the_field_is_left_blank_and_never_shown(
    boss: Client, pool: Scheduler, tmp_path: Path
) -> None:
    keygen(tmp_path / "key", "ed25519", "Xk9-pass")
    key = (tmp_path / "key").read_text()
    refused = boss.post(page_of(pool), values(private_key=key, passphrase="Xk9-wrong"))
    assert "does not open with the passphrase" in refused.content.decode()
    assert "Xk9-wrong" not in refused.content.decode()
    assert key.splitlines()[1] not in refused.content.decode()
    saved = boss.post(page_of(pool), values(private_key=key, passphrase="Xk9-pass"))
    assert saved.status_code == 302
    assert boss.post(page_of(pool), values()).status_code == 302
    pool.refresh_from_db()
    assert pool.secrets["passphrase"] == "Xk9-pass"
    assert pool.secrets["private_key"].split() == key.split()
    shown = boss.get(page_of(pool)).content.decode()
    assert "Xk9" not in shown and key.splitlines()[1] not in shown
    assert boss.post(page_of(pool), values(forget_secrets="on")).status_code == 302
    pool.refresh_from_db()
    assert pool.secrets == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"private_key": "x"}, "is not one that can be read"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"proxy_jump": "a:b"}, "is not a port"),
    ],
)
def test_what_can_not_be_used_is_told_in_the_form(
    boss: Client, pool: Scheduler, changes: dict[str, str], told: str
) -> None:
    assert told in boss.post(page_of(pool), values(**changes)).content.decode()


def test_the_test_of_a_connection_is_a_wish_and_its_steps_are_shown(
    boss: Client, pool: Scheduler
) -> None:
    assert boss.get(page_of(pool, "check")).status_code == 405
    assert boss.post(page_of(pool, "check")).status_code == 302
    pool.refresh_from_db()
    assert pool.check_wanted_at is not None
    assert "A supervisor is looking" in boss.get(page_of(pool, "report")).content.decode()
    Scheduler.objects.filter(pk=pool.pk).update(
        check_wanted_at=None,
        report=[{"name": "login", "ok": False, "found": "<b>No</b>", "hint": "Do this."}],
    )
    answer = boss.get(page_of(pool, "report"))
    assert "no-store" in answer["Cache-Control"]
    assert "&lt;b&gt;No&lt;/b&gt;" in answer.content.decode()
    assert "Do this." in answer.content.decode()


def test_an_unknown_host_key_is_accepted_once_by_a_person(boss: Client, pool: Scheduler) -> None:
    Scheduler.objects.filter(pk=pool.pk).update(offered_key=OFFERED)
    text = boss.get(page_of(pool)).content.decode()
    assert FINGERPRINT in text and "Accept this host key" in text
    wrong = boss.post(page_of(pool, "accept"), {"fingerprint": "SHA256:other"}, follow=True)
    assert "shows another host key by now" in wrong.content.decode()
    boss.post(page_of(pool, "accept"), {"fingerprint": FINGERPRINT})
    pool.refresh_from_db()
    assert pool.config["host_key"] == "ssh-ed25519 AAAA"
    assert pool.config["user"] == "me"
    assert pool.offered_key == {} and pool.check_wanted_at
    event = SchedulerEvent.objects.get(scheduler=pool, kind="host-key-accepted")
    assert event.actor is not None and FINGERPRINT in event.message


def test_a_changed_host_key_can_not_be_accepted(boss: Client, pool: Scheduler) -> None:
    Scheduler.objects.filter(pk=pool.pk).update(offered_key=OFFERED | {"is_changed": True})
    text = boss.get(page_of(pool)).content.decode()
    assert "not the accepted one" in text and "Accept this host key" not in text
    refused = boss.post(page_of(pool, "accept"), {"fingerprint": FINGERPRINT}, follow=True)
    assert "this one is refused" in refused.content.decode()
    pool.refresh_from_db()
    assert "host_key" not in pool.config


def test_who_may_only_look_neither_tests_nor_accepts(
    client: Client, staff: User, pool: Scheduler
) -> None:
    Scheduler.objects.filter(pk=pool.pk).update(offered_key=OFFERED)
    client.force_login(staff)
    staff.user_permissions.clear()
    assert client.post(page_of(pool, "check")).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_scheduler"))
    for what in ("check", "accept"):
        answer = client.post(page_of(pool, what), {"fingerprint": FINGERPRINT}, follow=True)
        assert "You may not" in answer.content.decode()
    pool.refresh_from_db()
    assert pool.check_wanted_at is None and "host_key" not in pool.config


def test_a_persons_jobs_run_under_their_own_account(
    boss: Client, pool: Scheduler, owner: User, make_job: MakeJob
) -> None:
    account = {
        "accounts-TOTAL_FORMS": "1", "accounts-0-person": str(owner.pk), "accounts-0-user": "own",
        "accounts-0-key_path": "/own", "accounts-0-enabled": "on",
    }  # fmt: skip
    saved = boss.post(page_of(pool), values(**account))
    assert saved.status_code == 302
    own = Scheduler.objects.get(parent=pool)
    assert own.name == f"pool ({owner.get_username()})"
    options = schedulers.options_of(own)
    assert options.config == {"host": "h", "user": "own", "key_path": "/own"}
    assert options.secrets == {}, "a scheduler's passphrase is not for a key of one's own"
    assert usable_scheduler(make_job(scheduler=pool)) == own
    other = User.objects.create_user("other")
    assert usable_scheduler(make_job(scheduler=pool, user=other)) == pool
    with pytest.raises(NotPermitted, match="another person's account"):
        usable_scheduler(make_job(scheduler=own, user=other))
    listed = boss.get("/admin/oceanid/scheduler/").content.decode()
    assert own.name not in listed
    Scheduler.objects.filter(pk=own.pk).update(enabled=False)
    with pytest.raises(NotPermitted, match="switched off"):
        usable_scheduler(make_job(scheduler=pool))


def test_an_account_is_driven_only_while_its_scheduler_is_on(pool: Scheduler, owner: User) -> None:
    own = Scheduler.objects.create(name="own", engine="pool", parent=pool, person=owner)
    assert own in Scheduler.objects.filter(schedulers.driven())
    Scheduler.objects.filter(pk=pool.pk).update(enabled=False)
    assert own not in Scheduler.objects.filter(schedulers.driven())

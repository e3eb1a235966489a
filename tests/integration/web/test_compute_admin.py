"""Settings, cloud accounts and clusters in the site admin: checked when saved, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings

from oceanid.models import AuditEvent, CloudAccount, Cluster, Part, Scheduler, Setting
from oceanid.services import accounts, clusters, site_settings
from tests.contract.clouds.certificates import both, pem_of, private_file, rsa_key
from tests.integration.web.conftest import shown

pytestmark = pytest.mark.django_db
SETTINGS = "/admin/oceanid/setting/"
ACCOUNTS = "/admin/oceanid/cloudaccount/"
CLUSTERS = "/admin/oceanid/cluster/"
KEY, SECRET = "AKIA" + "Q" * 16, "Xk9/" + "s" * 36
UUID = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"


def part(name: str, what: str = "change") -> str:
    return f"{SETTINGS}{name}/{what}/"


def test_settings_are_three_parts_that_are_only_edited(boss: Client) -> None:
    text = shown(boss.get(SETTINGS))
    for title in ("Azure Credentials", "Amazon Credentials", "Cluster Management"):
        assert title in text
    assert text.count('class="field-__str__"') == 3 and "Add settings" not in text
    assert boss.get(f"{SETTINGS}add/").status_code == 403
    for name in Part:
        assert boss.get(part(name)).status_code == 200
        assert boss.post(part(name, "delete"), {"post": "yes"}).status_code == 403
    assert boss.post(SETTINGS, {"action": "delete_selected", "_selected_action": ["azure"]})
    assert Setting.objects.count() == 3
    site_settings.ensure()
    assert Setting.objects.count() == 3


def test_the_section_stands_in_its_own_order(boss: Client) -> None:
    text = shown(boss.get("/admin/"))
    names = ("Clusters", "Schedulers", "Jobs", "Settings", "Cloud accounts",
             "Apps", "Audit history")  # fmt: skip
    section = text[text.index("app-oceanid") :]
    places = [section.index(f">{name}") for name in names]
    assert places == sorted(places)


def test_credentials_are_those_of_the_default_account(boss: Client, tmp_path: Path) -> None:
    key = private_file(tmp_path / "rivers.pem", pem_of(rsa_key()))
    values = {
        "access_key_id": KEY, "secret_access_key": SECRET, "user_id": "1234-5678-9012",
        "region": "eu-central-1", "key_name": "rivers", "key_location": str(key),
    }  # fmt: skip
    assert boss.post(part("amazon"), values).status_code == 302
    account = CloudAccount.objects.get(cloud="amazon")
    assert account.is_default and account.name == "Amazon"
    assert account.config["user_id"] == "123456789012"
    assert account.secrets == {"secret_access_key": SECRET}
    text = shown(boss.get(part("amazon")))
    assert KEY in text and SECRET not in text and "One is stored; it is never shown." in text
    row = Setting.objects.get(part="amazon")
    assert row.changed_by is not None and row.changed_by.get_username() == "ada"
    event = AuditEvent.objects.get(kind="cloudaccount", verb="add")
    assert {"field": "secrets.secret_access_key", "before": "", "after": "(set)"} in event.changes
    listed = shown(boss.get(SETTINGS))
    assert KEY in listed and "ada" in listed


def test_a_secret_is_kept_when_left_blank_and_forgotten_only_when_told_to(boss: Client) -> None:
    values = {"access_key_id": KEY, "user_id": "123456789012"}
    boss.post(part("amazon"), values | {"secret_access_key": SECRET})
    assert boss.post(part("amazon"), values | {"region": "eu-west-1"}).status_code == 302
    account = CloudAccount.objects.get()
    assert account.secrets == {"secret_access_key": SECRET}
    assert account.config["region"] == "eu-west-1"
    refused = shown(boss.post(part("amazon"), values | {"forget_secrets": "on"}))
    assert "The secret access key is missing." in refused
    gone = boss.post(part("amazon"), {"use_role": "on", "forget_secrets": "on"})
    assert gone.status_code == 302
    account.refresh_from_db()
    assert account.secrets == {} and account.config == {"use_role": True}
    changes = AuditEvent.objects.filter(verb="change").latest("id").changes
    assert {"field": "secrets.secret_access_key", "before": "(set)", "after": ""} in changes
    assert SECRET not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("name", "field", "value", "told"),
    [
        ("amazon", "access_key_id", "AKIA-wrong", "not an access key id of Amazon&#x27;s"),
        ("amazon", "secret_access_key", "Xk9-short", "not a secret access key of Amazon&#x27;s"),
        ("amazon", "user_id", "12345", "not an account id of Amazon&#x27;s"),
        ("amazon", "key_location", "/nowhere/key.pem", "There is no file “/nowhere/key.pem”"),
        ("amazon", "region", "Frankfurt", "not a region of Amazon&#x27;s"),
        ("azure", "subscription_id", "x", "not a subscription id"),
        ("azure", "tenant_id", "<script>", "not a tenant id"),
        ("azure", "client_id", "x" * 36, "not a client id"),
        ("azure", "certificate_path", "cert.pem", "is not a whole path"),
        ("cluster", "scheduler_ip", "300.1.1.1", "neither an IP address nor the name"),
        ("cluster", "scheduler_ip", "me@host:22", "neither an IP address nor the name"),
        ("cluster", "scheduler_key_location", "/nowhere", "There is no file “/nowhere”"),
        ("cluster", "default_cluster", "77", "not one of the available choices"),
    ],
)
def test_what_can_not_be_used_is_told_at_its_field_and_nothing_is_lost(
    boss: Client, name: str, field: str, value: str, told: str
) -> None:
    boss.post(part("amazon"), {"access_key_id": KEY, "secret_access_key": SECRET})
    before = CloudAccount.objects.values_list("config", flat=True)[0]
    others = {"amazon": {"key_name": "rivers"}, "azure": {"region": "westeurope"}, "cluster": {}}
    answer = boss.post(part(name), others[name] | {field: value})
    text = shown(answer)
    assert answer.status_code == 200 and told in text, text
    assert all(each in text for each in others[name].values())
    if field == "secret_access_key":
        assert value not in text and "typed again" in text
    elif "<" not in value:
        assert value in text or field == "default_cluster"
    assert list(CloudAccount.objects.values_list("config", flat=True)) == [before]
    assert not Scheduler.objects.exclude(name="local").exists()


def test_a_certificate_tells_when_it_expires(boss: Client, tmp_path: Path) -> None:
    values = {
        "subscription_id": UUID, "tenant_id": UUID, "client_id": UUID.upper(),
        "certificate_path": str(both(tmp_path / "both.pem", password="Xk9-pass")),
    }  # fmt: skip
    refused = shown(boss.post(part("azure"), values))
    assert "is protected by a password" in refused
    answer = boss.post(part("azure"), values | {"certificate_password": "Xk9-pass"}, follow=True)
    assert "is good until" in shown(answer) and "for 89 days" in shown(answer)
    assert "Xk9-pass" not in shown(boss.get(part("azure")))


def test_a_test_is_a_wish_and_its_steps_are_shown(boss: Client) -> None:
    assert "Save it first" in shown(boss.get(part("amazon")))
    boss.post(part("amazon"), {"access_key_id": KEY, "secret_access_key": SECRET})
    account = CloudAccount.objects.get()
    assert boss.get(part("amazon", "check")).status_code == 405
    for page in (part("amazon", "check"), f"{ACCOUNTS}{account.pk}/check/"):
        CloudAccount.objects.update(check_wanted_at=None)
        assert boss.post(page).status_code == 302
        account.refresh_from_db()
        assert account.check_wanted_at is not None
    assert "A supervisor is looking" in shown(boss.get(part("amazon", "report")))
    step = {"name": "login", "ok": False, "found": "<b>No</b>", "hint": "Do this."}
    CloudAccount.objects.update(check_wanted_at=None, report=[step], health="DEG")
    for page in (part("amazon", "report"), f"{ACCOUNTS}{account.pk}/report/"):
        answer = boss.get(page)
        assert "&lt;b&gt;No&lt;/b&gt;" in shown(answer) and "Do this." in shown(answer)
        assert "no-store" in answer["Cache-Control"]
    boss.post(part("amazon"), {"access_key_id": KEY, "region": "eu-west-1"})
    account.refresh_from_db()
    assert account.report == [] and account.health == "UNK", "it was found of other values"
    assert AuditEvent.objects.filter(verb="test", kind="cloudaccount").count() == 2
    assert boss.post(part("nothing", "check")).status_code == 404


def test_more_accounts_stand_beside_the_default_one(boss: Client, account: CloudAccount) -> None:
    text = shown(boss.get(f"{ACCOUNTS}add/?cloud=azure"))
    assert "Subscription ID" in text and "Secret Access Key" not in text
    assert "Secret Access Key" in shown(boss.get(f"{ACCOUNTS}add/"))
    assert "Secret Access Key" in shown(boss.get(f"{ACCOUNTS}add/?cloud=moon"))
    added = boss.post(f"{ACCOUNTS}add/?cloud=amazon", {"name": "Second", "user_id": "9" * 12})
    assert added.status_code == 302
    second = CloudAccount.objects.get(name="Second")
    assert second.cloud == "amazon" and not second.is_default
    taken = boss.post(f"{ACCOUNTS}add/?cloud=amazon", {"name": "Second"})
    assert "There is an account of this name already" in shown(taken)
    boss.post(f"{ACCOUNTS}{second.pk}/default/")
    assert [each.name for each in CloudAccount.objects.filter(is_default=True)] == ["Second"]
    boss.post(part("amazon"), {"user_id": "8" * 12})
    second.refresh_from_db(), account.refresh_from_db()
    assert second.config["user_id"] == "8" * 12 and account.config == {}
    with pytest.raises(IntegrityError), transaction.atomic():
        CloudAccount.objects.update(is_default=True)


def test_the_default_account_and_one_with_clusters_stay(
    boss: Client, account: CloudAccount
) -> None:
    page = f"{ACCOUNTS}{account.pk}/delete/"
    for answer in (boss.get(page, follow=True), boss.post(page, {"post": "yes"}, follow=True)):
        assert "is the default account" in shown(answer)
    other = accounts.save(CloudAccount(cloud="amazon", name="Other"), None)
    clusters.save(Cluster(account=other, name="alps"), None)
    page = f"{ACCOUNTS}{other.pk}/delete/"
    assert "has clusters" in shown(boss.post(page, {"post": "yes"}, follow=True))
    Cluster.objects.all().delete()
    assert boss.post(page, {"post": "yes"}).status_code == 302
    assert not CloudAccount.objects.filter(name="Other").exists()
    assert AuditEvent.objects.filter(verb="delete", object_name="Other").exists()


def test_an_account_of_a_cloud_that_is_no_more_is_told_and_can_go(boss: Client) -> None:
    CloudAccount.objects.create(cloud="moon", name="Luna", secrets={"a": "Xk9-luna"})
    luna = CloudAccount.objects.get()
    assert "Luna" in shown(boss.get(ACCOUNTS))
    answer = boss.get(f"{ACCOUNTS}{luna.pk}/change/", follow=True)
    assert "No cloud named “moon” is installed." in shown(answer)
    assert boss.post(f"{ACCOUNTS}{luna.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not CloudAccount.objects.exists()


def test_secrets_that_no_present_key_opens_can_be_given_anew(
    boss: Client, settings: Settings, account: CloudAccount
) -> None:
    values = {"access_key_id": KEY, "secret_access_key": SECRET}
    boss.post(part("amazon"), values)
    Scheduler.objects.create(name="pool", engine="pool", secrets={"password": "Xk9-pool"})
    settings.OCEANID = {**settings.OCEANID, "SECRET_KEYS": [Fernet.generate_key().decode()]}
    pool = Scheduler.objects.defer("secrets").get(name="pool")
    for page in (SETTINGS, part("amazon"), ACCOUNTS, f"{ACCOUNTS}{account.pk}/change/",
                 f"/admin/oceanid/scheduler/{pool.pk}/change/"):  # fmt: skip
        assert boss.get(page).status_code == 200, page
    assert "former key into SECRET_KEY_FALLBACKS" in shown(boss.get(part("amazon")))
    assert "be decrypted" in shown(boss.post(part("amazon"), values))
    again = boss.post(part("amazon"), values | {"forget_secrets": "on"})
    assert again.status_code == 302
    account.refresh_from_db()
    assert account.secrets == {"secret_access_key": SECRET}
    scheduler = {"name": "pool", "engine": "pool", "config": "{}", "enabled": "on"}
    inline = {"accounts-TOTAL_FORMS": "0", "accounts-INITIAL_FORMS": "0"}
    page = f"/admin/oceanid/scheduler/{pool.pk}/change/"
    told = boss.post(page, scheduler | inline, follow=True)
    assert "be decrypted" in shown(told)
    assert boss.post(page, scheduler | inline | {"forget_secrets": "on"}).status_code == 302
    assert Scheduler.objects.get(name="pool").secrets == {}


@pytest.mark.parametrize(
    "name",
    ["<img src=x onerror=alert(1)>", "Zürich 河川 \u202egro", "{{ 7|add:1 }} %s {0}", "x" * 100],
)
def test_no_name_is_more_than_a_text(boss: Client, name: str) -> None:
    assert boss.post(f"{ACCOUNTS}add/?cloud=azure", {"name": name}).status_code == 302
    account = CloudAccount.objects.get(name=name)
    config = {"region": "</td><script>alert(1)</script>"}
    CloudAccount.objects.filter(pk=account.pk).update(config=config, health_message="<script>")
    clusters.save(Cluster(account=account, name="alps", region=""), None)
    pages = (ACCOUNTS, f"{ACCOUNTS}{account.pk}/change/", f"{CLUSTERS}add/", CLUSTERS,
             part("azure"), SETTINGS, "/admin/oceanid/auditevent/",
             f"{ACCOUNTS}{account.pk}/history/", "/admin/")  # fmt: skip
    for page in pages:
        text = shown(boss.get(page))
        assert "<img src=x" not in text and "<script>alert" not in text, page
    assert escape(name) in shown(boss.get(ACCOUNTS))


def test_a_text_that_no_database_takes_is_refused(boss: Client) -> None:
    for page, values in (
        (f"{ACCOUNTS}add/?cloud=azure", {"name": "a\0b"}),
        (f"{ACCOUNTS}add/?cloud=azure", {"name": "x" * 101}),
        (part("amazon"), {"key_location": "/a\0b"}),
        (part("amazon"), {"access_key_id": KEY, "secret_access_key": "Xk9" + "é" * 37}),
        (part("cluster"), {"scheduler_ip": "a" * 254}),
    ):
        assert boss.post(page, values).status_code == 200, page
    assert not CloudAccount.objects.exists()

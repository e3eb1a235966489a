"""No secret is in any page, log, audit row, export or plain dump of the database.

Known secrets are planted wherever a model keeps some; then every address of the site is asked,
found by walking its resolver, so a new page is included by being there.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from oceanid.clouds import blueprints
from oceanid.clouds.amazon.cloud import AmazonCloud
from oceanid.clouds.specs import Blueprint
from oceanid.errors import OceanidError
from oceanid.fields import EncryptedJSONField
from oceanid.models import (
    AuditEvent,
    CloudAccount,
    Cluster,
    ClusterLaunch,
    Scheduler,
    Webhook,
)
from oceanid.services import accounts, clusters, scheduler_health, site_settings
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db

MARK = "Xk9"
TYPED = "Xk9-typed-into-a-form-and-refused"
AMAZON = "Xk9/amazon" + "a" * 30

PLANTS: dict[str, Callable[[User], list[str]]] = {}
"""How the secrets of a model's encrypted field come into the database; by ``model.field``."""

WITHOUT_END = {"oceanid:live"}
"""Streams that go on for ever; what they send is what ``oceanid:changes`` answers."""


def plants(field: str) -> Callable[[Callable[[User], list[str]]], Callable[[User], list[str]]]:
    def register(plant: Callable[[User], list[str]]) -> Callable[[User], list[str]]:
        PLANTS[field] = plant
        return plant

    return register


@plants("scheduler.secrets")
def _scheduler(boss: User) -> list[str]:
    secrets = {name: f"Xk9-{name} “ü”" for name in ("private_key", "passphrase", "password")}
    pool = Scheduler.objects.create(
        name="pool", engine="htcondor", config={"host": "127.0.0.1", "port": 9}, secrets=secrets
    )
    Scheduler.objects.create(
        name="own",
        engine="htcondor",
        parent=pool,
        person=boss,
        secrets={"password": "Xk9-own-account"},
    )
    scheduler_health.want_check(pool, boss)
    return [*secrets.values(), "Xk9-own-account"]


@plants("cloudaccount.secrets")
def _account(boss: User) -> list[str]:
    config = {"access_key_id": "AKIA" + "Q" * 16, "endpoint_url": "http://127.0.0.1:9"}
    kept = accounts.save(
        CloudAccount(cloud="amazon", name="ours", config=config), boss,
        given={"secret_access_key": AMAZON},
    )  # fmt: skip
    accounts.want_check(kept, boss)
    accounts.save(
        CloudAccount(cloud="azure", name="theirs"), boss,
        given={"certificate_password": "Xk9-certificate"},
    )  # fmt: skip
    accounts.save(kept, boss, given={"secret_access_key": AMAZON[::-1]})
    accounts.save(kept, boss, given={"secret_access_key": AMAZON})
    return [AMAZON, AMAZON[::-1], "Xk9-certificate"]


@plants("webhook.secret")
def _webhook(boss: User) -> list[str]:
    secret, now = "Xk9-webhook", timezone.now()
    Webhook.objects.create(
        user=boss, url="https://example.org/", secret={"key": secret}, created_at=now
    )
    return [secret]


@plants("cluster.secrets")
def _cluster(boss: User) -> list[str]:
    secrets = {name: f"Xk9-{name} “ü”" for name in ("host_key", "ssh_key")}
    account = CloudAccount.objects.get(name="ours")
    Cluster.objects.create(
        account=account, name="secret", wanted="RUN", state="RUN", secrets=secrets,
        blueprint=blueprints.written(Blueprint("eu-central-1", "ami-1", "t3.small", "ami-1", "x")),
    )  # fmt: skip
    return list(secrets.values())


@plants("clusterlaunch.secrets")
def _launch(boss: User) -> list[str]:
    secret = "Xk9-a-worker's-token"
    ClusterLaunch.objects.create(
        cluster=Cluster.objects.get(name="secret"), role="WOR", count=3, ordered_at=timezone.now(),
        secrets={"user_data": f"#cloud-config\n# {secret}\n"},
    )  # fmt: skip
    return [secret]


def encrypted_fields() -> list[str]:
    """Every encrypted field of the app, as ``model.field``."""
    return [
        f"{model._meta.model_name}.{field.name}"
        for model in apps.get_app_config("oceanid").get_models()
        if not model._meta.proxy
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedJSONField)
    ]


@dataclass
class Planted:
    """The site with its secrets.

    Args:
        secrets: Their values.
        forms: Each as it would stand in a text, however that is written.
        arguments: What the parameters of addresses stand for.
    """

    secrets: list[str]
    forms: list[str]
    arguments: dict[str, Any]

    def absent_from(self, text: str, where: str) -> None:
        """Fail when a secret, in any form, is in a text."""
        found = [form for form in self.forms if form in text]
        assert not found, f"{where} holds {found[0]!r}: …{_around(text, found[0])}…"


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it stands in JSON, HTML, an address, in base64 and in hexadecimals."""
    data = secret.encode()
    yield from {
        secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret), quote(secret, safe=""), data.hex(),
        base64.b64encode(data).decode().rstrip("="),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
    }  # fmt: skip


def _around(text: str, found: str) -> str:
    at = text.index(found)
    return text[max(0, at - 200) : at + 50]


@pytest.fixture
def planted(administrator: User, make_job: MakeJob, settings: Any) -> Planted:
    """A site with an object of each kind, and secrets in each that has some."""
    job = make_job("run", type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    secrets = [settings.SECRET_KEY]
    for field in encrypted_fields():
        secrets += PLANTS[field](administrator)
    amazon = CloudAccount.objects.get(name="ours")
    clusters.save(Cluster(account=amazon, name="alps"), administrator)
    site_settings.save_cluster_management(
        scheduler_ip="127.0.0.1", key_location="", default_cluster=None, actor=administrator
    )
    forms = [form for secret in secrets for form in forms_of(secret)]
    return Planted(secrets, forms, {"job_id": job.pk, "stream": "stdout", "index": 0})


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver: its names, its route, and its parameters' converters."""

    name: str
    route: str
    converters: tuple[tuple[str, str], ...]


def addresses(
    patterns: Any = None, route: str = "", names: tuple[str, ...] = ()
) -> Iterator[Address]:
    """Every address of ours: the pages, and our section of the site admin."""
    for each in patterns if patterns is not None else get_resolver().url_patterns:
        here = f"{route}{each.pattern}"
        if isinstance(each, URLResolver):
            inner = (*names, each.namespace) if each.namespace else names
            yield from addresses(each.url_patterns, here, inner)
        elif isinstance(each, URLPattern):
            name = ":".join((*names, each.name or ""))
            if name.startswith("oceanid:") or re.match(r"admin:(oceanid_|index|app_list)", name):
                kinds = {key: type(it).__name__ for key, it in each.pattern.converters.items()}
                yield Address(name, here, tuple(kinds.items()))


def filled(address: Address, planted: Planted) -> Iterator[str]:
    """The address with values in it; of a part of the admin once for each of its rows."""
    part = re.match(r"admin:oceanid_([a-z]+)_", address.name)
    keys: list[Any] = [None]
    if part and {"object_id", "key"} & dict(address.converters).keys():
        model: type[models.Model] = apps.get_model("oceanid", part[1])
        keys = list(model._default_manager.values_list("pk", flat=True))
    for key in keys:
        path = address.route
        for name, kind in address.converters:
            value = planted.arguments.get(name, _any(kind)) if key is None else key
            path = re.sub(rf"<(?:\w+:)?{name}>", quote(str(value)), path)
        path = re.sub(r"\(\?P<app_label>[^)]*\)", "oceanid", path)
        yield "/" + re.sub(r"[\^$]", "", path)


def _any(kind: str) -> Any:
    return {"IntConverter": 1, "UUIDConverter": uuid.UUID(int=1)}.get(kind, "x")


def content_of(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return f"{dict(answer.items())}\n{body.decode(errors='replace')}"


class Fields(HTMLParser):
    """The fields of a page's forms; what is typed into each to have it refused."""

    def __init__(self) -> None:
        super().__init__()
        self.typed: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        name, kind = of.get("name"), of.get("type", "text")
        if not name or tag not in ("input", "textarea"):
            return
        is_secret = tag == "textarea" and of.get("autocomplete") in ("new-password", "off")
        if kind == "password" or is_secret:
            self.typed[name] = TYPED
        elif kind == "hidden":
            self.typed[name] = of.get("value") or ""
        elif kind == "text":
            self.typed[name] = "never\0saved"


def test_every_model_with_a_secret_has_one_planted() -> None:
    assert set(encrypted_fields()) <= PLANTS.keys(), "Say in PLANTS how a secret comes into it."


def test_no_answer_of_any_address_holds_a_secret(
    planted: Planted, administrator: User, owner: User, staff: User, client: Client
) -> None:
    client.raise_request_exception = False
    shown: dict[str, set[int]] = {}
    for person in (administrator, owner, staff):
        client.force_login(person)
        for address in addresses():
            if address.name in WITHOUT_END:
                continue
            for path in filled(address, planted):
                answer = client.get(path)
                planted.absent_from(content_of(answer), f"GET {path} by {person}")
                shown.setdefault(address.name, set()).add(answer.status_code)
                assert answer.status_code != 500, path
    pages = {name for name, codes in shown.items() if 200 in codes}
    assert {"admin:oceanid_setting_change", "admin:oceanid_cloudaccount_change",
            "admin:oceanid_scheduler_report", "admin:oceanid_auditevent_export", "oceanid:job",
            "admin:app_list"} <= pages, shown  # fmt: skip


def test_no_refused_form_gives_a_secret_back(
    planted: Planted, administrator: User, client: Client
) -> None:
    client.force_login(administrator)
    planted.forms += list(forms_of(TYPED))
    refused = 0
    for address in addresses():
        if not address.name.endswith(("_add", "_change")) or "admin:" not in address.name:
            continue
        for path in filled(address, planted):
            form = client.get(path)
            if form.status_code != 200:
                continue
            fields = Fields()
            fields.feed(form.content.decode())
            if TYPED in fields.typed.values():
                answer = client.post(path, fields.typed)
                assert answer.status_code == 200, f"{path} took what can't be"
                planted.absent_from(content_of(answer), f"POST {path}")
                refused += 1
    assert refused >= 6


def test_no_log_line_holds_a_secret(
    planted: Planted, administrator: User, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        client.force_login(administrator)
        for part in ("amazon", "azure", "cluster"):
            client.post(f"/admin/oceanid/setting/{part}/change/", {"secret_access_key": TYPED})
        _cloud, spec = accounts.spec_of(CloudAccount.objects.get(name="ours").pk)
        report = asyncio.run(AmazonCloud(spec).check())
        planted.absent_from(repr(report) + repr(spec), "a report")
        with pytest.raises(OceanidError) as raised:
            accounts.save(CloudAccount(cloud="amazon", name="ours"), administrator,
                          given={"secret_access_key": TYPED})  # fmt: skip
        planted.forms += list(forms_of(TYPED))
        planted.absent_from(repr(raised.value), "an error")
    assert len(caplog.records) > 20
    for record in caplog.records:
        planted.absent_from(f"{record.getMessage()} {record.exc_text} {vars(record)}", record.name)


def test_no_plain_dump_of_the_database_holds_a_secret(planted: Planted) -> None:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            planted.absent_from("\n".join(map(repr, cursor.fetchall())), table)
    dumped = io.StringIO()
    call_command("dumpdata", stdout=dumped)
    planted.absent_from(dumped.getvalue(), "dumpdata")
    assert AuditEvent.objects.count() > 5 and "(set)" in dumped.getvalue()


def test_what_dumpdata_wrote_is_read_again_with_the_same_keys(
    planted: Planted, tmp_path: Any
) -> None:
    file = tmp_path / "site.json"
    call_command("dumpdata", "oceanid.cloudaccount", output=str(file), verbosity=0)
    Cluster.objects.all().delete()
    CloudAccount.objects.all().delete()
    call_command("loaddata", str(file), verbosity=0)
    assert CloudAccount.objects.get(name="ours").secrets == {"secret_access_key": AMAZON}

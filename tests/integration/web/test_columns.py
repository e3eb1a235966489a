"""The columns of the list of jobs: chosen, ordered, of an app's own, all in the address."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from oceanid.services import columns
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


def heads(client: Client, address: str) -> list[str]:
    """The words above the columns."""
    text = client.get(f"/compute/jobs/{address}").content.decode()
    found = re.search(r"<thead>(.*?)</thead>", text, re.S)
    assert found
    return [re.sub(r"<[^>]*>", "", each) for each in re.findall(r"<th [^>]*>(.*?)</th>", found[1])]


def test_columns_stand_in_the_order_of_the_address(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    make_job()
    client.force_login(owner)
    assert heads(client, "?columns=ended,app,status") == ["Name", "Ended", "App", "Status"]
    assert heads(client, "?columns=ended,no-such,ended") == ["Name", "Ended"]
    assert heads(client, "?columns=no-such") == heads(client, "?scope=mine")


def test_a_property_of_the_app_is_a_column_by_its_dotted_name(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    make_job(extended_properties={"site": {"name": "Obergurgl <b>", "masl": [1938, 2005]}})
    make_job(extended_properties={"site": "a text"})
    make_job(extended_properties=["not", "a", "mapping"])
    client.force_login(owner)
    names = "extended_properties.site.name,extended_properties.site.masl.1"
    text = client.get(f"/compute/jobs/?columns={names}").content.decode()
    assert "Obergurgl &lt;b&gt;" in text and ">2005<" in text
    assert heads(client, f"?columns={names}") == ["Name", "site.name", "site.masl.1"]


def test_rows_that_changed_come_with_the_same_columns(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job(extended_properties={"gauge": "upper"})
    client.force_login(owner)
    address = f"rows/?columns=extended_properties.gauge&ids={job.pk}"
    text = client.get(f"/compute/jobs/{address}").content.decode()
    assert "upper" in text and "Scheduler" not in text


def test_every_column_shows_something_of_every_kind_of_job(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    make_job(description="d" * 5000, label="l", progress=40, status_message="why", num_jobs=12)
    make_job(scheduler=None, state="OTH", custom_status="Warm")
    client.force_login(owner)
    names = ",".join(columns.COLUMNS)
    answer = client.get(f"/compute/jobs/?columns={names}")
    assert answer.status_code == 200
    assert len(heads(client, f"?columns={names}")) == len(columns.COLUMNS) + 1


def test_the_form_makes_an_address_and_moves_columns(client: Client, owner: User) -> None:
    client.force_login(owner)
    start = "/compute/jobs/?scope=mine&q=a&column=name&column=app&column=status"

    def leads(more: str) -> str:
        return client.get(start + more)["Location"].partition("columns=")[2]

    assert leads("") == "app%2Cstatus"
    assert leads("&up=status") == "status%2Capp"
    assert leads("&down=app") == "status%2Capp"
    assert leads("&up=app") == "app%2Cstatus"
    assert leads("&property=site.name") == "app%2Cstatus%2Cextended_properties.site.name"
    assert "q=a" in client.get(start)["Location"]
    usual = "&".join(f"column={name}" for name in columns._MINE)
    assert "columns" not in client.get(f"/compute/jobs/?column=name&{usual}")["Location"]


def test_a_column_of_the_app_costs_no_further_query(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    for number in range(60):
        make_job(extended_properties={"n": number})
    client.force_login(owner)

    def counted(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/compute/jobs/{address}")
        return len(captured)

    counted("?scope=mine")
    plain = counted("?scope=mine")
    assert counted("?columns=extended_properties.n,description,label,user") == plain


HOSTILE = [
    "extended_properties.", "extended_properties..", "extended_properties.a\0b", "," * 300,
    "extended_properties." + "x" * 900, "extended_properties.__class__", "user__password",
    "spec", "attributes", ",".join(f"extended_properties.p{n}" for n in range(100)),
]  # fmt: skip


@pytest.mark.parametrize("names", HOSTILE)
def test_no_name_of_a_column_breaks_the_page_or_shows_a_field_of_ours(
    client: Client, owner: User, make_job: MakeJob, names: str
) -> None:
    make_job(spec={"secret": "Xk9-spec"}, attributes={"environment": "Xk9-environment"})
    client.force_login(owner)
    answer = client.get("/compute/jobs/", {"columns": names})
    assert answer.status_code == 200
    assert b"Xk9" not in answer.content
    assert len(heads(client, "?columns=" + names.replace("\0", ""))) <= columns.MOST_COLUMNS + 1

"""Tables of an app's jobs: what they show to whom, and what their buttons do in any process."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core import signing
from django.db import connection
from django.template import RequestContext, Template
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.errors import InvalidSpecification, NotFound
from oceanid.jobs import CustomJobAction, JobManager, JobsTable
from oceanid.jobs.table import SALT
from oceanid.models import Job, WorkflowNode
from tests.integration.web import table_actions
from tests.integration.web.conftest import MakeJob
from tests.integration.web.tables import ENDED, RUNNING, rows, shown, source

pytestmark = pytest.mark.django_db
HERE = "tests.integration.web.table_actions"
STATIC = Path(__file__).parents[3] / "src" / "oceanid" / "static" / "oceanid"


def test_people_see_their_own_jobs_of_the_app_and_no_others(
    owner: User, other: User, member: User, staff: User, team: Group, make_job: MakeJob
) -> None:
    own, foreign = make_job("own", app="floods"), make_job("foreign", app="hymod")
    shared = make_job("shared", app="floods", user=other)
    shared.groups.add(team)
    table = JobsTable(app="floods")
    assert rows(shown(owner, table)) == [own.pk]
    assert rows(shown(other, table)) == [shared.pk]
    assert rows(shown(member, table)) == []
    assert rows(shown(member, JobsTable(app="floods", scope="groups"))) == [shared.pk]
    assert rows(shown(staff, JobsTable(app="floods", scope="all"))) == [own.pk, shared.pk]
    assert rows(shown(owner, JobsTable(app="floods", scope="all"))) == [own.pk]
    assert rows(shown(owner, JobsTable(app="hymod"))) == [foreign.pk]
    assert "Log in" in shown(AnonymousUser(), table)


def test_jobs_that_are_given_are_shown_only_to_those_who_may_see_them(
    owner: User, other: User, make_job: MakeJob
) -> None:
    one, two = make_job("one", app="floods"), make_job("two", app="floods")
    table = JobsTable(JobManager("floods").list_jobs(user=owner), sort=False)
    assert rows(shown(owner, table)) == [one.pk, two.pk]
    assert rows(shown(other, table)) == []
    by_name = JobsTable([one, two], sort=lambda job: job.name, reverse_sort=True)
    assert rows(shown(owner, by_name)) == [two.pk, one.pk]
    with pytest.raises(InvalidSpecification, match="not saved"):
        JobsTable(["name"], app="floods")
    with pytest.raises(InvalidSpecification, match="not saved"):
        JobsTable([Job(name="x", app="floods", creation_time=timezone.now())])


def test_columns_show_attributes_titles_and_dotted_properties(
    owner: User, make_job: MakeJob
) -> None:
    now = timezone.now()
    make_job(
        "<i>run</i>",
        app="floods",
        state="COM",
        start_time=now - timedelta(minutes=5),
        completion_time=now,
        extended_properties={"site": {"name": "Imst & Co"}},
        result={"nse": 0.75},
        description="d",
    )
    table = JobsTable(
        None,
        [
            "id", "name", "description", "creation_time", "run_time", "status", "type", "user",
            ("Where", "extended_properties.site.name"), "extended_properties.site.none",
            "result.nse",
        ],
        app="floods",
    )  # fmt: skip
    text = shown(owner, table)
    heads = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", text)
    assert heads == [
        "Id", "Name", "Description", "Creation time", "Run time", "Status", "Type", "User",
        "Where", "None", "Nse", "Status",
    ]  # fmt: skip
    for told in ("Imst &amp; Co", "&lt;i&gt;run&lt;/i&gt;", "5 min 00 s", "0.75", "olga"):
        assert told in text
    assert "<i>run" not in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"column_fields": ["no_such"]}, "nothing called “no_such”"),
        ({"column_fields": ["user.password"]}, "nothing called “user.password”"),
        ({"column_fields": ["_state"]}, "nothing called “_state”"),
        ({"actions": ["explode"]}, "no action “explode”"),
        ({"sort": "password"}, "can't be sorted"),
        ({"sort": lambda job: job.pk}, "only the jobs that are given"),
        ({"scope": "world"}, "no scope"),
        ({"row_count": 0}, "1 to 200 rows"),
        ({"name": "Not A Slug"}, "can't be a table's name"),
        ({"filters": {"user": object()}}, "can't be kept"),
        ({"attributes": {"onclick": "x()"}}, "can't have the attribute"),
        ({"app": ""}, "needs the app"),
    ],
)
def test_what_can_not_be_used_is_told_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpecification, match=told):
        JobsTable(**{"app": "floods"} | given)


@pytest.mark.parametrize("callback", [lambda job: None, "no_such_method", "_private", "a.b.c"])
def test_a_callback_that_no_other_process_would_find_is_refused(callback: Any) -> None:
    with pytest.raises(InvalidSpecification):
        CustomJobAction("Do it", callback)
    with pytest.raises(InvalidSpecification):
        CustomJobAction("Do it", "app:url", enabled_callback=callback)
    with pytest.raises(InvalidSpecification, match="does nothing"):
        CustomJobAction("Do it")


def test_a_token_holds_the_whole_table_and_is_nobody_elses(owner: User, make_job: MakeJob) -> None:
    job = make_job(**RUNNING)
    table = JobsTable(
        [job], ["name", ("Where", "extended_properties.a")], sort=False, name="mine",
        actions=["run", "|", ("Note", table_actions.note)], monitor_url="oceanid:job",
        results_url=table_actions.page_of, row_count=7, enable_data_table=True,
        data_table_options={"searching": False}, filters={"creation_time__lt": timezone.now()},
        attributes={"data-x": "<y>"},
    )  # fmt: skip
    again = JobsTable.of_token(table.token())
    assert again.described() == JobsTable.of_token(again.token()).described()
    assert (again.ids, again.columns, again.table_actions) == (
        table.ids,
        table.columns,
        table.table_actions,
    )
    for forged in ("", "x", table.token()[:-2], signing.dumps({"a": 1}, salt="other")):
        with pytest.raises(NotFound):
            JobsTable.of_token(forged)
    with pytest.raises(NotFound):
        JobsTable.of_token(signing.dumps({"actions": []}, salt=SALT))


def test_several_stand_on_a_page_each_with_its_own_place(owner: User, make_job: MakeJob) -> None:
    jobs = [make_job(f"job {number}", app="floods") for number in range(5)]
    text = shown(owner, *(JobsTable(app="floods", row_count=2) for _ in range(3)))
    names = re.findall(r'<section id="([^"]*)"', text)
    assert names == ["jobs-table", "jobs-table-2", "jobs-table-3"]
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("jobs-table.js") == 1
    second = re.search(r'id="jobs-table-2-next" href="([^"]*)"', text)
    assert second
    text = shown(
        owner, JobsTable(app="floods", row_count=2), JobsTable(app="floods", row_count=2),
        address="/app/" + unescape(second[1]) + "&tab=x",
    )  # fmt: skip
    assert rows(text) == [jobs[0].pk, jobs[1].pk, jobs[2].pk, jobs[3].pk]
    assert "tab=x" in unescape(re.findall(r'id="jobs-table-2-next" href="([^"]*)"', text)[0])


@pytest.mark.parametrize("given", [True, False])
def test_walking_the_pages_shows_each_job_once(
    client: Client, owner: User, make_job: MakeJob, given: bool
) -> None:
    jobs = [make_job(f"job {number:02d}", app="floods") for number in range(23)]
    client.force_login(owner)
    made = JobsTable(jobs, row_count=5) if given else JobsTable(app="floods", row_count=5)
    address = source(shown(owner, made))
    text = client.get(address).content.decode()
    seen = rows(text)
    while following := re.search(r'-next" href="[^"]*" data-jt-go="([^"]*)"', text):
        text = client.get(f"{address}&{unescape(following[1])}").content.decode()
        seen += rows(text)
    assert seen == [job.pk for job in jobs]
    while back := re.search(r'-previous" href="[^"]*" data-jt-go="([^"]*)"', text):
        text = client.get(f"{address}&{unescape(back[1])}").content.decode()
    assert rows(text) == [job.pk for job in jobs[:5]]


@pytest.mark.parametrize(
    ("sort", "turned", "expected"),
    [
        (True, False, "abc"), (True, True, "cba"), (False, False, "cba"), ("name", False, "abc"),
        ("-name", False, "cba"), ("-name", True, "abc"), ("creation_time", False, "abc"),
        ("-id", False, "cba"), ("start_time", False, "cab"), ("-start_time", False, "bac"),
    ],
)  # fmt: skip
def test_a_table_is_sorted_as_the_app_says(
    owner: User, make_job: MakeJob, sort: Any, turned: bool, expected: str
) -> None:
    now = timezone.now()
    for name, minutes in (("a", 2), ("b", 1), ("c", 3)):
        make_job(name, app="floods", start_time=now - timedelta(minutes=minutes))
    text = shown(owner, JobsTable(app="floods", sort=sort, reverse_sort=turned))
    assert "".join(re.findall(r'id="jobs-table-job-\d+"[^>]*><span[^>]*>(\w)<', text)) == expected


def test_people_search_filter_and_sort_where_the_app_lets_them(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    snow = make_job("Snow", app="floods", state="ERR")
    make_job("Rain", app="floods", state="COM")
    client.force_login(owner)
    plain = source(shown(owner, JobsTable(app="floods")))
    assert len(rows(client.get(f"{plain}&q=sn&status=Error&sort=name").content.decode())) == 2
    data = source(shown(owner, JobsTable(app="floods", enable_data_table=True)))
    for query in ("q=sno", "status=Error", f"q={snow.pk}"):
        assert rows(client.get(f"{data}&{query}").content.decode()) == [snow.pk]
    assert rows(client.get(f"{data}&sort=-name").content.decode())[0] == snow.pk
    assert "No job matches" in client.get(f"{data}&q=zzz").content.decode()
    options = {"searching": False, "ordering": False, "filtering": False}
    none = shown(owner, JobsTable(app="floods", enable_data_table=True, data_table_options=options))
    assert "data-jt-find" not in none and "o-sort" not in none


def test_filters_narrow_as_those_of_list_jobs(owner: User, make_job: MakeJob) -> None:
    one = make_job("one", app="floods", state="ERR", extended_properties={"site": "Imst"})
    make_job("two", app="floods", state="ERR")
    make_job("three", app="floods", state="COM", extended_properties={"site": "Imst"})
    filters = {"status": "Error", "extended_properties__site": "Imst"}
    assert rows(shown(owner, JobsTable(app="floods", filters=filters))) == [one.pk]


def test_nothing_changed_is_told_cheaply_and_what_changed_is_shown(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job(**ENDED)
    client.force_login(owner)
    address = source(shown(owner, JobsTable(app="floods", column_fields=["name"])))
    first = client.get(address)
    again = client.get(address, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    Job.objects.filter(pk=job.pk).update(state="ERR")
    changed = client.get(address, headers={"if-none-match": first["ETag"]})
    assert changed.status_code == 200 and b"Error" in changed.content


def test_detailed_status_counts_processes_and_nodes(owner: User, make_job: MakeJob) -> None:
    make_job(**RUNNING | {"num_jobs": 12, "tasks_complete": 5, "tasks_running": 3})
    flow = make_job(**RUNNING | {"type": "CONDORWORKFLOW"})
    for number, state in enumerate(("DON", "DON", "RUN")):
        WorkflowNode.objects.create(workflow=flow, name=f"n{number}", state=state)
    text = shown(owner, JobsTable(app="floods", show_detailed_status=True))
    for told in ("5 Complete", "3 Running", "4 Queued", "2 Done", "1 Running"):
        assert told in text


def test_a_declared_table_is_shown_by_name(owner: User, make_job: MakeJob) -> None:
    job = make_job("calibration", app="hymod", extended_properties={"sets": 1})
    request = RequestFactory().get("/")
    request.user = owner
    page = Template('{% load oceanid_jobs %}{% jobs_table "hymod" "calibrations" %}')
    assert rows(page.render(RequestContext(request))) == [job.pk]
    wrong = Template('{% load oceanid_jobs %}{% jobs_table "hymod" "no-such" %}')
    with pytest.raises(NotFound, match="calibrations"):
        wrong.render(RequestContext(request))


def test_the_number_of_queries_does_not_depend_on_the_number_of_jobs(
    owner: User, make_job: MakeJob
) -> None:
    table = JobsTable(
        None, ["name", "description", "extended_properties.a", "run_time", "user"],
        app="floods", row_count=100, show_detailed_status=True,
        actions=["run", "pause", "resume", "resubmit", "logs", "terminate", "delete",
                 CustomJobAction("Note", f"{HERE}.note", enabled_callback=f"{HERE}.is_even")],
    )  # fmt: skip

    def counted() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(owner, table)
        return len(captured)

    make_job(**RUNNING | {"num_jobs": 5})
    make_job(**RUNNING | {"type": "CONDORWORKFLOW"})
    counted()
    few = counted()
    for number in range(60):
        make_job(
            f"{number}",
            **RUNNING | {"num_jobs": 5, "type": ("CONDOR", "CONDORWORKFLOW")[number % 2]},
        )
    assert counted() == few
    assert few <= 12


def test_too_many_jobs_by_name_are_refused_with_a_way_out(owner: User, make_job: MakeJob) -> None:
    rows = [
        Job(user=owner, app="floods", name="x", creation_time=timezone.now()) for _ in range(501)
    ]
    jobs = Job.objects.bulk_create(rows)
    with pytest.raises(InvalidSpecification, match="at most 500"):
        JobsTable(jobs)
    with pytest.raises(InvalidSpecification, match="at most 500"):
        JobsTable(JobManager("floods").list_jobs())
    assert len(JobsTable(jobs[:500]).token()) < 6000


def test_foreign_pages_get_the_same_tokens_as_ours() -> None:
    ours = re.findall(r"--o-[a-z-]+: [^;]+;", (STATIC / "tokens.css").read_text())
    theirs = (STATIC / "jobs-table.css").read_text()
    assert not [token for token in ours if token not in theirs]
    assert ":root" not in theirs and "color-scheme" not in theirs.replace("scheme from us", "")

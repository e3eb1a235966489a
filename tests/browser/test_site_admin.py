"""The section of the site admin in a real browser: open to everyone, by keyboard, live."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Portal, Watched
from tests.browser.test_pages import LOOKS, barriers

pytestmark = pytest.mark.browser

FILL = """
from django.contrib.auth.models import User
from oceanid.models import CloudAccount, Cluster, Scheduler
from oceanid.services import accounts, audit, clusters
boss = User.objects.get(username="admin")
account = accounts.default_account("amazon")
account.config = {"access_key_id": "AKIA" + "Q" * 16, "endpoint_url": "http://127.0.0.1:9"}
accounts.save(account, boss, given={"secret_access_key": "s" * 40})
accounts.save(CloudAccount(cloud="azure", name="First"), boss)
field = accounts.save(CloudAccount(cloud="azure", name="Field station"), boss)
cluster = clusters.save(Cluster(account=account, name="alps", size=4, max_size=9), boss)
pool = Scheduler.objects.create(
    name="<b>pool</b>", engine="htcondor", config={"host": "127.0.0.1", "port": 9})
event = audit.AuditEvent.objects.filter(verb="add").first()
print("KEYS", field.pk, cluster.pk, pool.pk, event.pk)
"""


@pytest.fixture(scope="session")
def filled(portal: Portal) -> Iterator[tuple[int, ...]]:
    """An account, a cluster and a scheduler to look at, and an event; their keys."""
    found = re.search(r"KEYS (\d+) (\d+) (\d+) (\d+)", portal.run(FILL))
    assert found
    yield tuple(int(key) for key in found.groups())
    portal.run(
        f"from oceanid.models import Scheduler; Scheduler.objects.filter(pk={found[3]}).delete()"
    )


def addresses(filled: tuple[int, ...]) -> list[str]:
    account, cluster, pool, event = filled
    return [
        "",
        "oceanid/",
        "oceanid/setting/",
        "oceanid/setting/amazon/change/",
        "oceanid/setting/azure/change/",
        "oceanid/setting/cluster/change/",
        "oceanid/cloudaccount/",
        "oceanid/cloudaccount/add/",
        "oceanid/cloudaccount/add/?cloud=azure",
        f"oceanid/cloudaccount/{account}/change/",
        f"oceanid/cloudaccount/{account}/delete/",
        f"oceanid/cloudaccount/{account}/history/",
        "oceanid/cluster/",
        "oceanid/cluster/add/",
        f"oceanid/cluster/{cluster}/change/",
        f"oceanid/cluster/{cluster}/watch/",
        f"oceanid/cluster/{cluster}/resize/",
        f"oceanid/cluster/{cluster}/delete/",
        "oceanid/cluster/prices/",
        "oceanid/scheduler/",
        f"oceanid/scheduler/{pool}/change/",
        "oceanid/appscheduler/",
        "oceanid/auditevent/",
        "oceanid/auditevent/?q=nothing+has+this+name",
        f"oceanid/auditevent/{event}/change/",
    ]


@pytest.mark.parametrize("watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_every_page_of_the_section_is_open_to_everyone(
    watched: Watched, filled: tuple[int, ...]
) -> None:
    found = []
    for path in addresses(filled):
        watched.go(f"/admin/{path}")
        watched.page.wait_for_selector("#content")
        found += [f"{path} {each}" for each in barriers(watched)]
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= watched.page.viewport_size["width"], path
        beyond = watched.page.evaluate(
            "[...document.querySelectorAll('.form-row input, .form-row .help')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth).length"
        )
        assert beyond == 0, path
    assert found == []


def test_a_mistake_is_told_at_its_field_and_put_right_by_keyboard_alone(
    watched: Watched, filled: tuple[int, ...]
) -> None:
    watched.go("/admin/oceanid/setting/amazon/change/")
    page = watched.page
    page.focus("#id_user_id")
    page.keyboard.type("1234")
    page.keyboard.press("Enter")
    page.wait_for_selector("#id_user_id_error, .field-user_id .errorlist")
    assert "not an account id" in page.inner_text(".field-user_id")
    assert page.input_value("#id_access_key_id") == "AKIA" + "Q" * 16
    assert page.input_value("#id_user_id") == "1234"
    assert barriers(watched) == []
    page.focus("#id_user_id")
    page.keyboard.press("End")
    page.keyboard.type("56789012")
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist .success")
    assert barriers(watched) == []
    watched.go("/admin/oceanid/setting/amazon/change/")
    assert page.input_value("#id_user_id") == "123456789012"
    assert page.input_value("#id_secret_access_key") == ""


def test_what_a_test_found_appears_by_itself(watched: Watched, filled: tuple[int, ...]) -> None:
    watched.go("/admin/oceanid/setting/amazon/change/")
    page = watched.page
    page.focus("#check-report button[form=o-check]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#check-report[data-waits], #check-report .o-steps li")
    page.evaluate("window.neverReloaded = true")
    page.wait_for_selector("#check-report .o-steps li:has-text('could not be reached')")
    assert page.evaluate("window.neverReloaded") is True
    assert "HTTPS_PROXY" in page.inner_text("#check-report")
    assert barriers(watched) == []


def test_another_account_is_made_the_default_one_and_its_deletion_is_explained(
    watched: Watched, filled: tuple[int, ...]
) -> None:
    watched.go(f"/admin/oceanid/cloudaccount/{filled[0]}/change/")
    page = watched.page
    page.click("button[form=o-default]")
    page.wait_for_selector(".messagelist .success")
    watched.go(f"/admin/oceanid/cloudaccount/{filled[0]}/delete/")
    page.wait_for_selector(".messagelist .error")
    assert "is the default account" in page.inner_text(".messagelist")
    assert barriers(watched) == []


def test_a_cluster_is_prepared_and_its_plan_is_shown(
    watched: Watched, filled: tuple[int, ...]
) -> None:
    watched.go("/admin/oceanid/cluster/add/")
    page = watched.page
    assert "first you see what will be made" in page.inner_text("#content")
    page.fill("#id_name", "Nicht so")
    page.keyboard.press("Enter")
    page.wait_for_selector(".errornote")
    assert barriers(watched) == []
    page.fill("#id_name", "tauern")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cl-plan")
    assert "Prepared" in page.inner_text("#cl-head")
    assert "Create it" in page.inner_text("#cl-preflight")
    assert barriers(watched) == []


def test_the_audit_history_is_searched_and_taken_along(
    watched: Watched, filled: tuple[int, ...]
) -> None:
    watched.go("/admin/oceanid/auditevent/")
    page = watched.page
    page.focus("#searchbar")
    page.keyboard.type("alps")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=alps"))
    assert page.locator("#result_list tbody tr").count() == 1
    with page.expect_download() as waiting:
        page.click("text=Download as CSV")
    lines = waiting.value.path().read_text().splitlines()
    assert all(",alps," in line for line in lines[1:]) and len(lines) > 1

"""A cluster in a real browser: planned, made, watched, changed, deleted by a real supervisor."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Portal, Watched
from tests.browser.test_pages import LOOKS, barriers
from tests.clouds.paper_plugin import PRICES

pytestmark = pytest.mark.browser
SOON_MS = 90_000

ACCOUNT = f"""
from django.contrib.auth.models import User
from oceanid.models import CloudAccount
from oceanid.services import accounts, prices
boss = User.objects.get(username="admin")
account = accounts.save(
    CloudAccount(cloud="paper", name="On paper", config={{"folder": FOLDER}}), boss)
prices.load('''{PRICES}''', boss)
print("ACCOUNT", account.pk)
"""
BROKEN = """
from oceanid.clouds.testing import World
with World(FOLDER).open() as state:
    state.fates = ["well", "well", "fails"]
"""


@pytest.fixture(scope="module")
def folder(portal: Portal) -> str:
    return str(portal.home / "paper")


@pytest.fixture(scope="module")
def account(portal: Portal, folder: str) -> Iterator[int]:
    found = re.search(r"ACCOUNT (\d+)", portal.run(f"FOLDER = {folder!r}\n" + ACCOUNT))
    assert found
    yield int(found[1])


def wait_for(watched: Watched, text: str, *, inside: str = "#cluster-live") -> None:
    """Until the page itself shows something."""
    watched.page.wait_for_selector(f"{inside}:has-text({text!r})", timeout=SOON_MS)


def test_a_cluster_is_made_watched_changed_and_deleted_without_a_reload(
    watched: Watched, account: int
) -> None:
    page = watched.page
    watched.go("/admin/oceanid/cluster/add/")
    page.select_option("#id_account", str(account))
    page.fill("#id_name", "alps")
    page.fill("#id_size", "3")
    page.fill("#id_node_type", "large")
    page.fill("#id_budget", "250")
    page.focus("#id_name")
    page.keyboard.press("Enter")

    page.wait_for_selector("#cl-plan")
    page.evaluate("window.neverReloaded = true")
    assert "2 workers" in page.inner_text("#cl-plan")
    page.wait_for_selector("#cl-preflight .o-steps li", timeout=SOON_MS)
    assert page.evaluate("window.neverReloaded") is True
    assert barriers(watched) == []
    page.focus("#cl-preflight button.o-first")
    page.keyboard.press("Enter")

    page.wait_for_selector("#cl-steps")
    page.evaluate("window.neverReloaded = true")
    wait_for(watched, "Running", inside="#cl-head")
    page.wait_for_selector("#cl-nodes tbody tr:nth-child(3)", timeout=SOON_MS)
    assert page.evaluate("window.neverReloaded") is True, "it told by itself"
    assert "3 of 3 wanted" in page.inner_text("#cl-figures")
    assert "US$" in page.inner_text("#cl-figures")
    assert "Create it with size 3." in page.inner_text("#cl-events")
    assert barriers(watched) == []

    page.click("#cl-head a:has-text('Change its size')")
    page.fill("#id_size", "2")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('This machine goes')")
    assert barriers(watched) == []
    page.click("button:has-text('Make it 2')")
    wait_for(watched, "2 of 2 wanted", inside="#cl-figures")

    watched.go("/compute/?scope=all")
    assert "alps" in page.inner_text("#over-clusters")
    page.click("#over-clusters a:has-text('alps')")
    page.click("#cl-head a:has-text('Delete')")
    page.click("button:has-text('Delete it')")
    assert page.evaluate("document.activeElement.id") == "id_name", "the name is asked for"
    page.fill("#id_name", "alps")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/cluster/$"), timeout=SOON_MS)
    assert "alps" not in page.inner_text("#content")


@pytest.fixture(scope="module")
def made(portal: Portal, account: int, folder: str) -> Iterator[tuple[int, int]]:
    """A cluster of which one machine failed, and one that was only prepared; their keys."""
    portal.run(f"FOLDER = {folder!r}\n" + BROKEN)
    script = (
        "from django.contrib.auth.models import User\n"
        "from oceanid.models import CloudAccount, Cluster\n"
        "from oceanid.services import clusters\n"
        "import time\n"
        f"account = CloudAccount.objects.get(pk={account})\n"
        "boss = User.objects.get(username='admin')\n"
        "fens = clusters.create(Cluster(account=account, name='fens', size=4, node_type='large',"
        " max_size=9, min_size=4, spot=True), boss)\n"
        "moor = clusters.save(Cluster(account=account, name='moor', size=2), boss)\n"
        "while not fens.nodes.exclude(problem='').exists(): time.sleep(0.2)\n"
        "fens.nodes.exclude(problem='').update(console='<b>boot</b> ' * 200)\n"
        "print('MADE', fens.pk, moor.pk)\n"
    )
    found = re.search(r"MADE (\d+) (\d+)", portal.run(script))
    assert found
    yield int(found[1]), int(found[2])


@pytest.mark.parametrize("watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_every_page_of_clusters_is_open_to_everyone(
    watched: Watched, made: tuple[int, int], account: int
) -> None:
    fens, moor = made
    addresses = [
        f"cluster/{fens}/watch/",
        f"cluster/{fens}/change/",
        f"cluster/{fens}/resize/?size=2",
        f"cluster/{fens}/stop/",
        f"cluster/{fens}/start/",
        f"cluster/{fens}/repair/",
        f"cluster/{fens}/delete/",
        f"cluster/{moor}/watch/",
        f"cluster/{moor}/delete/",
        "cluster/",
        "cluster/prices/",
        f"cloudaccount/{account}/estates/",
    ]
    found = []
    for path in addresses:
        watched.go(f"/admin/oceanid/{path}")
        watched.page.wait_for_selector("#content")
        if watched.page.locator("#cl-nodes details").count():
            watched.page.click("#cl-nodes details >> nth=0 >> summary")
        found += [f"{path} {each}" for each in barriers(watched)]
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= watched.page.viewport_size["width"], path
    assert found == []


def test_what_somebody_opened_stays_open_while_the_page_changes(
    watched: Watched, made: tuple[int, int]
) -> None:
    watched.go(f"/admin/oceanid/cluster/{made[0]}/watch/")
    page = watched.page
    page.click("#cl-nodes details >> nth=0 >> summary")
    assert "<b>boot</b>" in page.inner_text("#cl-nodes details pre >> nth=0")
    page.evaluate(
        "document.activeElement.blur(); document.querySelector('#cl-nodes').dataset.old = '1'"
    )
    watched.portal.run(
        "from oceanid.models import ClusterNode\n"
        f"nodes = ClusterNode.objects.filter(cluster={made[0]}).exclude(problem='')\n"
        "nodes.update(console='<b>boot</b> once more')\n"
    )
    changed = "#cl-nodes:not([data-old]) details[open] pre:has-text('once more')"
    page.wait_for_selector(changed, timeout=SOON_MS)


def test_what_is_in_an_account_is_looked_for_and_told(
    watched: Watched, made: tuple[int, int], account: int
) -> None:
    watched.go(f"/admin/oceanid/cloudaccount/{account}/estates/")
    page = watched.page
    page.click("button:has-text('Look')")
    page.wait_for_selector("#cluster-live h2:has-text('fens')", timeout=SOON_MS)
    assert "known" in page.inner_text("#cluster-live")
    page.wait_for_selector("#es-look button:not([disabled])", timeout=SOON_MS)
    assert barriers(watched) == []

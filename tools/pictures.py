"""Takes the README's pictures: starts a portal, runs the example in it, and looks at its pages.

Names of pictures as arguments: only these are taken.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.clouds import paper_plugin  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
OCEANID = [sys.executable, "-m", "oceanid.cli.main"]
JOBS = """
from django.contrib.auth.models import User
from hymod import calibrations
from oceanid.jobs import JobManager
from oceanid.jobs import Macro
admin = User.objects.get(username="admin")
job = calibrations.start(admin, sets=500, processes=20, seed=1, scheduler=None)
job.wait(timeout_s=300)
print("WORKFLOW", job.pk)
jobs = JobManager("forecast")
program = (
    "for i in $(seq 1 40); do echo \\"$(date +%T)  member $0  step $i  "
    "level 2.$((i * 7 % 90)) m\\"; sleep 0.03; done; test $0 -ne 7"
)
array = jobs.create_job(
    "Ensemble forecast, 60 members", admin, job_type="CONDOR", num_jobs=60,
    description="Water levels at the lower gauge for the next 48 hours.",
    attributes={"executable": "/bin/sh", "arguments": ["-c", program, Macro("$(Process)")]},
)
array.execute()
broken = jobs.create_job(
    "Radar tiles, last night", admin, job_type="CONDOR",
    attributes={"executable": "/bin/sh", "arguments": ["-c", "echo no such tile >&2; exit 3"]},
)
broken.execute()
print("ARRAY", array.pk)
"""
SETTINGS = """
from django.contrib.auth.models import User
from oceanid.models import Cluster
from oceanid.services import accounts, audit, clusters
admin = User.objects.get(username="admin")
with audit.coming_from("admin"):
    account = accounts.default_account("amazon")
    account.config = {"access_key_id": KEY, "user_id": "123456789012",
                      "region": "eu-central-1", "endpoint_url": ADDRESS}
    accounts.save(account, admin, given={"secret_access_key": SECRET})
    accounts.want_check(account, admin)
    clusters.save(Cluster(account=account, name="alps", size=4, max_size=12), admin)
"""
CLUSTER = f"""
import time
from decimal import Decimal
from django.contrib.auth.models import User
from oceanid.clouds.testing import World
from oceanid.clouds.testing.world import PaperJob
from oceanid.models import CloudAccount, Cluster
from oceanid.services import accounts, clusters, prices
admin = User.objects.get(username="admin")
account = accounts.save(
    CloudAccount(cloud="paper", name="Field station", config={{"folder": FOLDER}}), admin)
prices.load('''{paper_plugin.PRICES}''', admin)
alps = clusters.create(Cluster(
    account=account, name="alps", size=5, node_type="large", master_type="small", min_size=5,
    max_size=9, spot=True, budget=Decimal(250), hourly_limit=Decimal(3), idle_minutes=30), admin)
world = World(FOLDER)
while Cluster.objects.get(pk=alps.pk).state != "RUN": time.sleep(0.3)
with world.open() as state:
    master = state.master_of(str(alps.uuid)).id
    state.jobs += [PaperJob(number, master, -1) for number in range(1, 4)]
while not alps.nodes.filter(jobs_running__gt=0).exists(): time.sleep(0.3)
print("CLUSTER", alps.pk)
"""


def main(wanted: Sequence[str]) -> int:
    """Take the pictures; the exit code of the program."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is needed: apt install chromium", file=sys.stderr)
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="oceanid-pictures-") as place:
        (Path(place) / "settings.toml").write_text(paper_plugin.SETTINGS)
        plugin = paper_plugin.install(Path(place) / "plugin")
        env = os.environ | {
            "OCEANID_HOME": place,
            "OCEANID_APPS": "hymod",
            "PYTHONPATH": os.pathsep.join((str(ROOT / "examples"), plugin)),
        }
        log = Path(place) / "up.log"
        with log.open("wb") as output:
            portal = subprocess.Popen([*OCEANID, "up"], env=env, cwd=place, stdout=output)
        try:
            address, password = _way_in(log)

            def run(script: str) -> str:
                return subprocess.run(
                    [*OCEANID, "manage", "shell", "-v", "0", "-c", script],
                    env=env, cwd=place, check=True, capture_output=True, text=True,
                ).stdout  # fmt: skip

            folder = f"FOLDER = {str(Path(place) / 'paper')!r}\n"
            told = run(JOBS) + run(folder + CLUSTER)
            numbers = {name: int(pk) for name, pk in re.findall(r"([A-Z]+) (\d+)", told)}
            with _amazon() as values:
                run(values + SETTINGS)
                time.sleep(20)
                _take(chromium, address, password, numbers, wanted)
        finally:
            subprocess.run([*OCEANID, "stop", "--jobs"], env=env, cwd=place, check=False)
            if portal.poll() is None:
                portal.send_signal(signal.SIGTERM)
                portal.wait(timeout=15)
    return 0


def _way_in(log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = log.read_text()
        address = re.search(r"^Oceanid is at (\S+)$", text, re.MULTILINE)
        password = re.search(r"^Password:\s+(\S+)$", text, re.MULTILINE)
        if address and password:
            return address[1], password[1]
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


@contextmanager
def _amazon() -> Iterator[str]:
    """An emulated Amazon on the loopback; Python that names its address and a key of it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    iam = boto3.client(
        "iam", endpoint_url=address, region_name="us-east-1",
        aws_access_key_id="x", aws_secret_access_key="x",  # noqa: S106 - of an emulation
    )  # fmt: skip
    iam.create_user(UserName="portal")
    key = iam.create_access_key(UserName="portal")["AccessKey"]
    try:
        yield (
            f"KEY, SECRET = {key['AccessKeyId']!r}, {key['SecretAccessKey']!r}\n"
            f"ADDRESS = {address!r}\n"
        )
    finally:
        server.stop()


def _take(
    chromium: str, address: str, password: str, numbers: dict[str, int], wanted: Sequence[str]
) -> None:
    from playwright.sync_api import sync_playwright

    views = [
        ("job", f"compute/jobs/{numbers['ARRAY']}/", 1280, 1180, "light"),
        ("job-dark", f"compute/jobs/{numbers['ARRAY']}/", 1280, 1180, "dark"),
        ("job-narrow", f"compute/jobs/{numbers['ARRAY']}/", 390, 844, "light"),
        ("workflow", f"compute/jobs/{numbers['WORKFLOW']}/", 1280, 900, "light"),
        ("jobs", "compute/jobs/", 1280, 620, "light"),
        ("overview", "compute/?span=hour", 1280, 900, "light"),
        ("example", f"apps/hymod/{numbers['WORKFLOW']}/", 1280, 1150, "light"),
        ("settings", "admin/oceanid/setting/amazon/change/", 1280, 1330, "light"),
        ("cluster", f"admin/oceanid/cluster/{numbers['CLUSTER']}/watch/", 1280, 1180, "light"),
        ("audit", "admin/oceanid/auditevent/", 1280, 700, "dark"),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        state: Any = None
        for name, path, width, height, scheme in views:
            if wanted and name not in wanted:
                continue
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                storage_state=state,
            )
            page = context.new_page()
            if state is None:
                page.goto(f"{address}login/")
                page.fill("input[name=username]", "admin")
                page.fill("input[name=password]", password)
                page.click("button[type=submit], input[type=submit]")
                page.wait_for_load_state()
                state = context.storage_state()
            page.goto(address + path)
            page.wait_for_timeout(1500)
            page.screenshot(path=PICTURES / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The reference says what the code says, and no more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from oceanid.engines.local import LocalEngine
from oceanid.submit.vocabulary import COMMANDS, Use
from oceanid.web.metrics import exposition
from tests.integration.docs.blocks import ROOT

REFERENCE = ROOT / "docs" / "reference"


def test_the_tables_are_as_the_code() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_every_submit_command_is_there_and_those_that_the_local_engine_refuses_are_told() -> None:
    page = (REFERENCE / "submit.md").read_text("utf-8")
    taken, _, refused = page.partition("### Needs the capability")
    for name, command in COMMANDS.items():
        lacking = command.needs is not None and command.needs not in LocalEngine.capabilities
        is_refused = lacking and command.use is not Use.FIELD
        assert f"`{name}`" in (refused if is_refused else taken), name


@pytest.mark.django_db
def test_every_metric_is_there_with_its_labels_and_no_other() -> None:
    page = (REFERENCE / "metrics.md").read_text("utf-8")
    written = dict(re.findall(r"^\| `(oceanid_\w+)` \|([^|]*)\|", page, re.MULTILINE))
    told = exposition()
    names = set(re.findall(r"^# TYPE (\w+) gauge$", told, re.MULTILINE))
    assert set(written) == names
    for name, labels in re.findall(r"^(oceanid_\w+)\{(.*)\} ", told, re.MULTILINE):
        found = ", ".join(f"`{label}`" for label in re.findall(r'(\w+)="', labels))
        assert written[name].strip() == found, name


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text()
        )
        assert not loaded, (page, loaded)

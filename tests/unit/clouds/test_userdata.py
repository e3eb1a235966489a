"""What machines boot with: small enough, well-formed, and without what must not leave a machine."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from oceanid.clouds.userdata import MasterPlan, WorkerPlan, rendered
from oceanid.errors import InvalidValue


def pair() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    )


HOST_KEY, HOST_PUBLIC_KEY = pair()
MASTER = MasterPlan(
    cluster="demo",
    public_key=pair()[1] + " somebody@portal",
    host_key=HOST_KEY,
    host_public_key=HOST_PUBLIC_KEY,
    works=True,
)
WORKER = WorkerPlan(
    cluster="demo", master_address="10.0.0.4", token=f"eyJ{'h' * 40}.eyJ{'p' * 400}.{'s' * 43}"
)


def read(text: str) -> dict[str, Any]:
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def written(text: str) -> dict[str, dict[str, Any]]:
    files = {}
    for each in read(text)["write_files"]:
        content = each["content"]
        if each.get("encoding") == "gz+b64":
            content = gzip.decompress(base64.b64decode(content)).decode()
        files[each["path"]] = {**each, "content": content}
    return files


@pytest.mark.parametrize("plan", [MASTER, WORKER])
def test_it_fits_with_room_to_spare_and_every_place_in_it_is_filled(
    plan: MasterPlan | WorkerPlan,
) -> None:
    text = rendered(plan)
    assert len(text.encode()) < 14 * 1024
    for path, each in written(text).items():
        for place in ("@domain@", "@master@", "@role@", "@command@", "@spot@"):
            assert place not in each["content"], path


def test_the_same_plan_gives_the_same_text() -> None:
    assert rendered(MASTER) == rendered(MASTER)
    assert rendered(WORKER) == rendered(WORKER)


def test_a_master_shows_the_host_key_that_is_known_and_no_other() -> None:
    said = read(rendered(MASTER))
    keys = {"ed25519_private": HOST_KEY, "ed25519_public": HOST_PUBLIC_KEY}
    assert said["ssh_keys"] == keys
    assert said["ssh_deletekeys"] is True
    assert said["disable_root"] is True
    assert said["ssh_pwauth"] is False
    assert said["ssh"] == {"emit_keys_to_console": False}


def test_a_master_has_the_two_accounts_of_which_one_may_give_one_command_as_root() -> None:
    said = read(rendered(MASTER))
    assert [each["name"] for each in said["users"]] == ["oceanid", "oceanid-keeper"]
    for each in said["users"]:
        assert each["lock_passwd"] is True
        assert each["ssh_authorized_keys"] == [MASTER.public_key]
        assert "sudo" not in each
        assert "groups" not in each
    sudo = written(rendered(MASTER))["/etc/sudoers.d/oceanid"]
    assert sudo["permissions"] == "0440"
    assert sudo["content"] == (
        "oceanid-keeper ALL=(root) NOPASSWD: /usr/local/sbin/oceanid-keeper\n"
    )


@pytest.mark.parametrize("works", [True, False])
def test_a_master_works_from_the_start_or_does_not(works: bool) -> None:
    files = written(rendered(replace(MASTER, works=works)))
    assert files["/etc/condor/config.d/70-oceanid-works"]["content"] == f"OCEANID_WORKS = {works}\n"


def test_a_worker_gets_its_token_for_root_alone_and_nobody_logs_in_to_it() -> None:
    said, files = read(rendered(WORKER)), written(rendered(WORKER))
    assert said["users"] == []
    assert "ssh_keys" not in said
    token = files["/etc/condor/tokens.d/oceanid"]
    assert token["content"].strip() == WORKER.token
    assert token["permissions"] == "0600"
    assert "CONDOR_HOST = 10.0.0.4\n" in files["/etc/condor/config.d/50-oceanid-pool"]["content"]
    assert not [path for path in files if "sudoers" in path or "keeper" in path]


@pytest.mark.parametrize("plan", [MASTER, WORKER])
def test_no_key_that_signs_tokens_is_in_it(plan: MasterPlan | WorkerPlan) -> None:
    assert not [path for path in written(rendered(plan)) if "passwords.d" in path]


def test_a_plan_shows_no_secret_when_it_is_printed() -> None:
    assert "PRIVATE" not in repr(MASTER)
    assert WORKER.token not in repr(WORKER)


HOSTILE = ["", "a b", "x\ny", "a;id", "../x", "$(id)", "é", "UPPER", "-a", "a-", "a" * 65]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_would_mean_something_to_a_shell_or_to_condor_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue):
        rendered(replace(WORKER, cluster=name))
    with pytest.raises(InvalidValue):
        rendered(replace(MASTER, cluster=name))


@pytest.mark.parametrize("token", ["", "abc", "a.b", "a.b.c\nALLOW = *", "a.b.c ", "a.b.c.d"])
def test_a_token_of_another_form_is_refused_and_not_told(token: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        rendered(replace(WORKER, token=token))
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize("address", ["", "master", "10.0.0", "10.0.0.4\n", "::1", "10.0.0.4; id"])
def test_a_masters_address_must_be_one(address: str) -> None:
    with pytest.raises(InvalidValue):
        rendered(replace(WORKER, master_address=address))


@pytest.mark.parametrize(
    "key", ["", "ssh-ed25519", 'command="id" ssh-ed25519 AAAA', "ssh-ed25519 AAAA\nssh-rsa AAAA"]
)
def test_a_public_key_must_be_one_and_no_more(key: str) -> None:
    with pytest.raises(InvalidValue):
        rendered(replace(MASTER, public_key=key))


def test_a_host_key_must_be_one() -> None:
    with pytest.raises(InvalidValue):
        rendered(replace(MASTER, host_key="not a key"))

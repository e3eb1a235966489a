"""Writes the user-data of masters and workers: cloud-init's cloud-config, from the files beside."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from oceanid.clouds.userdata.plans import KEEPER, SUBMITTER, MasterPlan, WorkerPlan
from oceanid.errors import InvalidValue

MOST_BYTES: Final = 16 * 1024
"""What EC2 takes of user-data before base64 (EC2 user guide, “Run commands on launch”); Azure's
custom data may be larger."""

PACKAGES: Final = ("condor", "nftables", "openssl")
_LONG: Final = 1800
"""Files with more bytes are packed: the whole has to fit."""
_SBIN: Final = "/usr/local/sbin"
_CONFIG: Final = "/etc/condor/config.d"
_CLUSTER: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_PUBLIC_KEY: Final = re.compile(r"(ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+( [ -~]{0,100})?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----\n[A-Za-z0-9+/=\n]+-----END [A-Z ]+-----\n?")


def domain_of(cluster: str) -> str:
    """The domain in which a cluster's accounts and tokens hold.

    Raises:
        InvalidValue: The name can't be part of one.
    """
    if not _CLUSTER.fullmatch(cluster):
        raise InvalidValue(
            "“{cluster}” can't be a cluster's name.",
            hint="Use at most 64 small letters, digits and hyphens.",
            cluster=cluster,
        )
    return f"{cluster}.oceanid.internal"


def master_user_data(plan: MasterPlan) -> str:
    """What a master boots with.

    It holds the machine's own SSH host key, which is why the machine lets none but root read it.
    The pool's signing key is not in it: that is born on the machine.

    Raises:
        InvalidValue: A value of the plan can't be used, or the whole is too large.
    """
    _must(_PUBLIC_KEY, plan.public_key, "the public key")
    _must(_PUBLIC_KEY, plan.host_public_key, "the host's public key")
    _must(_PEM, plan.host_key, "the host's key")
    values = {
        "domain": domain_of(plan.cluster),
        "master": "$(IP_ADDRESS)",
        "role": "master",
        "command": f"{_SBIN}/oceanid-keeper renew",
    }
    sudo = f"{KEEPER} ALL=(root) NOPASSWD: {_SBIN}/oceanid-keeper\n"
    return _whole(
        [
            *_common(values),
            _File(f"{_CONFIG}/51-oceanid-master", _text("master.config", values)),
            _File(f"{_CONFIG}/70-oceanid-works", f"OCEANID_WORKS = {plan.works}\n"),
            _File(f"{_SBIN}/oceanid-keeper", _text("keeper.py", values), "0755"),
            _File("/etc/sudoers.d/oceanid", sudo, "0440"),
            _File("/etc/ssh/sshd_config.d/10-oceanid.conf", _text("sshd.conf", values)),
        ],
        {
            "users": [_account(name, plan.public_key) for name in (SUBMITTER, KEEPER)],
            "ssh_keys": {
                "ed25519_private": plan.host_key,
                "ed25519_public": plan.host_public_key,
            },
        },
    )


def worker_user_data(plan: WorkerPlan) -> str:
    """What a worker boots with.

    Its one secret is the token, which lets it do no more than join, and ends by itself.

    Raises:
        InvalidValue: A value of the plan can't be used, or the whole is too large.
    """
    _must(_TOKEN, plan.token, "the token")
    try:
        master = str(IPv4Address(plan.master_address))
    except AddressValueError as problem:
        raise InvalidValue(
            "“{master_address}” is not an IPv4 address.", master_address=plan.master_address
        ) from problem
    values = {
        "domain": domain_of(plan.cluster),
        "master": master,
        "spot": str(plan.spot),
        "role": "worker",
        "command": f"{_SBIN}/oceanid-renew",
    }
    return _whole(
        [
            *_common(values),
            _File(f"{_CONFIG}/51-oceanid-worker", _text("worker.config", values)),
            _File("/etc/condor/tokens.d/oceanid", f"{plan.token}\n", "0600"),
            _File(f"{_SBIN}/oceanid-renew", _text("renew.py", values), "0755"),
        ],
        {
            "users": [],
            # Nobody logs in to a worker.
            "bootcmd": [["systemctl", "mask", "--now", "--no-block", "ssh.service", "ssh.socket"]],
        },
    )


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    content: str
    mode: str = "0644"


def _common(values: Mapping[str, str]) -> list[_File]:
    units = "/etc/systemd/system"
    return [
        _File(f"{_CONFIG}/50-oceanid-pool", _text("pool.config", values)),
        _File("/etc/oceanid/metadata.nft", _text("metadata.nft", values)),
        _File(f"{_SBIN}/oceanid-node", _text("node.sh", values), "0755"),
        _File(f"{units}/condor.service.d/oceanid.conf", _text("unit.conf", values)),
        _File(f"{units}/oceanid-renew.service", _text("renew.service", values)),
        _File(f"{units}/oceanid-renew.timer", _text("renew.timer", values)),
        _File(
            "/var/lib/cloud/scripts/per-boot/oceanid",
            f"#!/bin/sh\nexec {_SBIN}/oceanid-node boot\n",
            "0755",
        ),
    ]


def _account(name: str, public_key: str) -> dict[str, object]:
    return {
        "name": name,
        "shell": "/bin/bash",
        "lock_passwd": True,
        "ssh_authorized_keys": [public_key],
    }


def _text(name: str, values: Mapping[str, str]) -> str:
    text = (files("oceanid.clouds.userdata") / "files" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _shown(content: str) -> list[str]:
    return ["  content: |", *(f"    {line}" if line else "" for line in content.splitlines())]


def _packed(content: str) -> list[str]:
    packed = gzip.compress(content.encode(), mtime=0)
    return ["  encoding: gz+b64", f"  content: {base64.b64encode(packed).decode()}"]


def _must(form: re.Pattern[str], value: str, what: str) -> None:
    # The value itself may be a secret, and is not told.
    if not form.fullmatch(value):
        raise InvalidValue(
            "A machine can't boot with {what}: it has not the form of one.", what=what
        )


def _whole(written: list[_File], more: Mapping[str, object]) -> str:
    settings: dict[str, object] = {
        "package_update": True,
        "packages": list(PACKAGES),
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh": {"emit_keys_to_console": False},
        "manage_etc_hosts": True,
        **more,
    }
    # JSON is YAML, and quotes by itself; short files are blocks, for people to read.
    lines = ["#cloud-config", *(f"{name}: {json.dumps(it)}" for name, it in settings.items())]
    lines.append("write_files:")
    for each in written:
        lines.append(f"- path: {each.path}\n  permissions: '{each.mode}'")
        lines += _packed(each.content) if len(each.content) > _LONG else _shown(each.content)
    text = "\n".join(lines) + "\n"
    size = len(text.encode())
    if size > MOST_BYTES:
        raise InvalidValue(
            "The user-data have {size} bytes; {most_bytes} are allowed.",
            size=size,
            most_bytes=MOST_BYTES,
        )
    return text

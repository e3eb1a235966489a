#!/usr/bin/python3 -I
"""Oceanid: the one command that the account oceanid-keeper may give as root; prints JSON.

look | token SECONDS | works on|off | drain ADDRESS... | undrain ADDRESS... | renew
"""

import base64
import hashlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

WORKS = "/etc/condor/config.d/70-oceanid-works"
SEALED = "/var/lib/oceanid/sealed"
LIFE_S = 3 * 86400
MOST_SEALS = 5000
SHOWN = (
    "Machine MyAddress SlotType State Draining NumDynamicSlots TotalCpus TotalMemory LastHeardFrom"
)
MOST_IDLE = "20000"
os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", LANG="C.UTF-8")
os.umask(0o077)


class Refused(Exception):
    pass


def run(*command, **more):
    more = {"check": True, "timeout": 50, **more}
    return subprocess.run(command, capture_output=True, text=True, **more).stdout


def ads(*query):
    text = run(*query)
    return json.loads(text) if text.strip() else []


def slots():
    shown = ",".join(SHOWN.split())
    found = ads("condor_status", "-json", "-attributes", shown)
    for ad in found:
        match = re.match(r"<([0-9.]+):", str(ad.get("MyAddress", "")))
        if match:
            yield match[1], ad


def works():
    with open(WORKS) as file:
        return "True" in file.read()


def look():
    own = run("condor_config_val", "FULL_HOSTNAME").strip()
    skipped = None if works() else own
    nodes = {}
    for address, ad in slots():
        node = nodes.setdefault(
            address, {"host_name": str(ad.get("Machine", "")), "jobs_running": 0, "parts": 0,
                      "cpus": 0, "memory_mib": 0, "is_leaving": False, "heard_at": 0},
        )  # fmt: skip
        # Whether it leaves and what it still runs must come from one ad, or a job that has just
        # begun would not be seen.
        node["parts"] = max(node["parts"], number(ad, "NumDynamicSlots"))
        node["jobs_running"] += ad.get("State") == "Claimed"
        node["cpus"] = max(node["cpus"], number(ad, "TotalCpus"))
        node["memory_mib"] = max(node["memory_mib"], number(ad, "TotalMemory"))
        node["heard_at"] = max(node["heard_at"], number(ad, "LastHeardFrom"))
        node["is_leaving"] |= ad.get("Draining") is True or ad.get("State") == "Drained"
        node["is_leaving"] |= ad.get("Machine") == skipped
    for node in nodes.values():
        node["jobs_running"] = max(node["jobs_running"], node.pop("parts"))
    # A master that does not work is no node, once its last job has ended.
    nodes = {
        address: node
        for address, node in nodes.items()
        if node["jobs_running"] or node["host_name"] != skipped
    }
    waiting = run(
        "condor_q", "-allusers", "-af", "RequestCpus", "-limit", MOST_IDLE, "-constraint",
        "JobStatus == 1 && JobUniverse != 7 && JobUniverse != 12",
    ).split()  # fmt: skip
    running = run("condor_status", "-schedd", "-af", "TotalRunningJobs").split()
    return {
        "nodes": [{"address": address, **node} for address, node in nodes.items()],
        "idle_jobs": len(waiting),
        "idle_cpus": sum(int(each) if each.isdigit() else 1 for each in waiting),
        "running_jobs": int(running[0]) if running and running[0].isdigit() else 0,
    }


def number(ad, name):
    value = ad.get(name, 0)
    return int(value) if isinstance(value, int | float) else 0


def token(lifetime):
    if not re.fullmatch(r"[1-9][0-9]{1,6}", lifetime) or int(lifetime) < 60:
        raise Refused("a token lives for 60 to 9999999 seconds")
    return {"token": make_token(int(lifetime))}


def make_token(lifetime_s):
    domain = run("condor_config_val", "TRUST_DOMAIN").strip()
    scope = ["-authz", "READ", "-authz", "ADVERTISE_MASTER", "-authz", "ADVERTISE_STARTD"]
    who = ["-identity", f"oceanid-worker@{domain}", "-key", "POOL"]
    return run("condor_token_create", *who, "-lifetime", str(lifetime_s), *scope).strip()


def switch(to):
    if to not in ("on", "off"):
        raise Refused("works takes on or off")
    if works() != (to == "on"):
        with open(f"{WORKS}.new", "w") as file:
            file.write(f"OCEANID_WORKS = {to == 'on'}\n")
            os.fchmod(file.fileno(), 0o644)
        os.replace(f"{WORKS}.new", WORKS)
    run("condor_reconfig", "-daemon", "startd")
    return {"works": to == "on"}


def drained(addresses, command):
    wanted = {str(ipaddress.IPv4Address(each)) for each in addresses}
    machines = {
        address: str(ad.get("Machine", ""))
        for address, ad in slots()
        if address in wanted and ad.get("SlotType") != "Dynamic"
    }

    def one(item):
        address, machine = item
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}", machine):
            return f"{address}: a strange name"
        done = subprocess.run([*command, machine], capture_output=True, text=True, timeout=50)
        if done.returncode == 0 or "already in progress" in done.stderr:
            return ""
        return f"{address}: {done.stderr or done.stdout}"[:300]

    with ThreadPoolExecutor(8) as beside:
        failed = [each for each in beside.map(one, machines.items()) if each]
    if failed:
        raise Refused("; ".join(failed[:5]))
    return {"done": sorted(machines), "unknown": sorted(wanted - machines.keys())}


def renew():
    found = ads("condor_status", "-json", "-attributes", "OceanidSeal",
                "-constraint", 'SlotType =!= "Dynamic" && isString(OceanidSeal)')  # fmt: skip
    os.makedirs(SEALED, exist_ok=True)
    made, told = 0, []
    for seal in sorted({ad["OceanidSeal"] for ad in found})[:MOST_SEALS]:
        try:
            name = hashlib.sha256(base64.b64decode(seal, validate=True)).hexdigest()
            path = f"{SEALED}/{name}"
            if not os.path.exists(path) or time.time() - os.path.getmtime(path) > LIFE_S / 4:
                sealed_to(seal, path)
                made += 1
        except (ValueError, OSError, subprocess.SubprocessError):
            print(f"a seal that can't be used: {seal[:40]!r}", file=sys.stderr)
            continue
        with open(path) as file:
            told.append(
                f'MyType = "Generic"\nName = "oceanid-token-{name}"\n'
                f'OceanidSealed = "{file.read()}"\n'
            )
    for former in os.listdir(SEALED):
        if time.time() - os.path.getmtime(f"{SEALED}/{former}") > LIFE_S:
            os.remove(f"{SEALED}/{former}")
    if told:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(told))
            file.flush()
            run("condor_advertise", "-multiple", "UPDATE_AD_GENERIC", file.name)
    return {"told": len(told), "made": made}


def sealed_to(seal, path):
    body = "\n".join(re.findall(".{1,64}", seal))
    pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pem)
        file.flush()
        os.chmod(file.name, 0o644)
        # What a worker says of itself is read by nobody.
        sealed = subprocess.run(
            ["openssl", "cms", "-encrypt", "-aes-256-cbc", "-outform", "DER", file.name],
            input=make_token(LIFE_S).encode(), check=True, capture_output=True, timeout=10,
            user="nobody", group="nogroup", extra_groups=[],
        ).stdout  # fmt: skip
    with open(f"{path}.new", "w") as file:
        file.write(base64.b64encode(sealed).decode())
    os.replace(f"{path}.new", path)


def main(words):
    match words:
        case ["look"]:
            return look()
        case ["token", lifetime]:
            return token(lifetime)
        case ["works", to]:
            return switch(to)
        case ["drain", *addresses] if addresses:
            return drained(addresses, ["condor_drain", "-graceful", "-reason", "oceanid"])
        case ["undrain", *addresses] if addresses:
            return drained(addresses, ["condor_drain", "-cancel"])
        case ["renew"]:
            return renew()
    raise Refused(__doc__.strip().splitlines()[-1])


try:
    print(json.dumps(main(sys.argv[1:])))
except (Refused, ValueError) as problem:
    sys.exit(f"oceanid-keeper: {problem}")
except subprocess.CalledProcessError as problem:
    said = " ".join((problem.stderr or problem.stdout or "").split())
    sys.exit(f"oceanid-keeper: {problem.cmd[0]}: {said[-500:]}")
except subprocess.TimeoutExpired as problem:
    sys.exit(f"oceanid-keeper: {problem.cmd[0]} timed out")

#!/usr/bin/python3 -I
"""Oceanid: takes the worker's next token, which the master has sealed to this machine."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile

HOME = "/etc/oceanid"
TOKEN = "/etc/condor/tokens.d/oceanid"


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, timeout=60, **more).stdout


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


os.umask(0o077)
seal = run("openssl", "x509", "-in", f"{HOME}/seal.crt", "-outform", "DER")
name = "oceanid-token-" + hashlib.sha256(seal).hexdigest()
query = ["condor_status", "-generic", "-constraint", f'Name == "{name}"', "-af", "OceanidSealed"]
sealed = run(*query).decode().split()
if not sealed:
    print("oceanid: the master has no new token for this machine yet")
    sys.exit(0)
keys = ["-inkey", f"{HOME}/seal.key", "-recip", f"{HOME}/seal.crt"]
opened = run(
    "openssl", "cms", "-decrypt", "-inform", "DER", *keys, input=base64.b64decode(sealed[0])
)
new = opened.decode("ascii").strip()
with open(TOKEN) as file:
    old = file.read().strip()
has, gets = claims(old), claims(new)
if gets["exp"] <= has["exp"]:
    sys.exit(0)
if any(has[each] != gets[each] for each in ("iss", "sub", "scope")):
    sys.exit("oceanid: the new token is not one of this machine's")
with tempfile.TemporaryDirectory(dir=HOME) as folder:
    with open(f"{folder}/new", "w") as file:
        file.write(new + "\n")
    trial = {**os.environ, "_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY": folder}
    run("condor_ping", "-type", "collector", "ADVERTISE_STARTD", env=trial)
    os.replace(f"{folder}/new", TOKEN)
print("oceanid: a new token was taken")

"""An Amazon account's values, and what a look with its key finds."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from oceanid.clouds.amazon.session import Session
from oceanid.clouds.base import Problems
from oceanid.clouds.keyfiles import public_half
from oceanid.clouds.looking import Look
from oceanid.clouds.specs import ClusterSpec, KeyFile
from oceanid.clouds.values import Form, misformed
from oceanid.errors import CloudError, InvalidValue

INSTALL: Final = "pip install 'oceanid[aws]'"

ACCOUNT_FORMS: Final = {
    "access_key_id": Form(
        r"AKIA[A-Z0-9]{16}",
        "This is not an access key id of Amazon's.",
        "It has 20 capital letters and digits and begins with AKIA; one that begins with ASIA is "
        "only lent for some hours and can't be used here.",
    ),
    "user_id": Form(
        r"[0-9]{12}",
        "This is not an account id of Amazon's.",
        "It has twelve digits, and stands in the menu at the upper right of the AWS console.",
    ),
    "key_name": Form(
        r"[\x20-\x7e]{1,255}",
        "This is not the name of a key pair.",
        "It has at most 255 plain characters, and stands in the EC2 console under Key Pairs.",
    ),
    "region": Form(
        r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}",
        "This is not a region of Amazon's.",
        "It looks like eu-central-1.",
    ),
}
SECRET_FORM: Final = Form(
    r"[A-Za-z0-9/+=]{40}",
    "This is not a secret access key of Amazon's.",
    "It has 40 letters, digits, slashes and plus signs. Amazon shows it only once: if it is "
    "lost, make another access key.",
)
_IMAGE = Form(r"ami-[0-9a-f]{8,17}", "This is not an image of Amazon's.", "It begins with ami-.")
_TYPE = Form(
    r"[a-z0-9-]+\.[a-z0-9-]+",
    "This is not an instance type of Amazon's.",
    "It looks like m7a.large.",
)
CLUSTER_FORMS: Final = {
    "region": ACCOUNT_FORMS["region"],
    "master_image": _IMAGE,
    "node_image": _IMAGE,
    "master_type": _TYPE,
    "node_type": _TYPE,
    "network": Form(
        r"(vpc|subnet)-[0-9a-f]{8,17}",
        "This is not a network of Amazon's.",
        "It begins with vpc- or subnet-.",
    ),
}


def missing_library() -> str:
    """What is missing of the SDK, and how to get it."""
    return "" if find_spec("boto3") else f"boto3 is not installed. Run: {INSTALL}"


def account_problems(config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
    """Formats, what is missing beside the rest, and the key file."""
    found = misformed(config, ACCOUNT_FORMS)
    secret = secrets.get("secret_access_key", "")
    if problem := SECRET_FORM.problem(secret):
        found["secret_access_key"] = problem
    if not config.get("use_role"):
        if config.get("access_key_id") and not secret:
            found["secret_access_key"] = InvalidValue(
                "The secret access key is missing.",
                hint="Give the one that belongs to the access key id.",
            )
        if secret and not config.get("access_key_id"):
            found["access_key_id"] = InvalidValue(
                "The access key id is missing.",
                hint="Give the one that belongs to the secret access key, or let the secret "
                "be forgotten.",
            )
    if path := config.get("key_location"):
        try:
            public_half(str(path))
        except InvalidValue as problem:
            found["key_location"] = problem
    return found


def cluster_problems(wanted: ClusterSpec) -> Problems:
    """Formats of images, types, region, zones and network."""
    values = {name: getattr(wanted, name) for name in CLUSTER_FORMS}
    found = misformed(values, CLUSTER_FORMS)
    zone = Form(
        rf"{wanted.region or '[a-z]{2}(-[a-z]+)+-[0-9]{1,2}'}[a-z]",
        "A zone is not one of this region's.",
        "A zone is its region with a letter behind: eu-central-1a.",
    )
    problems = [problem for each in wanted.zones if (problem := zone.problem(each))]
    if problems:
        found["zones"] = problems[0]
    if wanted.resource_group:
        found["resource_group"] = InvalidValue(
            "Amazon has no resource groups that machines are in.", hint="Leave this empty."
        )
    return found


def ssh_key(config: Mapping[str, Any], secrets: Mapping[str, str]) -> KeyFile | None:
    """The file that Key Location names."""
    path = str(config.get("key_location") or "")
    return KeyFile(path, public_half(path)) if path else None


def look_at_account(session: Session, look: Look) -> None:
    """Whether the key is Amazon's, of the account that was typed, and finds the key pair."""
    config, secrets = session.account.config, session.account.secrets
    look.begin("library")
    if missing_library():
        raise CloudError(
            "boto3 is not installed.", hint="Run {install} and restart.", install=INSTALL
        )
    look.well(f"boto3 {_version()} is installed.")
    look.begin("values")
    if not config.get("use_role") and not config.get("access_key_id"):
        raise InvalidValue(
            "No access key was given.",
            hint="Give an access key id with its secret, or use the machine's own role.",
        )
    for problem in account_problems(config, secrets).values():
        raise problem
    look.begin("login")
    identity = session.ask("GetCallerIdentity", session.region, "sts", {})
    look.well(f"Amazon knows the key as {identity['Arn']}.")
    look.begin("account")
    typed, found = str(config.get("user_id") or ""), str(identity["Account"])
    if typed and typed != found:
        raise InvalidValue(
            "The key belongs to the account {found}, not to {typed}.",
            hint="Correct the user id, or give a key of the account that is meant.",
            found=found,
            typed=typed,
        )
    look.well(f"The account is {found}.")
    _look_at_key_pair(session, look)


def _look_at_key_pair(session: Session, look: Look) -> None:
    name = str(session.account.config.get("key_name") or "")
    path = str(session.account.config.get("key_location") or "")
    look.begin("key pair")
    # Asked even without a name: whoever may not look at key pairs can make no machines.
    asked = {"KeyNames": [name] if name else [], "IncludePublicKey": True}
    answer = session.ask("DescribeKeyPairs", session.region, "ec2", asked)
    if not name:
        look.well(f"EC2 in {session.region} answers; no key pair was named.")
        return
    look.well(f"The key pair “{name}” is in {session.region}.")
    look.begin("key file")
    if not path:
        raise InvalidValue(
            "The key pair was named, but not where its private key is.",
            hint="Give the key location: the .pem file's path on the portal's machine.",
        )
    there = str(answer["KeyPairs"][0].get("PublicKey") or "").split()[:2]
    if there and there != public_half(path).split()[:2]:
        raise InvalidValue(
            "The key in {path} is not that of the key pair “{name}”.",
            hint="Give the .pem file that Amazon gave when this key pair was made.",
            path=path,
            name=name,
        )
    belongs = " and belongs to the key pair" if there else ""
    look.well(f"The key in {path} can be used{belongs}.")


def _version() -> str:
    import boto3

    return str(boto3.__version__)

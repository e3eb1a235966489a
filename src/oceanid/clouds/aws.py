"""Amazon: an account's key, and what can be found with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar, Final

from oceanid.clouds.base import Cloud, Problems
from oceanid.clouds.keyfiles import public_half
from oceanid.clouds.looking import Look, looked
from oceanid.clouds.specs import ClusterSpec, KeyFile
from oceanid.clouds.threads import in_thread
from oceanid.clouds.values import Form, misformed
from oceanid.errors import CloudError, CloudUnavailable, InvalidValue
from oceanid.specs import CheckReport

INSTALL: Final = "pip install 'oceanid[aws]'"
DEFAULT_REGION: Final = "us-east-1"
CONNECT_S: Final = 5
READ_S: Final = 15
TRIES: Final = 2

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


class AmazonCloud(Cloud):
    """Amazon's EC2, by the SDK boto3."""

    name: ClassVar[str] = "amazon"
    title: ClassVar[str] = "Amazon"

    @classmethod
    def is_available(cls) -> str:
        """What is missing of the SDK, and how to get it."""
        return "" if find_spec("boto3") else f"boto3 is not installed. Run: {INSTALL}"

    @classmethod
    def account_problems(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
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

    @classmethod
    def cluster_problems(cls, wanted: ClusterSpec) -> Problems:
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

    @classmethod
    def ssh_key(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> KeyFile | None:
        """The file that Key Location names."""
        path = str(config.get("key_location") or "")
        return KeyFile(path, public_half(path)) if path else None

    async def check(self) -> CheckReport:
        """Whether the key is Amazon's, of the account that was typed, and finds the key pair."""
        return await in_thread(lambda: looked(self._look))

    def _look(self, look: Look) -> None:
        config = self.account.config
        look.begin("library")
        if self.is_available():
            raise CloudError("boto3 is not installed.", hint=f"Run {INSTALL} and restart.")
        look.well(f"boto3 {_version()} is installed.")
        look.begin("values")
        if not config.get("use_role") and not config.get("access_key_id"):
            raise InvalidValue(
                "No access key was given.",
                hint="Give an access key id with its secret, or use the machine's own role.",
            )
        for problem in self.account_problems(config, self.account.secrets).values():
            raise problem
        look.begin("login")
        identity = self._ask("sts", lambda sts: sts.get_caller_identity())
        look.well(f"Amazon knows the key as {identity['Arn']}.")
        look.begin("account")
        typed, found = str(config.get("user_id") or ""), str(identity["Account"])
        if typed and typed != found:
            raise InvalidValue(
                f"The key belongs to the account {found}, not to {typed}.",
                hint="Correct the user id, or give a key of the account that is meant.",
            )
        look.well(f"The account is {found}.")
        self._look_at_key_pair(look)

    def _look_at_key_pair(self, look: Look) -> None:
        name = str(self.account.config.get("key_name") or "")
        path = str(self.account.config.get("key_location") or "")
        look.begin("key pair")
        # Asked even without a name: whoever may not look at key pairs can make no machines.
        names = [name] if name else []
        answer = self._ask(
            "ec2", lambda ec2: ec2.describe_key_pairs(KeyNames=names, IncludePublicKey=True)
        )
        if not name:
            look.well(f"EC2 in {self._region} answers; no key pair was named.")
            return
        look.well(f"The key pair “{name}” is in {self._region}.")
        look.begin("key file")
        if not path:
            raise InvalidValue(
                "The key pair was named, but not where its private key is.",
                hint="Give the key location: the .pem file's path on the portal's machine.",
            )
        there = str(answer["KeyPairs"][0].get("PublicKey") or "").split()[:2]
        if there and there != public_half(path).split()[:2]:
            raise InvalidValue(
                f"The key in {path} is not that of the key pair “{name}”.",
                hint="Give the .pem file that Amazon gave when this key pair was made.",
            )
        belongs = " and belongs to the key pair" if there else ""
        look.well(f"The key in {path} can be used{belongs}.")

    @property
    def _region(self) -> str:
        return str(self.account.config.get("region") or DEFAULT_REGION)

    def _ask(self, service: str, question: Callable[[Any], Any]) -> Any:
        """Ask a service; what goes wrong is told with its cure."""
        import boto3
        from botocore.config import Config

        config = self.account.config
        keys: dict[str, Any] = {}
        if not config.get("use_role"):
            keys = {
                "aws_access_key_id": config.get("access_key_id"),
                "aws_secret_access_key": self.account.secrets.get("secret_access_key"),
            }
        with _told(service, self._region):
            client = boto3.Session(region_name=self._region, **keys).client(
                service,  # type: ignore[call-overload]
                endpoint_url=config.get("endpoint_url") or None,
                config=Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=READ_S,
                    retries={"mode": "standard", "total_max_attempts": TRIES},
                    user_agent_extra="oceanid",
                ),
            )
            try:
                return question(client)
            finally:
                client.close()


_CURES: Final[Mapping[str, tuple[str, str]]] = {
    "InvalidClientTokenId": (
        "Amazon does not know this access key id.",
        "Look in IAM under Users → Security credentials whether it is there and active.",
    ),
    "AuthFailure": (
        "Amazon does not accept the key in this region.",
        "Look in the console's account settings whether the region is switched on.",
    ),
    "SignatureDoesNotMatch": (
        "The secret access key does not belong to the access key id, or the clock of this "
        "machine is wrong.",
        "Give the secret again; if it is lost, make another access key.",
    ),
    "RequestExpired": (
        "The clock of this machine is wrong.", "Set it by NTP: timedatectl set-ntp true",
    ),
    "InvalidKeyPair.NotFound": (
        "There is no key pair of this name in the region.",
        "Look in the EC2 console, at the right region, under Key Pairs.",
    ),
    "OptInRequired": (
        "The account is not signed up for EC2, or not for this region.",
        "Finish the sign-up in the AWS console, or switch the region on.",
    ),
    "RequestLimitExceeded": ("Amazon is asked too often.", "Wait a minute and test again."),
    "Throttling": ("Amazon is asked too often.", "Wait a minute and test again."),
}  # fmt: skip
_DENIED: Final = {"AccessDenied", "UnauthorizedOperation", "AccessDeniedException"}
_RIGHTS: Final = {"sts": "sts:GetCallerIdentity", "ec2": "ec2:DescribeKeyPairs"}


@contextmanager
def _told(service: str, region: str) -> Iterator[None]:
    from botocore import exceptions as them

    try:
        yield
    except them.ClientError as problem:
        code = problem.response.get("Error", {}).get("Code", "")
        if code in _DENIED:
            raise CloudError(
                "The key may not do this.", hint=f"Allow {_RIGHTS[service]} in its IAM policy."
            ) from problem
        said = problem.response.get("Error", {}).get("Message", "")
        message, hint = _CURES.get(code, (f"Amazon refused: {said} ({code})", ""))
        raise CloudError(message, hint=hint) from problem
    except (them.NoCredentialsError, them.CredentialRetrievalError) as problem:
        raise CloudError(
            "This machine has no role of its own.",
            hint="Give the instance a role in the EC2 console, or give an access key here.",
        ) from problem
    except (them.ConnectionError, them.HTTPClientError) as problem:
        raise CloudUnavailable(
            f"Amazon's {service.upper()} in {region} could not be reached.",
            hint="The portal's machine must reach it over HTTPS (port 443), directly or by the "
            "proxy in HTTPS_PROXY; and the region must exist.",
        ) from problem
    except them.BotoCoreError as problem:
        raise CloudError(f"Amazon's library refused: {problem}") from problem


def _version() -> str:
    import boto3

    return str(boto3.__version__)

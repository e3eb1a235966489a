"""Azure: an account's certificate, and what can be found with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Final

from oceanid.clouds.base import Cloud, Problems
from oceanid.clouds.keyfiles import certificate, expired, public_half
from oceanid.clouds.looking import Look, looked
from oceanid.clouds.specs import ClusterSpec, KeyFile
from oceanid.clouds.threads import in_thread
from oceanid.clouds.values import Form, misformed, uuid_form
from oceanid.errors import CloudError, CloudUnavailable, InvalidValue
from oceanid.specs import CheckReport

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

INSTALL: Final = "pip install 'oceanid[azure]'"
AUTHORITY: Final = "https://login.microsoftonline.com"
ENDPOINT: Final = "https://management.azure.com"
CONNECT_S: Final = 5
READ_S: Final = 15
SOON_DAYS: Final = 30

_REGISTRATION = "on the app registration's Overview page"
ACCOUNT_FORMS: Final = {
    "subscription_id": uuid_form("a subscription id", "in the Azure portal under Subscriptions"),
    "tenant_id": uuid_form("a tenant id", f"{_REGISTRATION} as Directory (tenant) ID"),
    "client_id": uuid_form("a client id", f"{_REGISTRATION} as Application (client) ID"),
    "region": Form(
        r"[a-z][a-z0-9]{2,40}", "This is not a region of Azure's.", "It looks like westeurope."
    ),
}
_IMAGE = Form(
    r"[^\s:/]+(:[^\s:/]+){3}|/subscriptions/\S+/images/\S+",
    "This is not an image of Azure's.",
    "It looks like Debian:debian-13:13-gen2:latest, or is the whole id of an image of your own.",
)
_TYPE = Form(
    r"[A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+", "This is not a size of Azure's.",
    "It looks like Standard_D2as_v5.",
)  # fmt: skip
CLUSTER_FORMS: Final = {
    "region": ACCOUNT_FORMS["region"],
    "master_image": _IMAGE,
    "node_image": _IMAGE,
    "master_type": _TYPE,
    "node_type": _TYPE,
    "network": Form(
        r"/subscriptions/\S+/virtualNetworks/\S+",
        "This is not a network of Azure's.",
        "It is the whole id of a virtual network or of a subnet, as its Properties page shows it.",
    ),
    "resource_group": Form(
        r"[\w().-]{0,89}[\w()-]", "This is not the name of a resource group.",
        "It has at most 90 letters, digits, dots, hyphens, underscores and brackets.",
    ),
}  # fmt: skip
REQUIRED: Final = {
    "subscription_id": "subscription id",
    "certificate_path": "certificate path",
    "tenant_id": "tenant id",
    "client_id": "client id",
}
LIBRARIES: Final = ("azure.identity", "azure.mgmt.resource.subscriptions")


class AzureCloud(Cloud):
    """Azure, by Microsoft's own SDKs."""

    name: ClassVar[str] = "azure"
    title: ClassVar[str] = "Azure"

    @classmethod
    def is_available(cls) -> str:
        """What is missing of the SDKs, and how to get them."""
        if all(map(_is_there, LIBRARIES)):
            return ""
        return f"Azure's libraries are not installed. Run: {INSTALL}"

    @classmethod
    def account_problems(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
        """Formats, and the certificate's file."""
        found = misformed(config, ACCOUNT_FORMS)
        path = str(config.get("certificate_path") or "")
        if path:
            try:
                there = certificate(path, secrets.get("certificate_password", ""))
                if problem := expired(there, path):
                    found["certificate_path"] = problem
            except InvalidValue as problem:
                name = "certificate_path"
                if "password" in problem.message:
                    name = "certificate_password"
                found[name] = problem
        return found

    @classmethod
    def account_remarks(
        cls, config: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Until when the certificate is good."""
        path = str(config.get("certificate_path") or "")
        return (_good_until(path, secrets),) if path else ()

    @classmethod
    def cluster_problems(cls, wanted: ClusterSpec) -> Problems:
        """Formats of images, sizes, region, zones, network and group."""
        values = {name: getattr(wanted, name) for name in CLUSTER_FORMS}
        found = misformed(values, CLUSTER_FORMS)
        if any(not re.fullmatch(r"[1-9]", zone) for zone in wanted.zones):
            found["zones"] = InvalidValue(
                "A zone is not one of Azure's.", hint="They are numbers: 1, 2, 3."
            )
        return found

    @classmethod
    def ssh_key(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> KeyFile | None:
        """The RSA key in the file that Certificate Path names."""
        path = str(config.get("certificate_path") or "")
        password = secrets.get("certificate_password", "")
        return KeyFile(path, public_half(path, password), password) if path else None

    async def check(self) -> CheckReport:
        """Whether the certificate opens the tenant, and the subscription can be read."""
        return await in_thread(lambda: looked(self._look))

    def _look(self, look: Look) -> None:
        config, secrets = self.account.config, self.account.secrets
        look.begin("library")
        if self.is_available():
            raise CloudError(
                "Azure's libraries are not installed.", hint=f"Run {INSTALL} and restart."
            )
        look.well("Azure's libraries are installed.")
        look.begin("values")
        for name, told in REQUIRED.items():
            if not config.get(name):
                raise InvalidValue(f"The {told} is missing.", hint="Give it and save.")
        for problem in self.account_problems(config, secrets).values():
            raise problem
        look.begin("certificate")
        look.well(_good_until(str(config["certificate_path"]), secrets))
        self._ask(look)

    def _ask(self, look: Look) -> None:
        from azure.identity import CertificateCredential
        from azure.mgmt.resource.subscriptions import SubscriptionClient

        config = self.account.config
        authority = str(config.get("authority") or AUTHORITY)
        endpoint = str(config.get("endpoint") or ENDPOINT)
        limits: dict[str, Any] = {
            "connection_timeout": CONNECT_S, "read_timeout": READ_S, "retry_total": 1,
            "retry_backoff_factor": 0.2,
        }  # fmt: skip
        scope = f"{endpoint}/.default"
        credential = CertificateCredential(
            str(config["tenant_id"]),
            str(config["client_id"]),
            str(config["certificate_path"]),
            password=self.account.secrets.get("certificate_password") or None,
            authority=authority,
            disable_instance_discovery=authority != AUTHORITY,
            **limits,
        )
        with credential:
            look.begin("token")
            with _told(_TOKEN_CURES):
                credential.get_token(scope)
            look.well("Azure's tenant knows the app and its certificate.")
            look.begin("subscription")
            wanted = str(config["subscription_id"])
            client = SubscriptionClient(
                credential, base_url=endpoint, credential_scopes=[scope], **limits
            )
            with client, _told(_ARM_CURES):
                found = client.subscriptions.get(wanted)
        state = getattr(found, "state", "") or ""
        state = str(getattr(state, "value", state))  # an enum, or a word that the SDK lacks
        name = getattr(found, "display_name", "") or wanted
        if state not in ("Enabled", ""):
            raise CloudError(
                f"The subscription “{name}” is {state}.",
                hint="Make it active again in the Azure portal under Subscriptions.",
            )
        look.well(f"The subscription “{name}” can be read.")


_TOKEN_CURES: Final[Mapping[str, tuple[str, str]]] = {
    "AADSTS700016": (
        "The tenant has no app registration of this client id.",
        "Compare client id and tenant id with the app registration's Overview page.",
    ),
    "AADSTS90002": (
        "There is no tenant of this id.",
        "Compare it with Directory (tenant) ID on the app registration's Overview page.",
    ),
    "AADSTS700027": (
        "The app registration does not know this certificate.",
        "Upload its public half in the app registration under Certificates & secrets.",
    ),
    "AADSTS700024": (
        "The clock of this machine is wrong.", "Set it by NTP: timedatectl set-ntp true",
    ),
    "AADSTS7000222": (
        "The certificate is past its time.",
        "Make a new one and upload it in the app registration.",
    ),
    "AADSTS7000112": (
        "The app registration is switched off.",
        "Switch it on in the Azure portal under Enterprise applications.",
    ),
}  # fmt: skip
_ARM_CURES: Final[Mapping[str, tuple[str, str]]] = {
    "SubscriptionNotFound": (
        "There is no subscription of this id, or the app has no role in it.",
        "Compare it with the Azure portal; give the app a role there under Access control (IAM).",
    ),
    "AuthorizationFailed": (
        "The app may not read the subscription.",
        "Give it a role there in the Azure portal under Access control (IAM).",
    ),
    "InvalidSubscriptionId": (
        "This is not a subscription id.", "Copy it from the Azure portal under Subscriptions.",
    ),
    "InvalidAuthenticationTokenTenant": (
        "The subscription belongs to another tenant.",
        "Give the tenant id of the subscription's directory.",
    ),
}  # fmt: skip


@contextmanager
def _told(cures: Mapping[str, tuple[str, str]]) -> Iterator[None]:
    """Tell what goes wrong with its cure."""
    from azure.core import exceptions as them

    try:
        yield
    except them.AzureError as problem:
        raise _meant(problem, cures) from problem


def _meant(problem: AzureError, cures: Mapping[str, tuple[str, str]]) -> CloudError:
    if _is_network(problem):
        return CloudUnavailable(
            "Azure could not be reached.",
            hint="The portal's machine must reach login.microsoftonline.com and "
            "management.azure.com over HTTPS (port 443), directly or by the proxy in "
            "HTTPS_PROXY.",
        )
    said = str(getattr(problem, "message", "") or problem)
    code = str(getattr(getattr(problem, "error", None), "code", "") or "")
    for known, (message, hint) in cures.items():
        if known == code or re.search(rf"\b{known}\b", said):
            return CloudError(message, hint=hint)
    if getattr(problem, "status_code", None) == 429:
        return CloudError("Azure is asked too often.", hint="Wait a minute and test again.")
    return CloudError(f"Azure refused: {said.splitlines()[0][:500]}")


def _is_network(problem: BaseException) -> bool:
    """Whether it is, or came of, an answer that did not arrive: azure-identity tells of that as
    of a refusal."""
    from azure.core import exceptions as them

    one: BaseException | None = problem
    while one is not None:
        if isinstance(one, them.ServiceRequestError | them.ServiceResponseError):
            return True
        one = one.__cause__ or one.__context__
    return False


def _good_until(path: str, secrets: Mapping[str, str]) -> str:
    found = certificate(path, secrets.get("certificate_password", ""))
    days = found.days_left(datetime.now(UTC))
    soon = " Have a new one made in time." if days < SOON_DAYS else ""
    return (
        f"The certificate {found.thumbprint} is good until {found.good_until:%Y-%m-%d}, for "
        f"{days} days.{soon}"
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent of it is not there
        return False

"""A look at an account: whether its certificate opens the tenant, and what it may read."""

from __future__ import annotations

from typing import Any

from oceanid.clouds.azure import values
from oceanid.clouds.azure.refusals import ARM_CURES, TOKEN_CURES, told
from oceanid.clouds.azure.session import Session, new_credential
from oceanid.clouds.looking import Look
from oceanid.errors import CloudError, InvalidValue


def look_at_account(session: Session, look: Look) -> None:
    """Step by step; blocks.

    Raises:
        OceanidError: What is not well; it belongs to the step under way.
    """
    config, secrets = session.account.config, session.account.secrets
    look.begin("library")
    if values.missing_library():
        raise CloudError(
            "Azure's libraries are not installed.",
            hint="Run {install} and restart.",
            install=values.INSTALL,
        )
    look.well("Azure's libraries are installed.")
    look.begin("values")
    for name, words in values.REQUIRED.items():
        if not config.get(name):
            raise InvalidValue("The {words} is missing.", hint="Give it and save.", words=words)
    for problem in values.account_problems(config, secrets).values():
        raise problem
    look.begin("certificate")
    look.well(values.good_until(str(config["certificate_path"]), secrets))
    _ask(session, look)


def _ask(session: Session, look: Look) -> None:
    from azure.mgmt.resource.subscriptions import SubscriptionClient

    limits: dict[str, Any] = {**session.limits, "retry_total": 1, "retry_backoff_factor": 0.2}
    credential = new_credential(session.account, limits)
    with credential:
        look.begin("token")
        with told(TOKEN_CURES):
            credential.get_token(session.scope)
        look.well("Azure's tenant knows the app and its certificate.")
        look.begin("subscription")
        wanted = session.subscription
        client = SubscriptionClient(
            credential, base_url=session.endpoint, credential_scopes=[session.scope], **limits
        )
        with client, told(ARM_CURES):
            found = client.subscriptions.get(wanted)
    state = getattr(found, "state", "") or ""
    state = str(getattr(state, "value", state))  # an enum, or a word that the SDK lacks
    name = getattr(found, "display_name", "") or wanted
    if state not in ("Enabled", ""):
        raise CloudError(
            "The subscription “{name}” is {state}.",
            hint="Make it active again in the Azure portal under Subscriptions.",
            name=name,
            state=state,
        )
    look.well(f"The subscription “{name}” can be read.")

"""Model fields that encrypt what they store."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

from oceanid import conf
from oceanid.errors import InvalidSettings


def cipher() -> MultiFernet:
    """The site's cipher: its own keys when set, else keys derived from SECRET_KEY and its
    fallbacks by HKDF (RFC 5869); the first encrypts, all decrypt."""
    own = conf.current().secret_keys
    if own:
        return MultiFernet([Fernet(key) for key in own])
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(secret: str | bytes) -> bytes:
    material = secret if isinstance(secret, bytes) else secret.encode()
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"oceanid secrets at rest")
    return base64.urlsafe_b64encode(hkdf.derive(material))


if TYPE_CHECKING:
    _TextField = models.TextField[Any, Any]
else:
    _TextField = models.TextField


class EncryptedJSONField(_TextField):
    """A JSON object that stands encrypted in the database and plain in Python.

    Can't be filtered or ordered by. Reading a value that no current key opens raises
    :class:`~oceanid.errors.InvalidSettings` with the cure.
    """

    description = "Encrypted JSON"

    def get_prep_value(self, value: Any) -> str | None:
        if value in (None, "", {}):
            return ""
        return cipher().encrypt(json.dumps(value).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return _opened(value) if value else {}

    def to_python(self, value: Any) -> Any:
        """From a fixture it comes as it stands in the database; see :meth:`value_to_string`."""
        return _opened(value) if isinstance(value, str) and value else value

    def value_to_string(self, obj: Any) -> str:
        """Encrypted: ``dumpdata`` writes nothing that could be read without the site's keys."""
        return self.get_prep_value(self.value_from_object(obj)) or ""


def encrypted_fields(model: type[models.Model]) -> list[str]:
    """The names of a model's encrypted fields: what a list, which shows none, need not read."""
    return [field.name for field in model._meta.concrete_fields
            if isinstance(field, EncryptedJSONField)]  # fmt: skip


def _opened(token: str) -> Any:
    try:
        return json.loads(cipher().decrypt(token.encode()))
    except InvalidToken as problem:
        raise InvalidSettings(
            "A stored secret can't be decrypted with the site's present keys.",
            hint="Put the former key into SECRET_KEY_FALLBACKS or OCEANID['SECRET_KEYS'].",
        ) from problem

"""Who changed what, when and from where; rows are only ever added."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

KEY_LENGTH = 100


class AuditEvent(models.Model):
    """One change that a person made; never the value of a secret.

    It stands by itself: what it tells of, and who did it, may be gone by now.
    """

    ORIGINS = [
        ("page", _("a page")),
        ("admin", _("the site admin")),
        ("api", _("the API")),
        ("cli", _("the command line")),
        ("code", _("an app")),
    ]

    at = models.DateTimeField(_("when"), db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    person = models.CharField(_("who"), max_length=254)
    origin = models.CharField(_("from"), max_length=10, choices=ORIGINS)
    verb = models.CharField(_("did"), max_length=30)
    kind = models.CharField(_("kind"), max_length=50)
    object_id = models.CharField(_("number"), max_length=64, blank=True)
    object_name = models.CharField(_("what"), max_length=250)
    object_key = models.CharField(max_length=KEY_LENGTH, editable=False)
    changes = models.JSONField(_("changes"), default=list)
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit history")
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [
            models.Index("person", "id", name="oceanid_audit_person"),
            models.Index("kind", "id", name="oceanid_audit_kind"),
            models.Index("verb", "id", name="oceanid_audit_verb"),
            models.Index("kind", "verb", "id", name="oceanid_audit_kind_verb"),
            models.Index("person", "kind", "id", name="oceanid_audit_person_kind"),
            models.Index("person", "verb", "id", name="oceanid_audit_person_verb"),
            models.Index("object_id", "id", name="oceanid_audit_object"),
            models.Index("object_key", "id", name="oceanid_audit_key"),
            # A user who goes is looked for here, and most rows of a big site are of few users.
            models.Index("actor", name="oceanid_audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.person}, {self.verb}: {self.object_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append a row.

        Raises:
            TypeError: The row is there already.
        """
        if not self._state.adding:
            raise TypeError("The audit history is never changed.")
        super().save(*args, **kwargs)

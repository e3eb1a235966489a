"""What the histories of schedulers and of clusters have in common."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class History(models.Model):
    """One line: what somebody did (``actor``), or what was noticed; rows are only ever added."""

    kind = models.CharField(max_length=20)
    at = models.DateTimeField(_("when"))
    message = models.TextField(_("what"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        abstract = True
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

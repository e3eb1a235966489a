"""Views of the list of jobs that people saved under a name."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

VIEW_NAME_LENGTH = 100


class SavedView(models.Model):
    """What the address of a list of jobs says, under a name; shared with others or not."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="oceanid_views",
        db_index=False,
    )
    name = models.CharField(_("name"), max_length=VIEW_NAME_LENGTH)
    parameters = models.JSONField(default=dict)
    groups = models.ManyToManyField(
        Group, verbose_name=_("groups"), blank=True, related_name="oceanid_views"
    )
    is_for_everyone = models.BooleanField(_("for everyone"), default=False, db_index=True)
    is_default = models.BooleanField(_("default"), default=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        permissions = [("share_view_with_everyone", _("Can share saved views with everyone"))]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="oceanid_view_name"),
            models.UniqueConstraint(
                fields=["owner"], condition=Q(is_default=True), name="oceanid_view_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name

"""What a person chooses before a calibration starts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from oceanid.models import Scheduler


class CalibrationForm(forms.Form):
    """How many parameter sets to try, shared out among how many processes, and where."""

    sets = forms.IntegerField(
        label="Parameter sets",
        min_value=10,
        max_value=100_000,
        initial=500,
        help_text="Drawn at random. More sets find a better fit, and take longer.",
    )
    processes = forms.IntegerField(
        label="Processes",
        min_value=1,
        max_value=1_000,
        initial=20,
        help_text="They share the sets out; as many run at once as there is room for.",
    )
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        initial=1,
        help_text="The same seed draws the same sets.",
    )
    scheduler = forms.ModelChoiceField(
        label="Run on",
        queryset=Scheduler.objects.none(),
        required=False,
        empty_label="The default scheduler",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["scheduler"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = usable_schedulers(user)

    def clean(self) -> dict[str, Any]:
        """Refuse processes that would have nothing to do."""
        given = super().clean() or {}
        if given.get("processes", 0) > given.get("sets", float("inf")):
            self.add_error("processes", "There can't be more processes than parameter sets.")
        return given


def usable_schedulers(user: User) -> QuerySet[Scheduler]:
    """The schedulers that a person may choose: those without groups, and those of theirs."""
    enabled = Scheduler.objects.filter(enabled=True)
    if user.is_superuser:
        return enabled
    return enabled.filter(Q(groups=None) | Q(groups__in=user.groups.all())).distinct()

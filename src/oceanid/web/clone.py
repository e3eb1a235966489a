"""A new job from an old one: a form with what the person may change, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from oceanid.errors import NotPermitted, OceanidError
from oceanid.jobs.cloning import Cloning, Field
from oceanid.models import Scheduler
from oceanid.models.job import NAME_LENGTH
from oceanid.web.job import found
from oceanid.web.pages import page
from oceanid.web.rendering import render

_PREFIX: Final = "set."
_MOST_SCHEDULERS: Final = 200
_LABELS: Final = {
    "num_jobs": gettext_lazy("Processes"),
    "priority": gettext_lazy("Priority"),
    "scheduler": gettext_lazy("Scheduler"),
    "label": gettext_lazy("Label"),
    "attributes": gettext_lazy("Submit commands"),
    "extended_properties": gettext_lazy("Properties"),
    "max_jobs": gettext_lazy("Most nodes at once, by category"),
    "args": gettext_lazy("Arguments"),
    "kwargs": gettext_lazy("Named arguments"),
}
_HELP: Final = {
    "lines": gettext_lazy("One a line."),
    "json": gettext_lazy("As JSON."),
    "decimal": gettext_lazy("A number, with a point."),
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A field of the form as it is shown."""

    field: Field
    value: str

    @property
    def name(self) -> str:
        """What it is called in the form."""
        return _PREFIX + self.field.name

    @property
    def label(self) -> Any:
        """What a person reads."""
        return _LABELS.get(self.field.name, self.field.name)

    @property
    def is_command(self) -> bool:
        """Whether it is called by its name in the submit language, or in the app's code."""
        return self.field.name not in _LABELS

    @property
    def help(self) -> Any:
        """How it is written."""
        return _HELP.get(self.field.kind, "")

    @property
    def rows(self) -> int:
        """How many lines of it are shown at once."""
        return min(24, max(3, self.value.count("\n") + 2))


@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@page
def clone_page(request: HttpRequest, job_id: int) -> HttpResponse:
    """The form, or the new job; what can't be made is told on the form, with nothing lost."""
    job = found(request, job_id)
    cloning = Cloning(job, request.user)  # type: ignore[arg-type] # a page's person has logged in
    problem: OceanidError | None = None
    if request.method == "POST":
        try:
            return _made(request, cloning)
        except NotPermitted:
            raise
        except OceanidError as wrong:
            problem = wrong
    return render(request, "oceanid/clone.html", _context(request, cloning, problem))


def _made(request: HttpRequest, cloning: Cloning) -> HttpResponse:
    given = {
        key.removeprefix(_PREFIX): value
        for key, value in request.POST.items()
        if key.startswith(_PREFIX) and isinstance(value, str)
    }
    name, description = request.POST.get("name", ""), request.POST.get("description", "")
    made = cloning.make(name.strip(), description.replace("\r\n", "\n"), given)
    if request.POST.get("then") == "save":
        made.save()
        said = _("The job is saved. It waits until you run it.")
    else:
        try:
            made.execute(actor=request.user)
        except OceanidError:
            if made.pk is not None:
                made.delete()  # a workflow is written down before it is looked at as a whole
            raise
        said = _("The new job will run.")
    messages.success(request, said, fail_silently=True)
    return redirect("oceanid:job", job_id=made.pk)


def _context(
    request: HttpRequest, cloning: Cloning, problem: OceanidError | None
) -> dict[str, Any]:
    job, posted = cloning.job, request.POST
    fields = [
        _Shown(field, posted.get(_PREFIX + field.name, field.value)) for field in cloning.fields
    ]
    schedulers: list[str] = []
    if any(each.field.name == "scheduler" for each in fields):
        rows = Scheduler.objects.filter(enabled=True, parent__isnull=True).order_by("name")
        schedulers = list(rows.values_list("name", flat=True)[:_MOST_SCHEDULERS])
    return {
        "job": job,
        "problem": problem,
        "cloning": cloning,
        "fields": fields,
        "schedulers": schedulers,
        "name": posted.get("name", job.name),
        "description": posted.get("description", job.description),
        "most_name": NAME_LENGTH,
    }

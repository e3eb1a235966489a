"""What a person does with saved views of the list of jobs; each is a POST."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from oceanid.errors import OceanidError
from oceanid.services import views
from oceanid.services.asked import Asked
from oceanid.services.views import Sharing
from oceanid.web.pages import page


@require_POST
@csrf_protect
@page
def save(request: HttpRequest) -> HttpResponse:
    """Save what the address asks for under the name that the form gives."""
    asked = Asked.read(request.GET.dict())
    try:
        view = views.save(request.user, request.POST.get("name", ""), asked, _sharing(request))
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
        return _back(asked)
    told = _("The view “%(name)s” is saved.") % {"name": view.name}
    messages.success(request, told, fail_silently=True)
    return _back(asked, view=view.pk)


@require_POST
@csrf_protect
@page
def change(request: HttpRequest, view_id: int) -> HttpResponse:
    """Rename, share, delete a view, or make it the default; and go back to the list."""
    asked = Asked.read(request.GET.dict())
    wanted = request.POST.get("do", "")
    try:
        told = _do(request, view_id, wanted)
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
    else:
        messages.success(request, told, fail_silently=True)
    return _back(asked)


def _do(request: HttpRequest, view_id: int, wanted: str) -> str:
    if view_id >= 2**63:
        raise Http404
    if wanted == "change":
        name = request.POST.get("name", "")
        view = views.change(request.user, view_id, name, _sharing(request))
        return _("The view “%(name)s” is changed.") % {"name": view.name}
    if wanted in ("default", "not-default"):
        is_default = wanted == "default"
        view = views.make_default(request.user, view_id, is_default=is_default)
        if is_default:
            return _("“Jobs” now begins with “%(name)s”.") % {"name": view.name}
        return _("“Jobs” no longer begins with “%(name)s”.") % {"name": view.name}
    if wanted == "delete":
        views.remove(request.user, view_id)
        return _("The view is deleted.")
    raise Http404


def _sharing(request: HttpRequest) -> Sharing:
    given = request.POST.getlist("groups")[:1000]
    groups = [int(each) for each in given if each.isdecimal() and len(each) < 19]
    return Sharing(groups, is_for_everyone=request.POST.get("everyone") == "1")


def _back(asked: Asked, *, view: int | None = None) -> HttpResponse:
    changes = {} if view is None else {"view": str(view)}
    place = {"after": asked.after, "before": asked.before, "at": asked.at}
    return redirect(reverse("oceanid:jobs") + asked.address(**place, **changes))

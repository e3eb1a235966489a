"""What somebody wants to be told of and how, and their webhooks with the log of each."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from oceanid import conf
from oceanid.errors import NotFound, OceanidError
from oceanid.models import Channel, Delivery, NoticeKind
from oceanid.services import keyset, preferences, webhooks
from oceanid.services.keyset import Order, Place
from oceanid.services.telling import mail_address
from oceanid.web.job import found
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render

LOG_SHOWN = 25
SPANS = (
    (0, gettext_lazy("however long")),
    (60, gettext_lazy("1 minute or longer")),
    (300, gettext_lazy("5 minutes or longer")),
    (900, gettext_lazy("15 minutes or longer")),
    (3600, gettext_lazy("1 hour or longer")),
    (14_400, gettext_lazy("4 hours or longer")),
    (86_400, gettext_lazy("1 day or longer")),
)


@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@page
def settings_page(request: HttpRequest) -> HttpResponse:
    """The choice of kinds and channels, and the webhooks; a POST keeps the choice."""
    if request.method == "POST":
        try:
            _save(request)
        except OceanidError as problem:
            messages.error(request, str(problem), fail_silently=True)
        else:
            messages.success(request, _("Your choice is kept."), fail_silently=True)
        return redirect("oceanid:notice-settings")
    return render(request, "oceanid/notice_settings.html", _context(request))


@require_POST
@csrf_protect
@page
def add_webhook(request: HttpRequest) -> HttpResponse:
    """Make a webhook, and show its secret: this once, on no other page."""
    url = request.POST.get("url", "")
    try:
        hook, secret = webhooks.create(_person(request), url)
    except OceanidError as problem:
        context = _context(request) | {"url": url[:2000], "problem": problem}
        return render(request, "oceanid/notice_settings.html", context, status=400)
    context = {"hook": hook, "secret": secret}
    return render(request, "oceanid/webhook_made.html", context)


@require_safe
@page
def webhook_page(request: HttpRequest, pk: int) -> HttpResponse:
    """A webhook and what was sent to it; or, for htmx, the log alone."""
    hook = _one(request, pk)
    log = Delivery.objects.filter(webhook=hook)
    place = Place(after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    rows = keyset.page(log, order=Order("id", descending=True), place=place, size=LOG_SHOWN)
    context = {
        "hook": hook,
        "log": rows,
        "is_busy": any(each.state in ("OPE", "WAI") for each in rows.rows),
        "here": request.get_full_path(),
    }
    if is_fragment(request):
        return render(request, "oceanid/parts/webhook_log.html", context)
    return render(request, "oceanid/webhook.html", context)


@require_POST
@csrf_protect
@page
def webhook_action(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Test a webhook, switch it on or off, or remove it."""
    hook, person = _one(request, pk), _person(request)
    try:
        if verb == "test":
            webhooks.test(person, hook.pk)
            told = _("A test is on its way; the log says what comes of it.")
        elif verb in ("enable", "disable"):
            webhooks.switch(person, hook.pk, enabled=verb == "enable")
            told = _("It is switched on.") if verb == "enable" else _("It is switched off.")
        elif verb == "delete":
            webhooks.delete(person, hook.pk)
            messages.success(request, _("The webhook is removed."), fail_silently=True)
            return redirect("oceanid:notice-settings")
        else:
            raise Http404
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
    else:
        messages.success(request, told, fail_silently=True)
    return redirect("oceanid:webhook", pk=hook.pk)


@require_POST
@csrf_protect
@page
def watch(request: HttpRequest, job_id: int) -> HttpResponse:
    """Tell somebody when this job ends, or don't."""
    job = found(request, job_id)
    wanted = request.POST.get("wanted") == "1"
    try:
        preferences.watch(request.user, job, wanted=wanted)
    except NotFound:
        raise
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
    else:
        told = _("You will be told when it ends.") if wanted else _("You won't be told of its end.")
        messages.success(request, told, fail_silently=True)
    return redirect("oceanid:job", job_id=job.pk)


def _save(request: HttpRequest) -> None:
    kept, offered = preferences.of(request.user), {value for value, _label in _offered()}
    # What the form does not offer now stays as it was chosen.
    channels = {kind: list(kept.of(kind) - offered) for kind in NoticeKind.values}
    for chosen in request.POST.getlist("tell"):
        kind, _dot, channel = chosen.partition(".")
        channels.setdefault(kind, []).append(channel)
    given = request.POST.get("min_run_s", "")
    is_number = given.isascii() and given.isdecimal() and len(given) < 12
    preferences.save(_person(request), channels, min_run_s=int(given) if is_number else -1)


def _context(request: HttpRequest) -> dict[str, Any]:
    user, settings = request.user, conf.current().notifications
    preference = preferences.of(user)
    offered = _offered()
    rows = [
        {
            "kind": kind.value,
            "label": kind.label,
            "cells": [
                {"channel": value, "label": label, "chosen": value in preference.of(kind.value)}
                for value, label in offered
            ],
        }
        for kind in NoticeKind
    ]
    spans: list[tuple[int, Any]] = list(SPANS)
    if preference.min_run_s not in dict(SPANS):
        spans.append((preference.min_run_s, f"{preference.min_run_s} s"))
    return {
        "rows": rows,
        "offered": offered,
        "spans": spans,
        "min_run_s": preference.min_run_s,
        "address": mail_address(user),
        "last_mail": _last_mail(user) if settings.email else None,
        "emails": settings.email,
        "may_have_webhooks": settings.webhooks,
        "hooks": webhooks.of(user) if settings.webhooks else [],
        "most_hooks": webhooks.MOST,
    }


def _offered() -> list[tuple[str, Any]]:
    """The channels that this site has."""
    settings = conf.current().notifications
    return [
        (channel.value, channel.label)
        for channel in Channel
        if (channel is not Channel.EMAIL or settings.email)
        and (channel is not Channel.WEBHOOK or settings.webhooks)
    ]


def _last_mail(user: Any) -> Delivery | None:
    mails = Delivery.objects.filter(user=user.pk, channel=Channel.EMAIL, ended_at__isnull=False)
    return mails.order_by("-ended_at").first()


def _one(request: HttpRequest, pk: int) -> Any:
    if pk >= 2**63:
        raise Http404
    return webhooks.one(request.user, pk)


def _person(request: HttpRequest) -> Any:
    return request.user

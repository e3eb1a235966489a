"""What somebody was told: the bell of every page, the list, and what they have read."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from oceanid.models import Notice
from oceanid.services import keyset, notices
from oceanid.services.keyset import Order, Place
from oceanid.web.pages import page
from oceanid.web.rendering import render

SHOWN = 30
LONGEST_NUMBER = 18


@require_safe
@page
def notice_list(request: HttpRequest) -> HttpResponse:
    """The notices, the newest first; all of them, or those that were not read."""
    mine = Notice.objects.filter(user=request.user.pk)
    is_all = request.GET.get("show") == "all"
    if not is_all:
        mine = mine.filter(read_at__isnull=True)
    place = Place(after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    rows = keyset.page(mine, order=Order("id", descending=True), place=place, size=SHOWN)
    newest = rows.rows[0].pk if rows.rows else 0
    context = {
        "notices": rows,
        "is_all": is_all,
        "newest": newest,
        "has_unread": any(each.read_at is None for each in rows.rows),
    }
    return render(request, "oceanid/notices.html", context)


@require_safe
@page
def bell(request: HttpRequest) -> HttpResponse:
    """The bell with its count; one query for the count."""
    return render(request, "oceanid/parts/bell.html", {"unread": notices.unread(request.user)})


@require_POST
@csrf_protect
@page
def mark_read(request: HttpRequest) -> HttpResponse:
    """Somebody has read one notice, or all up to one that they saw."""
    until, one = _number(request, "until"), _number(request, "notice")
    if one is not None:
        notices.mark_read(request.user, [one])
    elif until is not None:
        notices.mark_read(request.user, until=until)
    address = redirect("oceanid:notices")
    if request.POST.get("show") == "all":
        address["Location"] += "?show=all"
    return address


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.POST.get(name, "")
    is_number = given.isascii() and given.isdecimal() and len(given) <= LONGEST_NUMBER
    return int(given) if is_number else None

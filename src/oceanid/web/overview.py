"""The overview: what runs where, how the day went, and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from oceanid.services import beats, hearing, overview, policy, prices
from oceanid.states import ClusterWanted
from oceanid.templatetags.oceanid_clusters import prices_told
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render

SPAN_WORDS = {
    "hour": (gettext_lazy("Hour"), gettext_lazy("in the last hour")),
    "day": (gettext_lazy("Day"), gettext_lazy("in the last 24 hours")),
    "week": (gettext_lazy("Week"), gettext_lazy("in the last 7 days")),
}
REASON_WORDS = {
    "exit-code": gettext_lazy("The program returned an error"),
    "signal": gettext_lazy("The program was ended by a signal"),
    "missing-file": gettext_lazy("An input file was missing"),
    "missing-input": gettext_lazy("An input file was missing"),
    "refused": gettext_lazy("The scheduler refused it"),
    "removed": gettext_lazy("It was removed at the scheduler"),
    "outputs-lost": gettext_lazy("Its outputs were lost"),
    "disk-full": gettext_lazy("The disk was full"),
    "lost": gettext_lazy("Its process was lost"),
    "unknown": gettext_lazy("No reason was told"),
}
HELD_WORDS = {
    "": gettext_lazy("Its processes have reasons of their own"),
    "held-by-hand": gettext_lazy("Somebody held it by hand"),
    "job-policy": gettext_lazy("Its own policy held it"),
    "system-policy": gettext_lazy("The pool's policy held it"),
    "machine-policy": gettext_lazy("The machine held it"),
    "credential": gettext_lazy("Its credential is missing or has expired"),
    "cannot-start": gettext_lazy("Its program can't be started"),
    "input": gettext_lazy("An input file can't be opened"),
    "output": gettext_lazy("An output file can't be opened"),
    "transfer": gettext_lazy("The transfer of its files broke off"),
    "input-transfer": gettext_lazy("Its inputs can't be sent to the machine"),
    "output-transfer": gettext_lazy("Its outputs can't be brought back"),
    "memory-limit": gettext_lazy("It used more memory than it asked for"),
}


@require_safe
@page
def home(request: HttpRequest) -> HttpResponse:
    """The overview; as a fragment its parts, for a page that shows them already."""
    sees_all = policy.sees_all(request.user)
    scope = request.GET.get("scope", "")
    if scope not in ("mine", "all"):
        scope = "all" if sees_all else "mine"
    span = request.GET.get("span", "")
    if span not in overview.SPANS:
        span = "day"
    found = overview.read(request.user, scope=scope, span=overview.SPANS[span])
    context: dict[str, Any] = {
        "overview": found,
        "scope": scope,
        "span": span,
        "spans": [
            {"name": name, "word": words[0], "address": _address(scope, name)}
            for name, words in SPAN_WORDS.items()
        ],
        "span_words": SPAN_WORDS[span][1],
        "scopes": {each: _address(each, span) for each in ("mine", "all")},
        "sees_all": sees_all,
        "here": _address(scope, span),
        "reasons": _bars(found.reasons),
        "held_for": _bars(found.held_for, HELD_WORDS),
        "read_at": timezone.now(),
        "prices_told": _prices(found),
        "is_fragment": is_fragment(request),
    }
    if is_fragment(request):
        return render(request, "oceanid/parts/overview.html", context)
    context |= {"last_event": hearing.newest(), "is_supervised": beats.is_alive()}
    return render(request, "oceanid/overview.html", context)


def _prices(found: overview.Overview) -> list[Any]:
    """Of when the prices are by which the shown costs are reckoned, of each cloud once."""
    clouds = {
        each.account.cloud for each in found.clusters if each.wanted != ClusterWanted.PREPARED
    }
    in_use = prices.all_in_use() if clouds else {}
    told = {prices_told(in_use.get(cloud), cloud): None for cloud in sorted(clouds)}
    return list(told)


def _bars(
    reasons: Sequence[overview.Reason], words: Mapping[str, Any] = REASON_WORDS
) -> list[dict[str, Any]]:
    """Reasons in words, the most common with the longest bar."""
    most = max([1, *(each.count for each in reasons)])
    return [
        {
            "word": _word(each.code, words),
            "count": each.count,
            "share": max(1, round(100 * each.count / most)),
        }
        for each in reasons
    ]


def _word(code: str, words: Mapping[str, Any]) -> str:
    """A reason's code as words; one that nobody has words for is told as it is."""
    known = words.get(code) or REASON_WORDS.get(code)
    return str(known) if known else code.replace("-", " ").capitalize() or _("No reason was told")


def _address(scope: str, span: str) -> str:
    return "?" + urlencode({"scope": scope, "span": span})

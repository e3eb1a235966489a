"""The portal's home page."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import AppConfig
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from oceanid.portal.apps import shown_apps


@dataclass(frozen=True, slots=True)
class Card:
    """One app as the home page shows it."""

    title: str
    about: str
    address: str


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show the apps, and the ways to jobs and administration."""
    cards = [_card(config) for config in shown_apps()]
    return render(request, "oceanid_portal/home.html", {"cards": cards})


def _card(config: AppConfig) -> Card:
    about = str(getattr(config, "description", "") or "")
    return Card(str(config.verbose_name), about, f"/apps/{config.label}/")

"""The portal's doors: after some wrong passwords, a person or a machine has to wait."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger("oceanid.portal")

WINDOW_S = 300
MOST_OF_ONE = 8
"""Wrong passwords from one address for one name: others can't lock that person out."""
MOST_OF_ADDRESS = 60
"""Wrong passwords from one address, whatever the names."""
TOO_MANY = "too-many"


class Patience:
    """How many tries a name and an address have left; of this web server's process only."""

    def __init__(self, address: str, name: str) -> None:
        person = hashlib.sha256(name.casefold().encode()).hexdigest()[:32]
        self._limits = {
            f"oceanid-door-{address}-{person}": MOST_OF_ONE,
            f"oceanid-door-{address}": MOST_OF_ADDRESS,
        }

    def is_over(self) -> bool:
        """Whether no password is looked at now."""
        return any(int(cache.get(key, 0)) >= most for key, most in self._limits.items())

    def count_failure(self) -> None:
        """Remember a wrong password for a while."""
        for key in self._limits:
            if not cache.add(key, 1, WINDOW_S):
                try:
                    cache.incr(key)
                except ValueError:  # it has just been forgotten
                    cache.add(key, 1, WINDOW_S)

    def forget(self) -> None:
        """Somebody came in: their own count begins anew."""
        cache.delete(next(iter(self._limits)))


class LimitedForm(AuthenticationForm):
    """Asks for a name and a password, and looks at only so many wrong ones."""

    error_messages = {
        **AuthenticationForm.error_messages,
        TOO_MANY: _("Too many wrong passwords. Wait five minutes, then try again."),
    }

    def clean(self) -> dict[str, Any]:
        """Check the password, unless there were too many wrong ones.

        Raises:
            ValidationError: It is wrong, or was not looked at.
        """
        name = str(self.cleaned_data.get("username") or "")
        patience = Patience(_address(self.request), name)
        if patience.is_over():
            logger.warning("Too many wrong passwords.", extra={"action": "login.limited"})
            raise ValidationError(self.error_messages[TOO_MANY], code=TOO_MANY)
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            patience.count_failure()
            raise
        patience.forget()
        return cleaned


class LimitedAdminForm(LimitedForm, AdminAuthenticationForm):
    """The same for the site admin's door; both share their counts."""

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        TOO_MANY: LimitedForm.error_messages[TOO_MANY],
    }


class Door(LoginView):
    """The portal's login page."""

    template_name = "oceanid_portal/login.html"
    authentication_form = LimitedForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show what was wrong; 429 when it was not looked at."""
        response = super().form_invalid(form)
        if form.has_error("__all__", TOO_MANY):
            response.status_code = 429
            response.headers["Retry-After"] = str(WINDOW_S)
        return response


def _address(request: HttpRequest | None) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""

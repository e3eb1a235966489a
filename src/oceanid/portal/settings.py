"""Django's settings of the embedded portal; a site of one's own may import them and go on."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from oceanid import logs
from oceanid.home import Home
from oceanid.portal.database import configuration

HOME = Home.resolve().make()
FILE: dict[str, Any] = dict(HOME.settings())


def _listed(variable: str, key: str) -> list[str]:
    """Words of an environment variable, separated by commas, and those of settings.toml."""
    words = [word.strip() for word in os.environ.get(variable, "").split(",")]
    return [word for word in [*words, *map(str, FILE.get(key, []))] if word]


BASE_DIR = HOME.path
SECRET_KEY = os.environ.get("OCEANID_SECRET_KEY") or HOME.secret_key()
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", *_listed("OCEANID_HOSTS", "hosts")]
CSRF_TRUSTED_ORIGINS = _listed("OCEANID_ORIGINS", "origins")
ROOT_URLCONF = "oceanid.portal.urls"
ASGI_APPLICATION = "oceanid.portal.asgi.application"

PORTAL_APPS = _listed("OCEANID_APPS", "apps")
INSTALLED_APPS = [
    "oceanid.portal.apps.PortalConfig",
    "oceanid",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "servestatic",
    "django_htmx",
    *[name for name in dict.fromkeys(PORTAL_APPS) if find_spec(name.split(".")[0]) is not None],
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "oceanid.portal.security.SecurityHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_ADDRESS = os.environ.get("OCEANID_DATABASE") or os.environ.get("DATABASE_URL", "")
DATABASES = {"default": configuration(DATABASE_ADDRESS, default=HOME.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# Two portals on one machine's different ports share a browser's cookie jar.
SESSION_COOKIE_NAME = "oceanid_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "oceanid.portal.errors.forgery"
SECURE_REFERRER_POLICY = "same-origin"
if FILE.get("https", os.environ.get("OCEANID_HTTPS") == "1"):
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000

LANGUAGE_CODE = str(FILE.get("language", "en"))
TIME_ZONE = str(FILE.get("time_zone", "UTC"))
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = HOME.path / "static"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = False
SERVESTATIC_USE_STATIC_ROOT = False
SERVESTATIC_USE_MANIFEST = False
SERVESTATIC_ALLOW_ALL_ORIGINS = False
SERVESTATIC_MAX_AGE = 60

LOGGING = logs.configuration(os.environ.get("OCEANID_LOG_LEVEL", "INFO").upper())
OCEANID = {"DATA_DIR": str(HOME.data), **FILE.get("OCEANID", {})}
MAIL: dict[str, Any] = dict(FILE.get("email", {}))
EMAIL_HOST = str(MAIL.get("host", ""))
EMAIL_USE_SSL = MAIL.get("security") == "ssl"
EMAIL_USE_TLS = MAIL.get("security", "starttls") == "starttls"
EMAIL_PORT = int(MAIL.get("port", 465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25))
EMAIL_HOST_USER = str(MAIL.get("user", ""))
EMAIL_HOST_PASSWORD = os.environ.get("OCEANID_EMAIL_PASSWORD") or str(MAIL.get("password", ""))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = str(MAIL.get("from", "oceanid@localhost"))
if not EMAIL_HOST:
    # Nobody has said which server takes e-mails, so none are offered.
    OCEANID["NOTIFICATIONS"] = {"EMAIL": False, **OCEANID.get("NOTIFICATIONS", {})}
if os.environ.get("OCEANID_BASE_URL"):
    OCEANID.setdefault("BASE_URL", os.environ["OCEANID_BASE_URL"])

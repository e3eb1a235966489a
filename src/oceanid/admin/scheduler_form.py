"""The forms of scheduler records; secrets go in and never come out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from oceanid.admin.secret_fields import SecretTextarea, secret_field
from oceanid.engines.htcondor.shell import Target
from oceanid.engines.registry import installed
from oceanid.errors import EngineError
from oceanid.models import Scheduler

if TYPE_CHECKING:
    _Form = forms.ModelForm[Scheduler]
else:
    _Form = forms.ModelForm

OPTIONS: Final = (
    "host", "port", "user", "key_path", "use_agent", "host_key", "proxy_jump",
    "proxy_jump_host_key", "directory", "allow_scripts",
)  # fmt: skip
"""Options of the record that have a field of their own; the others stand in the JSON object."""

SECRETS: Final = ("private_key", "passphrase", "password")


class _WithSecrets(_Form):
    """What the two forms share: options and secrets of an SSH account."""

    user = forms.CharField(label=_("User name"), required=False, max_length=100)
    key_path = forms.CharField(
        label=_("Scheduler Key Location"),
        required=False,
        max_length=500,
        help_text=_("The private key's path on the portal's machine."),
    )
    private_key = secret_field(
        _("Private key"),
        _("Or the key itself, stored encrypted and never shown; left blank it stays as it is."),
        is_text=True,
    )
    passphrase = secret_field(_("Key passphrase"), _("Left blank it stays as it is."))

    shown: tuple[str, ...] = ("user", "key_path")
    secret: tuple[str, ...] = ("private_key", "passphrase")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config = self.instance.config or {}
        for name in self.shown:
            if name in config:
                self.initial.setdefault(name, config[name])

    def options(self, others: dict[str, Any]) -> dict[str, Any]:
        """The record's options: those of the fields that are filled in, and the others."""
        found = {name: self.cleaned_data.get(name) for name in self.shown}
        return others | {name: value for name, value in found.items() if value}

    def given_secrets(self) -> dict[str, str]:
        """The secrets that were typed in."""
        found = {name: self.cleaned_data.get(name) or "" for name in self.secret}
        return {name: value for name, value in found.items() if value}

    def clean(self) -> dict[str, Any]:
        """A key that opens, found out here rather than at the first connection."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        key, passphrase = cleaned.get("private_key"), cleaned.get("passphrase")
        if key:
            try:
                from oceanid.engines.htcondor.shell.keys import public_half

                public_half(key, passphrase or "")
            except ImportError:
                self.add_error("private_key", _("SSH needs asyncssh: pip install 'oceanid[ssh]'."))
            except EngineError as problem:
                self.add_error("private_key", str(problem))
        return cleaned


class SchedulerForm(_WithSecrets):
    """A scheduler record."""

    engine = forms.ChoiceField(label=_("Engine"))
    host = forms.CharField(
        label=_("Scheduler IP"),
        required=False,
        max_length=255,
        help_text=_("Name or address of the submit host; empty for this machine."),
    )
    port = forms.IntegerField(
        label=_("Port"), required=False, min_value=1, max_value=65535, help_text=_("Empty: 22.")
    )
    use_agent = forms.BooleanField(
        label=_("Use the SSH agent"),
        required=False,
        help_text=_("The one that the supervisor was started with."),
    )
    password = secret_field(_("Password"), _("Instead of a key. Left blank it stays as it is."))
    host_key = forms.CharField(
        label=_("Accepted host key"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "o-key"}),
        help_text=_(
            "The machine's public key. Left empty, the test of the connection shows it, and it "
            "is accepted there. Emptied, another one can be accepted."
        ),
    )
    proxy_jump = forms.CharField(
        label=_("Proxy jump"),
        required=False,
        max_length=255,
        help_text=_("Another machine to go through: user@host:port."),
    )
    proxy_jump_host_key = forms.CharField(
        label=_("Its accepted host key"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "o-key"}),
    )
    directory = forms.CharField(
        label=_("Directory"),
        required=False,
        max_length=500,
        help_text=_("Oceanid's own directory at the submit host; empty for one in the home."),
    )
    allow_scripts = forms.BooleanField(
        label=_("Allow scripts of workflows"),
        required=False,
        help_text=_(
            "PRE and POST scripts of workflows then run on the submit host itself, as the account."
        ),
    )
    new_secrets = forms.JSONField(
        label=_("Other secrets"),
        required=False,
        widget=SecretTextarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "A JSON object, for example {“password”: “…”}, which replaces all that are stored. "
            "What is stored is never shown; left blank it stays as it is."
        ),
    )
    forget_secrets = forms.BooleanField(label=_("Forget all stored secrets"), required=False)

    shown = OPTIONS
    secret = SECRETS

    class Meta:
        model = Scheduler
        fields = ("name", "engine", "config", "enabled", "groups")
        labels = {"config": _("Other options")}
        help_texts = {"config": _("A JSON object with the engine's other options.")}
        # Not the admin's two lists: they have barriers for readers of the screen.
        widgets = {"groups": forms.CheckboxSelectMultiple(attrs={"class": "o-tall"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config = self.instance.config or {}
        self.initial["config"] = {k: v for k, v in config.items() if k not in OPTIONS}
        choices = []
        for entry in installed():
            title = entry.engine.title if entry.engine is not None else entry.name
            told = f"{title} ({entry.name})"
            choices.append((entry.name, f"{told}: {entry.problem}" if entry.problem else told))
        present = self.instance.engine
        if present and present not in dict(choices):
            choices.append((present, f"{present}: {_('not installed')}"))
        field = self.fields["engine"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean_engine(self) -> str:
        """An engine that can be used here; a broken one only where it stands already."""
        name = str(self.cleaned_data["engine"])
        problem = next((each.problem for each in installed() if each.name == name), "")
        if problem and name != self.instance.engine:
            raise ValidationError(_("This engine can't be used: %(why)s"), params={"why": problem})
        return name

    def clean_config(self) -> dict[str, Any]:
        """The other options: an object."""
        return _object(self.cleaned_data["config"] or {})

    def clean_new_secrets(self) -> dict[str, Any] | None:
        """The secrets: an object, or nothing."""
        given = self.cleaned_data["new_secrets"]
        return None if given in (None, "") else _object(given)

    def clean(self) -> dict[str, Any]:
        """All options together, as the engine will get them."""
        cleaned = super().clean()
        config = self.options(cleaned.get("config") or {})
        if config.get("host"):
            try:
                Target.of(config, {})
            except EngineError as problem:
                raise ValidationError(str(problem)) from problem
        cleaned["config"] = config
        return cleaned

    def save(self, commit: bool = True) -> Scheduler:
        """Keep each secret unless another one was given."""
        if self.cleaned_data.get("new_secrets") is not None:
            kept = self.cleaned_data["new_secrets"]
        elif self.cleaned_data.get("forget_secrets"):
            kept = {}
        else:
            kept = self.instance.secrets or {}
        self.instance.secrets = _merged(kept, self.given_secrets())
        return super().save(commit=commit)


class AccountForm(_WithSecrets):
    """One person's own account at a scheduler."""

    class Meta:
        model = Scheduler
        fields = ("person", "enabled")

    def save(self, commit: bool = True) -> Scheduler:
        """Name it after its scheduler and its person."""
        parent, person = self.instance.parent, self.instance.person
        assert parent is not None and person is not None
        self.instance.name = f"{parent.name} ({person.get_username()})"[:100]
        self.instance.engine = parent.engine
        others = {k: v for k, v in (self.instance.config or {}).items() if k not in self.shown}
        self.instance.config = self.options(others)
        self.instance.secrets = _merged(self.instance.secrets or {}, self.given_secrets())
        return super().save(commit=commit)


def _merged(kept: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    if "private_key" in given and "passphrase" not in given:
        # The stored passphrase belonged to the key that goes.
        kept = {name: value for name, value in kept.items() if name != "passphrase"}
    return kept | given


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(_("A JSON object is needed: {“name”: value, …}."))
    return value

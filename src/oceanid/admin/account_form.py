"""The forms of cloud accounts: each field says what it is, where to find it, and is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from oceanid.admin.secret_fields import SecretTextarea, secret_field
from oceanid.clouds.registry import cloud_class
from oceanid.errors import OceanidError
from oceanid.models import CloudAccount, Setting
from oceanid.services import accounts

if TYPE_CHECKING:
    _AccountModelForm = forms.ModelForm[CloudAccount]
    _SettingModelForm = forms.ModelForm[Setting]
else:
    _AccountModelForm = _SettingModelForm = forms.ModelForm

Fieldsets = tuple[tuple[Any, dict[str, Any]], ...]

_KEPT: Final = _("One is stored; it is never shown. Left blank, it stays as it is.")
_NONE: Final = _("None is stored yet. It is kept encrypted and never shown again.")


class AccountFields(forms.Form):
    """What the forms of accounts share: options, secrets, and how they are looked at."""

    shown: ClassVar[tuple[str, ...]] = ()
    """Options that have a field of their own; what else the account holds is kept."""
    secret: ClassVar[tuple[str, ...]] = ()
    sections: ClassVar[Fieldsets] = ()

    forget_secrets = forms.BooleanField(
        label=_("Forget the stored secrets"),
        required=False,
        help_text=_("All that are stored for this account, but those that are typed in here."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account = self.account
        self.kept, self.unreadable = accounts.kept_secrets(account)
        for name in self.shown:
            if name in account.config:
                self.initial.setdefault(name, account.config[name])
        for name in self.secret:
            field = self.fields[name]
            is_kept = bool(self.kept.get(name))
            field.help_text = f"{field.help_text} {_KEPT if is_kept else _NONE}"
        if self.unreadable is not None:
            self.fields["forget_secrets"].help_text = format_html("{}", self.unreadable)
        elif not self.kept:
            self.fields["forget_secrets"].disabled = True

    @cached_property
    def account(self) -> CloudAccount:
        """The account that is edited."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """The account's options as they are meant to be."""
        given = {name: self.cleaned_data.get(name) for name in self.shown}
        others = {k: v for k, v in self.account.config.items() if k not in self.shown}
        return others | {name: value for name, value in given.items() if value}

    def given_secrets(self) -> dict[str, str]:
        """The secrets that were typed in."""
        return {name: value for name in self.secret if (value := self.cleaned_data.get(name))}

    def clean(self) -> dict[str, Any]:
        """Every value as the cloud means it, each problem at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        account, given = self.account, self.given_secrets()
        secrets = accounts.merged(
            self.kept,
            given,
            forget=bool(cleaned.get("forget_secrets")),
        )  # fmt: skip
        try:
            problems = accounts.problems(account, self.options(), secrets)
        except OceanidError as missing:
            problems = {"": missing}
        if self.unreadable is not None and not cleaned.get("forget_secrets"):
            problems = {"forget_secrets": self.unreadable}
        for name, problem in problems.items():
            self.add_error(name if name in self.fields else None, str(problem))
        if self.errors and given:
            self.add_error(
                None, _("Nothing was saved. What was typed as a secret is to be typed again.")
            )
        return cleaned


class AmazonFields(AccountFields):
    """An account of Amazon's."""

    shown = ("access_key_id", "use_role", "user_id", "region", "key_name", "key_location")
    secret = ("secret_access_key",)
    sections = (
        (
            _("How the portal logs in"),
            {"fields": ("access_key_id", "secret_access_key", "use_role", "forget_secrets")},
        ),
        (_("The account"), {"fields": ("user_id", "region")}),
        (_("The key of the machines"), {"fields": ("key_name", "key_location")}),
    )

    access_key_id = forms.CharField(
        label=_("Access Key ID"),
        required=False,
        max_length=128,
        help_text=_(
            "Begins with AKIA. In the AWS console: IAM → Users → the portal's user → Security "
            "credentials → Create access key."
        ),
    )
    secret_access_key = secret_field(
        _("Secret Access Key"),
        _("40 characters, which Amazon shows once when the access key is made."),
    )
    use_role = forms.BooleanField(
        label=_("Use the machine's own role"),
        required=False,
        help_text=_(
            "Instead of an access key, where the portal itself runs on a machine of Amazon's that "
            "has a role."
        ),
    )
    user_id = forms.CharField(
        label=_("User ID"),
        required=False,
        max_length=14,
        help_text=_(
            "The account's twelve digits, in the menu at the upper right of the AWS console. The "
            "test compares them with the account that the key belongs to."
        ),
    )
    region = forms.CharField(
        label=_("Region"),
        required=False,
        max_length=50,
        help_text=_("Where the key pair is and clusters are made; empty for us-east-1."),
    )
    key_name = forms.CharField(
        label=_("Key Name"),
        required=False,
        max_length=255,
        help_text=_("The name of the key pair: EC2 console → Network & Security → Key Pairs."),
    )
    key_location = forms.CharField(
        label=_("Key Location"),
        required=False,
        max_length=500,
        help_text=_(
            "The path of that key pair's private key (the .pem file) on the portal's machine. "
            "Only the portal's user may read it: chmod 600."
        ),
    )

    def clean_user_id(self) -> str:
        """As the console writes it too: with hyphens."""
        return str(self.cleaned_data["user_id"]).replace("-", "")


class AzureFields(AccountFields):
    """An account of Azure's."""

    shown = ("subscription_id", "certificate_path", "tenant_id", "client_id", "region")
    secret = ("certificate_password",)
    sections = (
        (_("The subscription"), {"fields": ("subscription_id", "region")}),
        (
            _("How the portal logs in"),
            {
                "fields": (
                    "tenant_id",
                    "client_id",
                    "certificate_path",
                    "certificate_password",
                    "forget_secrets",
                )
            },
        ),
    )

    subscription_id = forms.CharField(
        label=_("Subscription ID"),
        required=False,
        max_length=36,
        help_text=_("In the Azure portal under Subscriptions."),
    )
    certificate_path = forms.CharField(
        label=_("Certificate Path"),
        required=False,
        max_length=500,
        help_text=_(
            "The path of a PEM file on the portal's machine with a certificate and its private "
            "key. The certificate is uploaded in the app registration under Certificates & "
            "secrets. Only the portal's user may read the file: chmod 600."
        ),
    )
    tenant_id = forms.CharField(
        label=_("Tenant ID"),
        required=False,
        max_length=36,
        help_text=_("On the app registration's Overview page, as Directory (tenant) ID."),
    )
    client_id = forms.CharField(
        label=_("Client ID"),
        required=False,
        max_length=36,
        help_text=_("On the app registration's Overview page, as Application (client) ID."),
    )
    certificate_password = secret_field(
        _("Certificate password"), _("Where the private key in the file is protected by one.")
    )
    region = forms.CharField(
        label=_("Region"),
        required=False,
        max_length=50,
        help_text=_("Where clusters are made, as in westeurope."),
    )


class OtherFields(AccountFields):
    """An account of a cloud that some other package brings."""

    secret = ()
    sections = (
        (_("The account"), {"fields": ("options_object", "new_secrets", "forget_secrets")}),
    )

    options_object = forms.JSONField(
        label=_("Options"),
        required=False,
        help_text=_("A JSON object with the cloud's options; its own documentation says which."),
    )
    new_secrets = forms.JSONField(
        label=_("Secrets"),
        required=False,
        widget=SecretTextarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("A JSON object. What is stored is never shown; left blank it stays."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["options_object"] = self.account.config

    def _object(self, name: str) -> dict[str, Any]:
        value = self.cleaned_data.get(name) or {}
        if not isinstance(value, dict):
            raise forms.ValidationError(_("A JSON object is needed: {“name”: value, …}."))
        return value

    def clean_options_object(self) -> dict[str, Any]:
        """An object."""
        return self._object("options_object")

    def clean_new_secrets(self) -> dict[str, Any]:
        """An object."""
        return self._object("new_secrets")

    def options(self) -> dict[str, Any]:
        """What was typed in."""
        return dict(self.cleaned_data.get("options_object") or {})

    def given_secrets(self) -> dict[str, str]:
        """What was typed in."""
        return {str(k): str(v) for k, v in (self.cleaned_data.get("new_secrets") or {}).items()}


class AccountForm(_AccountModelForm):
    """The name of an account; the others of its fields come with its cloud."""

    class Meta:
        model = CloudAccount
        fields = ("name",)

    def clean_name(self) -> str:
        """One that no other account of the cloud has."""
        name = str(self.cleaned_data["name"])
        same = CloudAccount.objects.filter(cloud=self.instance.cloud, name=name)
        if same.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("There is an account of this name already."))
        return name


FIELDS: Final[dict[str, type[AccountFields]]] = {"amazon": AmazonFields, "azure": AzureFields}


def fields_of(cloud: str) -> type[AccountFields]:
    """The fields of a cloud's accounts."""
    return FIELDS.get(cloud, OtherFields)


def account_form(cloud: str) -> type[forms.ModelForm[CloudAccount]]:
    """The form of an account of a cloud.

    Raises:
        CloudMissing: It is not installed.
    """
    cloud_class(cloud)
    fields = fields_of(cloud)

    class CloudAccountForm(fields, AccountForm):  # type: ignore[valid-type,misc]
        @cached_property
        def account(self) -> CloudAccount:
            self.instance.cloud = cloud
            return self.instance

    return CloudAccountForm


def credentials_form(cloud: str) -> type[forms.ModelForm[Setting]]:
    """The form of a part of Settings that edits the default account of a cloud."""
    fields = fields_of(cloud)

    class CredentialsForm(fields, _SettingModelForm):  # type: ignore[valid-type,misc]
        class Meta:
            model = Setting
            fields = ()

        @cached_property
        def account(self) -> CloudAccount:
            return accounts.default_account(cloud)

    return CredentialsForm

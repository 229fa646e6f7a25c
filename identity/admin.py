"""Keys in the admin: made (shown once), listed, revoked; and whom issuers of access tokens sent."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from identity.keys import MOST_DAYS, make_key, revoke_key
from identity.models import ApiKey, ExternalIdentity, Scope
from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, ReadOnlyAdminMixin, column


class NewKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # cannot be subscripted at run time
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="How many days it is good for; empty: until it is revoked.",
    )

    class Meta:
        model = ApiKey
        fields = ("label", "user", "scope")

    asked_by: Any = None
    """The member of staff."""

    def clean_user(self) -> Any:
        """A key acts for its user: nobody gets more rights by making one."""
        user = self.cleaned_data["user"]
        above = user.is_staff or user.is_superuser
        if above and user != self.asked_by and not self.asked_by.is_superuser:
            raise ValidationError("Only a superuser makes keys for other members of staff.")
        return user

    def clean(self) -> dict[str, Any]:
        """Who is no member of staff now may be one tomorrow, and the key would be one's with them."""
        given: dict[str, Any] = super().clean() or {}
        user, of_staff = given.get("user"), given.get("scope") == Scope.ADMIN
        if of_staff and user and user != self.asked_by and not self.asked_by.is_superuser:
            raise ValidationError({"scope": "Only a superuser makes keys of this scope for others."})
        return given


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = ("label", "beginning", "user", "kind", "state", "last_used_at", "expires_at", "created_at")
    list_filter = ("scope",)
    search_fields = ("label", "prefix", f"user__{get_user_model().USERNAME_FIELD}")
    search_help_text = "Label, beginning of the key, or its user"
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ("revoke",)
    fields = (
        "label",
        "prefix",
        "user",
        "scope",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("identity.add_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("identity.change_apikey")

    def get_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return self.fields if obj else ("label", "user", "scope", "days")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewKeyForm
        form = super().get_form(request, obj, change=change, **kwargs)
        form.asked_by = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        made = make_key(
            user=given["user"], label=given["label"], scope=Scope(given["scope"]), days=given["days"]
        )
        obj.pk, obj.prefix, obj._state.adding = made.row.pk, made.row.prefix, False
        messages.warning(request, f"Copy the key now, it is not shown again: {made.value}")

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """To the list, where the key is shown: never in a page that the browser keeps."""
        response: HttpResponse = self.response_post_save_add(request, obj)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        alive = list(keys.filter(revoked_at__isnull=True))
        for key in alive:
            revoke_key(key)
        messages.success(request, f"Keys revoked: {len(alive)}. Their open sockets are closed.")

    @column("Key", ordering="prefix")
    def beginning(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @column("Scope", ordering="scope", tones={"admin": "danger", "chat": "info", "read": "neutral"})
    def kind(self, key: ApiKey) -> tuple[str, str]:
        return key.scope, key.scope.capitalize()

    @column("State", tones={"valid": "success", "expired": "warning", "revoked": "danger"})
    def state(self, key: ApiKey) -> tuple[str, str]:
        if key.revoked_at:
            return "revoked", "Revoked"
        expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return ("expired", "Expired") if expired else ("valid", "Valid")


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]
    list_display = ("subject", "email", "user", "is_anonymous", "issuer", "last_seen_at")
    list_filter = ("is_anonymous",)
    search_fields = ("subject", "email", f"user__{get_user_model().USERNAME_FIELD}")
    list_select_related = ("user",)
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

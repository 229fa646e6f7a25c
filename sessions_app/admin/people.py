"""Users and groups in the admin's one look; Django's own pages of them would be of another."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from sessions_app.admin import erasing
from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, ReadOnlyAdminMixin, column

for model in (User, Group, Authenticator, EmailAddress):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "full_name", "kind", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_help_text = "Username, name or e-mail address"
    actions = ("erase",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """Keys, identities of issuers and e-mails to them go with the account. Nobody may delete one of these alone, so there is no
        right to ask for."""
        found, counts, needed, protected = super().get_deleted_objects(objs, request)
        registered = self.admin_site._registry.values()
        alone = {one.opts.verbose_name for one in registered if isinstance(one, ReadOnlyAdminMixin)}
        return found, counts, needed - alone, protected

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return erasing.may_erase(request)

    @admin.action(description="Erase all that they said", permissions=["erase"])
    def erase(self, request: HttpRequest, users: QuerySet[User]) -> HttpResponse:
        return erasing.confirm_people(request, self, users)

    @column("Name", empty_value="-")
    def full_name(self, user: User) -> str | None:
        return user.get_full_name() or None

    @column("Kind", tones={"Superuser": "danger", "Staff": "info", "User": "neutral"})
    def kind(self, user: User) -> str:
        if user.is_superuser:
            return "Superuser"
        return "Staff" if user.is_staff else "User"


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    show_facets = admin.ShowFacets.NEVER


_KINDS = {
    Authenticator.Type.TOTP: "Authenticator app",
    Authenticator.Type.WEBAUTHN: "Passkey or security key",
    Authenticator.Type.RECOVERY_CODES: "Recovery codes",
}


@admin.register(Authenticator)
class AuthenticatorAdmin(ModelAdmin):  # type: ignore[misc]
    """Second factors: to be taken away from somebody who has lost theirs. What they consist of is shown to nobody."""

    list_display = ("user", "kind", "created_at", "last_used_at")
    list_filter = ("type",)
    list_display_links = None
    search_fields = ("user__username",)
    search_help_text = "Username"
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = BoundedPaginator
    actions = ("delete_selected",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    @column("Kind")
    def kind(self, authenticator: Authenticator) -> str:
        return _KINDS[authenticator.type]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        """Who takes a superuser's factor away is half-way to being one."""
        theirs = obj is None or not obj.user.is_superuser or request.user.is_superuser
        return theirs and bool(super().has_delete_permission(request, obj))

    def get_fields(self, request: HttpRequest, obj: Authenticator | None = None) -> tuple[str, ...]:
        return ("user", "type", "created_at", "last_used_at")

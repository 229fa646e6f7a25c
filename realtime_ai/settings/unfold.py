"""How the admin looks and what its menu offers: django-unfold's one setting."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy

ICON = "chat/icon.svg"


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _item(title: str, icon: str, url: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url}"),
        "permission": _may(permission),
    }


def _list(model: str) -> tuple[str, str]:
    """The address of a model's list, and who may see it."""
    return f"sessions_app_{model}_changelist", f"sessions_app.view_{model}"


def _is_sessions_own(request: HttpRequest) -> bool:
    """The queue and the mentions are below the list's address, and have entries of their own in the menu."""
    sessions = reverse("admin:sessions_app_session_changelist")
    others = map(reverse, ("admin:sessions_app_session_queue", "admin:sessions_app_session_mentions"))
    return request.path.startswith(sessions) and not request.path.startswith(tuple(others))


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Realtime AI",
    "SITE_HEADER": "Realtime AI",
    "SITE_SUBHEADER": "Staff",
    "SITE_ICON": lambda request: static(ICON),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static(ICON)}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "sessions_app.review.dashboard.dashboard_callback",
    "STYLES": [
        lambda request: static("admin_sessions/admin.css"),
        lambda request: static("admin_sessions/desk.css"),
        lambda request: static("admin_sessions/words.css"),
        lambda request: static("admin_sessions/inbox.css"),
    ],
    "SCRIPTS": [
        lambda request: static("admin_sessions/alpine_words.js"),
        lambda request: static("admin_sessions/inbox.js"),
    ],
    "COLORS": {
        "primary": {  # around the chat page's accent
            "50": "oklch(97.5% .012 194)",
            "100": "oklch(94% .03 194)",
            "200": "oklch(88% .055 194)",
            "300": "oklch(80% .08 193)",
            "400": "oklch(75% .095 191)",
            "500": "oklch(65% .1 193)",
            "600": "oklch(48% .08 195)",
            "700": "oklch(42% .07 195)",
            "800": "oklch(36% .058 196)",
            "900": "oklch(31% .048 197)",
            "950": "oklch(23% .035 198)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
                    {
                        **_item("Waiting for you", "inbox", *_list("inboxitem")),
                        "permission": _may("sessions_app.view_session"),
                        "badge": "sessions_app.admin.inbox.badge",
                    },
                    {
                        **_item("Sessions", "forum", *_list("session")),
                        "active": _is_sessions_own,
                    },
                    _item(
                        "Review next",
                        "fact_check",
                        "sessions_app_session_queue",
                        "sessions_app.review_session",
                    ),
                    {
                        **_item(
                            "Mentions",
                            "alternate_email",
                            "sessions_app_session_mentions",
                            "sessions_app.review_session",
                        ),
                        "badge": "sessions_app.admin.saved_views.mentions_badge",
                    },
                ],
            },
            {
                "title": "What visitors get",
                "separator": True,
                "items": [_item("Assistants", "support_agent", *_list("assistant"))],
            },
            {
                "title": "Telling others",
                "separator": True,
                "items": [
                    {
                        **_item("E-mails to me", "mail", *_list("mailsubscription")),
                        "permission": _may("sessions_app.view_session"),
                    },
                    _item("Webhooks", "webhook", *_list("webhook")),
                    _item("Deliveries", "outgoing_mail", *_list("webhookdelivery")),
                ],
            },
            {
                "title": "Engine",
                "separator": True,
                "items": [
                    _item("Machine room", "precision_manufacturing", *_list("serverprocess")),
                    _item(
                        "Jobs",
                        "work_history",
                        "procrastinate_procrastinatejob_changelist",
                        "procrastinate.view_procrastinatejob",
                    ),
                ],
            },
            {
                "title": "Privacy",
                "separator": True,
                "items": [
                    _item("Openings", "visibility", *_list("transcriptopening")),
                    _item("Erasures", "ink_eraser", *_list("erasure")),
                    _item("Retention", "auto_delete", *_list("retentionrun")),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _item("Users", "person", "auth_user_changelist", "auth.view_user"),
                    _item("Groups", "group", "auth_group_changelist", "auth.view_group"),
                    _item("API keys", "key", "identity_apikey_changelist", "identity.view_apikey"),
                    _item(
                        "External identities",
                        "badge",
                        "identity_externalidentity_changelist",
                        "identity.view_externalidentity",
                    ),
                    _item(
                        "Second factors",
                        "passkey",
                        "mfa_authenticator_changelist",
                        "mfa.view_authenticator",
                    ),
                ],
            },
        ],
    },
}

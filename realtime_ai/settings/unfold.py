"""How the admin looks and what its menu offers: django-unfold's one setting."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _item(title: str, icon: str, url: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url}"),
        "permission": _may(permission),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Realtime AI",
    "SITE_HEADER": "Realtime AI",
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "forum",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "sessions_app.dashboard.dashboard_callback",
    "STYLES": [lambda request: static("admin_sessions/admin.css")],
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
                    _item(
                        "Sessions", "forum", "sessions_app_session_changelist", "sessions_app.view_session"
                    ),
                    _item(
                        "Jobs",
                        "work_history",
                        "procrastinate_procrastinatejob_changelist",
                        "procrastinate.view_procrastinatejob",
                    ),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _item("Users", "person", "auth_user_changelist", "auth.view_user"),
                    _item("Groups", "group", "auth_group_changelist", "auth.view_group"),
                ],
            },
        ],
    },
}

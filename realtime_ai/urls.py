"""The site's addresses. ``/healthz``, ``/readyz`` and ``/metrics`` are answered before them: `realtime_ai.probes`."""

from django.contrib import admin
from django.urls import include, path

from chat.api.api import urls as api_urls

handler429 = "chat.door.views.too_many_requests"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", api_urls),
    path("", include("chat.door.urls")),
    path("", include("chat.page.urls")),
]

"""The site's addresses. ``/healthz``, ``/readyz`` and ``/metrics`` are answered before them: `realtime_ai.probes`."""

from django.contrib import admin
from django.urls import include, path

handler429 = "chat.door.views.too_many_requests"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("chat.door.urls")),
    path("", include("chat.page.urls")),
]

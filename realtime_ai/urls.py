"""The site's addresses. ``/healthz``, ``/readyz`` and ``/metrics`` are answered before them: `realtime_ai.probes`."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("chat.page.urls")),
]

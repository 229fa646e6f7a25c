"""The sessions of a filtered list as one file, however many they are."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessions_app.admin.changelist import NEWEST_FIRST
from sessions_app.admin.walk import filtered
from sessions_app.models import Session
from sessions_app.privacy.openings import record_downloads
from sessions_app.review import downloads

PAGE = 100


def export(request: HttpRequest, model_admin: Any) -> HttpResponseBase:
    """Takes ``form``, and ``list``, the query of the list. Each session is written down as downloaded before it is sent.

    Raises PermissionDenied, Http404.
    """
    if request.method not in ("GET", "HEAD") or not model_admin.has_view_permission(request):
        raise PermissionDenied
    name = request.GET.get("form", "")
    downloads.form_named(name)
    sessions = filtered(request, model_admin, request.GET.get("list", "").replace("\x00", ""))
    return downloads.download_many(request, _noted(sessions, request.user), name)


def _noted(sessions: QuerySet[Session], staff: AbstractBaseUser | AnonymousUser) -> Iterator[Session]:
    """Newest first, by key: no cursor stays open in the database while somebody's line is slow."""
    ordered = sessions.defer(None).order_by(*NEWEST_FIRST)
    after = Q()
    while page := list(ordered.filter(after)[:PAGE]):
        record_downloads(session_ids=[session.pk for session in page], staff=staff)
        yield from page
        last = page[-1]
        after = Q(start_time__lte=last.start_time) & (
            Q(start_time__lt=last.start_time) | Q(session_id__lt=last.pk)
        )

"""Every page of the desk, as staff open it: queries and milliseconds on a database that is there.

    DATABASE_URL=... python -m bench desk

The database is meant to be large (docs/admin.md tells how to make one). It is left as it was found, but for the openings
of sessions that are written down. A page's time is the server's alone: view, queries and template.
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.support import table
from sessions_app.admin.person_address import person_url
from sessions_app.models import InboxItem, ServerProcess, Session, SessionStatus, Webhook
from sessions_app.review.dashboard import WINDOWS

LIST = "/admin/sessions_app/session/"
WANTED_MS = 300
WANTED_QUERIES = 15
_FILTERS = {
    "all, empty ones too": "show=all",
    "failed answers": "errors=yes",
    "rated bad": "feedback=bad",
    "rated good": "feedback=good",
    "unresolved": "outcome__exact=unresolved",
    "unhappy": "sentiment__exact=negative",
    "flagged": "review=flagged",
    "done": "review=done",
    "mine": "assignee=me",
    "of nobody": "assignee=nobody",
    "live": "status__exact=active",
    "guests": "who=guest",
    "signed in": "who=user",
    "bad and unresolved": "feedback=bad&outcome__exact=unresolved",
    "page 100": "p=100",
    "by tokens": "o=-6",
    "by cost": "o=-7",
    "oldest first": "o=3",
    "search, a rare word": "q=parcel",
    "search, a common word": "q=the",
    "search, what was said": "q=text%3Arefund",
    "search, said by many": "q=text%3Athe",
}


def pages() -> Iterator[tuple[str, str]]:
    for window in WINDOWS:
        yield f"dashboard, {window.title}", f"/admin/?window={window.key}"
    yield "list", LIST
    for name, query in _FILTERS.items():
        yield f"list: {name}", f"{LIST}?{query}"
    for spec in Session.objects.order_by("-start_time").values_list("model", flat=True)[:1]:
        yield "list: a model", f"{LIST}?model={quote(spec)}"
    yield "review next", f"{LIST}queue/"
    yield "mentions", f"{LIST}mentions/"
    yield "waiting for you", "/admin/sessions_app/inboxitem/"
    yield "machine room", "/admin/sessions_app/serverprocess/"
    yield "webhooks", "/admin/sessions_app/webhook/"
    yield "settled", "/admin/sessions_app/inboxitem/?kind=settled"
    # What an app of somebody else's registers is no page of the desk, but it is opened by the same people.
    for model in admin.site._registry:
        if model not in (Session, InboxItem, ServerProcess, Webhook):
            name = str(model._meta.verbose_name_plural)
            yield name, reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    yield from _of_sessions()


def _of_sessions() -> Iterator[tuple[str, str]]:
    said = Session.objects.exclude(first_words="")
    newest = said.filter(status=SessionStatus.ENDED).order_by("-start_time").first()
    others = said.exclude(pk=newest.pk) if newest else said
    longest = others.order_by(F("last_seq").desc()).filter(last_seq__gt=0)[:1].first() if _few() else newest
    for name, session in (("a session", newest), ("the longest of the others", longest)):
        if session:
            page = f"{LIST}{session.pk}"
            yield name, f"{page}/change/"
            yield f"{name}, from a list", f"{page}/change/?_changelist_filters={quote('review=new')}"
            yield f"{name}, from the queue", f"{page}/change/?queue="
            yield f"{name}, replay", f"{page}/replay/"
            yield f"{name}, events", f"{page}/events/"
    for kind, session in (
        ("a user", said.filter(user__isnull=False).order_by("-start_time").first()),
        ("a guest", said.filter(user__isnull=True).exclude(guest_id="").order_by("-start_time").first()),
    ):
        if session and (address := person_url(session)):
            yield f"the page of {kind}", address


def _few() -> bool:
    return Session.objects.order_by()[:50_001].count() <= 50_000


@contextmanager
def staff() -> Iterator[Client]:
    """Somebody who may do everything, and is gone afterwards with what they opened."""
    name = "measures-the-desk"
    user = get_user_model().objects.create_superuser(name)
    client = Client()
    client.force_login(user)
    try:
        yield client
    finally:
        with transaction.atomic():
            User.objects.filter(username=name).delete()


def measure(client: Client, address: str, times: int) -> tuple[int, float, float]:
    """Queries, the first opening's ms, and the median ms of the others."""
    took_ms, queries = [], 0
    for _ in range(times + 1):
        with CaptureQueriesContext(connection) as captured:
            began = time.perf_counter()
            response = client.get(address)
            b"".join(response) if response.streaming else response.content
            took_ms.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, (address, response.status_code)
        queries = max(queries, len(captured))
    return queries, took_ms[0], statistics.median(took_ms[1:])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, help="how often each page is opened (default 5)")
    parser.add_argument("--only", default="", help="pages whose name has these words")
    options = parser.parse_args()
    settings.ALLOWED_HOSTS = ["*"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class WHERE relname IN ('sessions', 'session_events')"
        )
        print(", ".join(f"{name}: about {rows:,}" for name, rows in cursor.fetchall()), "\n")
    rows, slow = [], 0
    with staff() as client:
        client.get("/admin/")  # templates are compiled once
        for name, address in pages():
            if options.only not in name:
                continue
            queries, first_ms, median_ms = measure(client, address, options.times)
            over = median_ms > WANTED_MS or queries > WANTED_QUERIES
            slow += over
            rows.append([name, str(queries), f"{first_ms:.0f}", f"{median_ms:.0f}", "over" if over else ""])
            print(f"{name}: {queries} queries, {median_ms:.0f} ms", file=sys.stderr, flush=True)
    print(table(["page", "queries", "ms, first", "ms, median", ""], rows))
    print(f"\n{slow} of {len(rows)} over {WANTED_MS} ms or {WANTED_QUERIES} queries")
    return 0


if __name__ == "__main__":
    sys.exit(main())

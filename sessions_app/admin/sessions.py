"""Sessions in the admin: a list to find them, a page to read each, and the way to erase them. Who reads one is written down. What
staff decide of a tool call goes to the process that holds the session."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from sessions_app.admin import erasing, filters, pages, replay, steering
from sessions_app.admin.changelist import (
    NEWEST_FIRST,
    BoundedPaginator,
    ReadOnlyAdminMixin,
    SessionChangeList,
    column,
)
from sessions_app.admin.search import HELP, search
from sessions_app.models import OpenedView, Session
from sessions_app.privacy.openings import record_opening
from sessions_app.review import downloads, humanize

_UNUSED_IN_LIST = ("summary",)
_SUMMARY_TONES = {"written": "success", "pending": "info", "failed": "danger", "skipped": "neutral"}


@admin.register(Session)
class SessionAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = (
        "conversation",
        "state",
        "visitor",
        "started",
        "lasted",
        "said",
        "tokens",
        "cost",
        "model_used",
        "summary_label",
    )
    list_filter = (
        ("status", filters.StatusFilter),
        filters.ModelFilter,
        ("summary_state", filters.SummaryFilter),
        ("start_time", filters.StartedFilter),
        filters.ErrorsFilter,
        filters.VisitorFilter,
    )
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    list_select_related = ("user",)
    list_max_show_all = 0
    date_hierarchy = "start_time"
    ordering = NEWEST_FIRST
    paginator = BoundedPaginator
    search_fields = ("session_id",)  # the box appears only with some; what it does stands in `search`
    search_help_text = HELP
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    actions = ("erase",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SessionChangeList]:
        return SessionChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return Session.objects.defer(*_UNUSED_IN_LIST).order_by(*NEWEST_FIRST)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        found = search(queryset, search_term)
        if found.note:
            messages.info(request, found.note)
        return found.sessions, False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        pages_of_one = [
            path("erase/", view(self.erase_view), name="sessions_app_session_erase"),
            path("<path:object_id>/replay/", view(self.replay_view), name="sessions_app_session_replay"),
            path(
                "<path:object_id>/replay.json",
                view(self.replay_steps_view),
                name="sessions_app_session_replay_steps",
            ),
            path("<path:object_id>/events/", view(self.events_view), name="sessions_app_session_events"),
            path(
                "<path:object_id>/approvals/<str:approval_id>/",
                view(self.decide_view),
                name="sessions_app_session_decide",
            ),
            path("<path:object_id>/steer/", view(self.steer_view), name="sessions_app_session_steer"),
            path(
                "<path:object_id>/transcript.<str:form>",
                view(self.download_view),
                name="sessions_app_session_download",
            ),
        ]
        urls: list[URLPattern] = super().get_urls()
        return pages_of_one + urls

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return pages.transcript_page(request, self, self._opened(request, object_id, OpenedView.TRANSCRIPT))

    def events_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return pages.events_page(request, self, self._opened(request, object_id, OpenedView.EVENTS))

    def replay_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return replay.replay_page(request, self, self._opened(request, object_id, OpenedView.TRANSCRIPT))

    def replay_steps_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return replay.replay_steps(request, self._opened(request, object_id, OpenedView.TRANSCRIPT))

    def download_view(self, request: HttpRequest, object_id: str, form: str) -> HttpResponseBase:
        return downloads.download(request, self._opened(request, object_id, OpenedView.DOWNLOAD), form)

    def _opened(self, request: HttpRequest, object_id: str, view: OpenedView) -> Session:
        session: Session = self.object_or_404(request, object_id, "user")
        record_opening(session_id=session.pk, staff=request.user, view=view)
        return session

    # Erasing

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return erasing.may_erase(request)

    @admin.action(description="Erase what was said", permissions=["erase"])
    def erase(self, request: HttpRequest, sessions: QuerySet[Session]) -> HttpResponse:
        return erasing.confirm_sessions(request, self, sessions)

    def erase_view(self, request: HttpRequest) -> HttpResponse:
        return erasing.erase(request, self)

    def decide_view(self, request: HttpRequest, object_id: str, approval_id: str) -> HttpResponse:
        return pages.decide(request, self.readable_or_404(request, object_id), approval_id)

    def steer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return steering.steer(request, self.readable_or_404(request, object_id))

    # The columns.

    @column("Session")
    def conversation(self, session: Session) -> SafeString:
        return format_html(
            '<span class="cell-session" title="{id}"><strong>{title}</strong><small>{id}</small></span>',
            id=session.session_id,
            title="Erased" if session.erased_at else session.title or "Untitled",
        )

    @column("Status", tones={"Active": "success", "Ended": "neutral"})
    def state(self, session: Session) -> str:
        return session.get_status_display()

    @column("Who")
    def visitor(self, session: Session) -> SafeString:
        return format_html('<span class="cell-line">{}</span>', pages.visitor_name(session))

    @column("Started", ordering="start_time")
    def started(self, session: Session) -> SafeString:
        at = timezone.localtime(session.start_time)
        return format_html(
            '<time class="cell-line" datetime="{}" title="{}">{}</time>',
            at.isoformat(),
            formats.date_format(at, "DATETIME_FORMAT"),
            formats.date_format(at, "j M Y, H:i"),
        )

    @column("Duration", ordering="duration_seconds", empty_value="-")
    def lasted(self, session: Session) -> str | None:
        words = humanize.duration(session.duration_seconds)
        return format_html('<span class="cell-line">{}</span>', words) if words else None

    @column("Messages", ordering=F("user_messages") + F("assistant_messages"))
    def said(self, session: Session) -> int:
        return session.user_messages + session.assistant_messages

    @column("Tokens", ordering=F("input_tokens") + F("output_tokens"))
    def tokens(self, session: Session) -> SafeString:
        count = session.input_tokens + session.output_tokens
        return format_html('<span title="{}">{}</span>', humanize.exact(count), humanize.compact(count))

    @column("Cost", ordering="cost_microusd", empty_value="-")
    def cost(self, session: Session) -> SafeString | None:
        if not session.responses and not session.cost_microusd and not session.unpriced:
            return None
        hint = pages.cost_hint(session)
        words = humanize.cost(session.cost_microusd, session.unpriced)
        return format_html('<span class="cell-line" title="{}">{}</span>', hint, words)

    @column("Model", empty_value="-")
    def model_used(self, session: Session) -> str | None:
        provider, _, name = session.model.partition(":")
        if not session.model:
            return None
        return format_html('<span class="cell-line" title="{}">{}</span>', session.model, name or provider)

    @column("Summary", tones=_SUMMARY_TONES)
    def summary_label(self, session: Session) -> tuple[str, str] | None:
        return pages.summary_mark(session)

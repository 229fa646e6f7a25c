"""Sessions in the admin: a list to find them, a page to read each, and the way to erase them. Who reads one is written down. What
staff decide of a tool call goes to the process that holds the session."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from sessions_app.admin import (
    deciding,
    desk,
    erasing,
    exporting,
    figure_filters,
    filters,
    many,
    pages,
    person,
    replay,
    saved_views,
    steering,
    summaries,
    way,
)
from sessions_app.admin.changelist import (
    NEWEST_FIRST,
    BoundedPaginator,
    ReadOnlyAdminMixin,
    SessionChangeList,
    column,
)
from sessions_app.admin.facts import cost_hint
from sessions_app.admin.periods import stale_times
from sessions_app.admin.person_address import person_url
from sessions_app.admin.search import HELP, search
from sessions_app.admin.walk import FILTERS, FilteredSessions, list_url
from sessions_app.errors import FileError
from sessions_app.files.keeping import file_response, files_in
from sessions_app.models import OpenedView, ReviewState, Session, SessionStatus
from sessions_app.privacy.openings import record_opening
from sessions_app.review import downloads, humanize
from sessions_app.review.forms import FORMS
from sessions_app.review.text import visitor_name

_UNUSED_IN_LIST = ("summary",)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    list_display = (
        "conversation",
        "visitor",
        "started",
        "review_mark",
        "lasted",
        "said",
        "tokens",
        "cost",
        "model_used",
        "score",
    )
    list_filter = (
        filters.ReviewFilter,
        ("start_time", filters.StartedFilter),
        filters.FeedbackFilter,
        filters.ErrorsFilter,
        ("outcome", filters.OutcomeFilter),
        filters.TagFilter,
        filters.AssigneeFilter,
        ("sentiment", filters.SentimentFilter),
        filters.VisitorFilter,
        ("status", filters.StatusFilter),
        filters.AssistantFilter,
        filters.ModelFilter,
        ("summary_state", filters.SummaryFilter),
        filters.ShownFilter,
        figure_filters.FailureFilter,
        figure_filters.ToolFilter,
        figure_filters.FailedToolFilter,
    )
    list_after_template = "admin/sessions_app/session/out.html"
    list_filter_submit = True
    list_filter_sheet = True
    list_fullwidth = True
    list_per_page = 50
    list_select_related = ("user", "assignee", "review")
    list_max_show_all = 0
    date_hierarchy = "start_time"
    ordering = NEWEST_FIRST
    paginator = BoundedPaginator
    search_fields = ("session_id",)  # the box appears only with some; what it does stands in `search`
    search_help_text = HELP
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    actions = ("mark_done", "mark_flagged", "assign_to_me", "assign_to", "tag_or_assign", "erase")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SessionChangeList]:
        return FilteredSessions if getattr(request, "only_the_sessions", False) else SessionChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if stale := stale_times(request.GET.dict()):
            left = request.GET.copy()
            for name in stale:
                del left[name]
            return HttpResponseRedirect(list_url(left.urlencode()))
        context = {
            "desk": saved_views.desk_of(request),
            "forms": FORMS,
            "choose_all": many.AT_ONCE,
            "staff": filters.reviewers_on(request) if saved_views.may_review(request) else (),
            "list_query": request.GET.urlencode(),
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return Session.objects.defer(*_UNUSED_IN_LIST).order_by(*NEWEST_FIRST)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        found = search(queryset, search_term)
        request.session_search = found  # type: ignore[attr-defined]
        if found.note:
            messages.info(request, found.note)
        return found.sessions, False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        pages_of_one = [
            path("erase/", view(self.erase_view), name="sessions_app_session_erase"),
            path("export/", view(self.export_view), name="sessions_app_session_export"),
            path("queue/", view(self.queue_view), name="sessions_app_session_queue"),
            path("mentions/", view(self.mentions_view), name="sessions_app_session_mentions"),
            path("many/", view(many.do_bulk), name="sessions_app_session_many"),
            path("views/", view(saved_views.save), name="sessions_app_session_save_view"),
            path("views/<int:view_id>/", view(saved_views.remove), name="sessions_app_session_remove_view"),
            path(
                "views/<int:view_id>/name/",
                view(saved_views.rename),
                name="sessions_app_session_rename_view",
            ),
            path("person/<str:kind>/", view(self.person_view), name="sessions_app_session_person"),
            path("<path:object_id>/review/", view(self.review_view), name="sessions_app_session_review"),
            path(
                "<path:object_id>/<str:where>-session/",
                view(self.walk_view),
                name="sessions_app_session_walk",
            ),
            path("<path:object_id>/summary/", view(self.summary_view), name="sessions_app_session_summary"),
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
            path(
                "<path:object_id>/files/<str:file_id>",
                view(self.file_view),
                name="sessions_app_session_file",
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
        session = self._opened(request, object_id, OpenedView.TRANSCRIPT)
        desk.read_mention(request)
        return pages.transcript_page(request, self, session)

    def events_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return pages.events_page(request, self, self._opened(request, object_id, OpenedView.EVENTS))

    def replay_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return replay.replay_page(request, self, self._opened(request, object_id, OpenedView.TRANSCRIPT))

    def replay_steps_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return replay.replay_steps(request, self._opened(request, object_id, OpenedView.TRANSCRIPT))

    def download_view(self, request: HttpRequest, object_id: str, form: str) -> HttpResponseBase:
        return downloads.download(request, self._opened(request, object_id, OpenedView.DOWNLOAD), form)

    def file_view(self, request: HttpRequest, object_id: str, file_id: str) -> HttpResponse:
        session = self._opened(request, object_id, OpenedView.TRANSCRIPT)
        file = files_in([session.pk]).filter(pk=file_id).first()
        if file is None or session.erased_at:
            raise Http404
        try:
            return file_response(file)
        except FileError as error:
            raise Http404 from error

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        return exporting.export(request, self)

    def summary_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return summaries.write_again(request, self.readable_or_404(request, object_id))

    # The desk

    def review_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return desk.act(request, self, self.readable_or_404(request, object_id))

    def walk_view(self, request: HttpRequest, object_id: str, where: str) -> HttpResponse:
        session = self.object_or_404(request, object_id)
        if where not in ("next", "previous"):
            raise Http404
        return way.walk(request, self, session, forward=where == "next")

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        return desk.queue_page(request, self)

    def mentions_view(self, request: HttpRequest) -> HttpResponse:
        return desk.mentions_page(request, self)

    def person_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        return person.person_page(request, self, kind)

    def has_review_permission(self, request: HttpRequest) -> bool:
        return saved_views.may_review(request)

    @admin.action(description="Mark as done", permissions=["review"])
    def mark_done(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        many.bulk(request, sessions, "state", ReviewState.DONE, "done")

    @admin.action(description="Flag", permissions=["review"])
    def mark_flagged(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        many.bulk(request, sessions, "state", ReviewState.FLAGGED, "flagged")

    @admin.action(description="Assign to me", permissions=["review"])
    def assign_to_me(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        many.bulk(request, sessions, "assign", str(request.user.pk), "assigned to you")

    @admin.action(description="Assign to…", permissions=["review"])
    def assign_to(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        """Takes ``assignee`` (an id; nothing: nobody) from the form."""
        assignee = request.POST.get("assignee", "-")
        if assignee == "-":
            messages.error(request, "Nothing was done: choose whom to assign them to.")
            return
        many.bulk(request, sessions, "assign", assignee, f"assigned to {many.name_of(assignee)}")

    @admin.action(description="Tag or assign…", permissions=["review"])
    def tag_or_assign(self, request: HttpRequest, sessions: QuerySet[Session]) -> HttpResponse:
        return many.ask_bulk(request, self, sessions)

    def _opened(self, request: HttpRequest, object_id: str, view: OpenedView) -> Session:
        session: Session = self.object_or_404(request, object_id, "user", "assignee", "review")
        record_opening(session_id=session.pk, staff=request.user, view=view)
        return session

    # Erasing

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return erasing.may_erase(request)

    def get_action_choices(self, request: HttpRequest, default_choices: Any = ()) -> list[Any]:
        """What cannot be undone stands apart."""
        choices: list[Any] = super().get_action_choices(
            request, default_choices or [("", "Choose what to do")]
        )
        erasing_ones = [choice for choice in choices if choice[0] == "erase"]
        others = [choice for choice in choices if choice[0] != "erase"]
        return [*others, ("Cannot be undone", erasing_ones)] if erasing_ones else others

    @admin.action(description="Erase what was said", permissions=["erase"])
    def erase(self, request: HttpRequest, sessions: QuerySet[Session]) -> HttpResponse:
        return erasing.confirm_sessions(request, self, sessions)

    def erase_view(self, request: HttpRequest) -> HttpResponse:
        return erasing.erase(request, self)

    def decide_view(self, request: HttpRequest, object_id: str, approval_id: str) -> HttpResponse:
        return deciding.decide(request, self.readable_or_404(request, object_id), approval_id)

    def steer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return steering.steer(request, self.readable_or_404(request, object_id))

    # The columns.

    @column("Session")
    def conversation(self, session: Any) -> SafeString:
        return render_to_string("admin/sessions_app/desk/cell.html", {"session": session})

    @column("Who")
    def visitor(self, session: Session) -> SafeString:
        query = getattr(session, "list_query", "")
        name, url = visitor_name(session), person_url(session, **({FILTERS: query} if query else {}))
        if not url:
            return format_html('<span class="cell-line cell-muted">{}</span>', name)
        return format_html('<a class="cell-line cell-who" href="{}" title="{}">{}</a>', url, name, name)

    @column("Review")
    def review_mark(self, session: Session) -> SafeString:
        return render_to_string("admin/sessions_app/desk/mark.html", {"session": session})

    @column("Started", ordering="start_time")
    def started(self, session: Session) -> SafeString:
        at = timezone.localtime(session.start_time)
        return format_html(
            '<time class="cell-line" datetime="{}" title="{}">{}</time>',
            at.isoformat(),
            formats.date_format(at, "DATETIME_FORMAT"),
            formats.date_format(at, "j M, H:i" if at.year == timezone.localdate().year else "j M Y, H:i"),
        )

    @column("Duration", ordering="duration_seconds", empty_value="-")
    def lasted(self, session: Session) -> str | None:
        words = humanize.span(session.duration_seconds)
        if not words and session.status == SessionStatus.ACTIVE:
            words = f"so far {humanize.duration_so_far(timezone.now() - session.start_time)}"
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
        hint = f"{humanize.cost(session.cost_microusd, session.unpriced)}. {cost_hint(session)}"
        words = humanize.short_cost(session.cost_microusd, session.unpriced)
        return format_html('<span class="cell-line" title="{}">{}</span>', hint, words)

    @column("Model", empty_value="-")
    def model_used(self, session: Session) -> str | None:
        provider, _, name = session.model.partition(":")
        if not session.model:
            return None
        return format_html('<span class="cell-line" title="{}">{}</span>', session.model, name or provider)

    @column("Score", ordering=Coalesce("review__score", 0), empty_value="-")
    def score(self, session: Session) -> SafeString | None:
        review = getattr(session, "review", None)
        return (
            format_html('<span class="cell-score">{}</span>', review.score)
            if review and review.score
            else None
        )

"""What is kept of forgetting and of reading, to look at: who erased, who opened a transcript, what the retention did."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, ReadOnlyAdminMixin, column
from sessions_app.models import Erasure, RetentionRun, TranscriptOpening


class RecordAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """A list; a row has no page of its own that would say more."""

    list_display_links = None
    list_filter_submit = True
    ordering = ("-id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    @column("Session")
    def session(self, record: Any) -> SafeString:
        return format_html('<code class="sx-id">{}</code>', record.session_id)

    @column("When", ordering="id")
    def when(self, record: Any) -> Any:
        return record.at


@admin.register(Erasure)
class ErasureAdmin(RecordAdmin):
    list_display = ("session", "scope", "who", "when")
    list_filter = (("scope", ChoicesDropdownFilter), ("actor", ChoicesDropdownFilter))
    list_select_related = ("staff",)
    search_fields = ("=session_id",)

    @column("Erased by")
    def who(self, erasure: Erasure) -> str:
        return erasure.staff.get_username() if erasure.staff else erasure.get_actor_display()


@admin.register(TranscriptOpening)
class TranscriptOpeningAdmin(RecordAdmin):
    list_display = ("session", "staff_name", "view", "when")
    list_filter = (("view", ChoicesDropdownFilter),)
    search_fields = ("=session_id", "=staff_name")


@admin.register(RetentionRun)
class RetentionRunAdmin(RecordAdmin):
    list_display = ("started_at", "finished_at", "words", "tool_data", "sessions", "failed")

    def get_empty_value_display(self) -> str:
        return "not finished"

"""The background jobs (summaries, sweeps) in the admin: to read, and to run a failed one again."""

from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob
from procrastinate.exceptions import UniqueViolation
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from sessions_app.admin.changelist import BoundedChangeList, BoundedPaginator, ReadOnlyAdminMixin, column

_TONES = {
    "todo": "info",
    "doing": "primary",
    "succeeded": "success",
    "failed": "danger",
    "cancelled": "warning",
    "aborted": "warning",
}

# What stands in breadcrumbs and counts. Migrations look at a model's Meta as it was written, so they see nothing of it.
apps.get_app_config("procrastinate").verbose_name = "Background"
ProcrastinateJob._meta.verbose_name = "job"
ProcrastinateJob._meta.verbose_name_plural = "jobs"

import_module("procrastinate.contrib.django.admin")  # it registers its own page, which is then replaced
admin.site.unregister(ProcrastinateJob)


class JobEvents(ReadOnlyAdminMixin, TabularInline):  # type: ignore[misc]  # unfold has no types
    model = ProcrastinateEvent
    verbose_name_plural = "history"
    fields = ("type", "at")
    ordering = ("id",)
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("procrastinate.view_procrastinatejob")


@admin.register(ProcrastinateJob)
class JobAdmin(ReadOnlyAdminMixin, ModelAdmin):  # type: ignore[misc]
    list_display = ("id", "task", "state", "attempts", "queue_name", "scheduled_at", "lock")
    list_display_links = ("id", "task")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_filter_submit = True
    ordering = ("-id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    inlines = (JobEvents,)
    actions = ("retry",)
    fields = (
        "task_name",
        "status",
        "args",
        "attempts",
        "queue_name",
        "priority",
        "scheduled_at",
        "lock",
        "queueing_lock",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("procrastinate.change_procrastinatejob")

    @admin.action(description="Run failed jobs again", permissions=["retry"])
    def retry(self, request: HttpRequest, jobs: QuerySet[ProcrastinateJob]) -> None:
        manager = apps.get_app_config("procrastinate").app.job_manager  # type: ignore[attr-defined]
        again = waiting = 0
        for job in jobs.filter(status="failed"):
            try:
                with transaction.atomic():
                    manager.retry_job_by_id(job.id, timezone.now(), job.priority, job.queue_name, job.lock)
            except UniqueViolation:  # of its queueing lock: another one does the same work
                waiting += 1
            else:
                again += 1
        words = f"Jobs to run again: {again}."
        if waiting:
            words += f" Jobs of which another one waits already: {waiting}."
        messages.success(request, words)

    @column("Task", ordering="task_name")
    def task(self, job: ProcrastinateJob) -> str:
        return job.task_name.rpartition(".")[2].replace("_", " ").capitalize()

    @column("Status", ordering="status", tones=_TONES)
    def state(self, job: ProcrastinateJob) -> tuple[str, str]:
        return job.status, job.status.capitalize()

"""For models that the admin shows and never changes."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest


class ReadOnlyAdminMixin:
    """Whoever has the model's ``view`` permission may read; nobody, superuser or not, may write."""

    model: Any
    opts: Any

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.view_{self.opts.model_name}")

    def object_or_404(self, request: HttpRequest, object_id: str, *related: str) -> Any:
        """The object for a page of its own. Raises PermissionDenied for who may not read it and for every write."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return self.readable_or_404(request, object_id, *related)

    def readable_or_404(self, request: HttpRequest, object_id: str, *related: str) -> Any:
        """The object, whatever is to be done with it. Raises PermissionDenied for who may not read it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.model.objects.select_related(*related).filter(pk=unquote(object_id)).first()
        if found is None:
            raise Http404(f"There is no {self.opts.verbose_name} with the id {unquote(object_id)}.")
        return found

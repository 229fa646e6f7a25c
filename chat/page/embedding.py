"""The chat on somebody else's page: the script that they put there, and the page in its frame.

A frame gets no cookie of ours: browsers keep those from other sites' pages. Who somebody is says a client secret that the page
around it hands over; a guest comes back by the session's own secret, which the frame keeps.
"""

from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from chat.page.shell import assistant_for, shell

WIDGET = "chat/widget.js"
_HOUR_S = 3600


@require_safe
@xframe_options_exempt
def frame(request: HttpRequest, slug: str = "") -> HttpResponse:
    """The page for a frame. Its policy names who may show it; where nobody may, a browser shows it to nobody."""
    assistant = assistant_for(request, slug)
    response = shell(request, assistant, framed=True)
    response.frame_ancestors = assistant.origins  # type: ignore[attr-defined]  # realtime_ai.headers
    return response


@require_safe
def widget(request: HttpRequest) -> HttpResponse:
    """At an address that does not change with a release, since it stands in other people's pages."""
    path = finders.find(WIDGET)
    if path is None:
        raise Http404
    response = HttpResponse(
        Path(path).read_text(encoding="utf-8"), content_type="text/javascript; charset=utf-8"
    )
    response["Cache-Control"] = f"public, max-age={_HOUR_S}"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response

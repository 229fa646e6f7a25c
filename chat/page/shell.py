"""The page's shell: one template for every session, in the look and the language of whom one talks with."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from chat.assistants import Assistant, shelf
from chat.conf import conf
from chat.errors import AssistantNotFound
from chat.page import bundle
from chat.page.look import COLOR, PAGE_COLOR, Look, button_colors, look_of, stylesheet
from chat.page.model_choice import model_choices
from chat.page.words import is_right_to_left, language_of, words_url
from identity.principal import principal_of_request
from identity.tokens import CredentialsRefused
from sessions_app.assistant import DEFAULT
from sessions_app.conf import conf as sessions_conf
from sessions_app.files.kinds import MediaType

_SESSION = "SESSION_ID"
_ACCEPTED = ",".join((*MediaType, ".md", ".csv", ".json", ".log"))
"""What the browser's dialog offers first; what is sent is looked at by its bytes. Texts that browsers know by other types go by name."""
_YEAR_S = 365 * 24 * 3600


def assistant_for(request: HttpRequest, slug: str) -> Assistant:
    """By the path, else ``?assistant=``; a draft (``?version=``) for staff alone. Raises `Http404`."""
    number = _wanted_version(request)
    try:
        return shelf.find_now(
            slug or request.GET.get("assistant", ""), number, staff=number is not None and _is_staff(request)
        )
    except AssistantNotFound as error:
        raise Http404(str(error)) from None


def shell(
    request: HttpRequest, assistant: Assistant, *, session_id: str = "", framed: bool = False
) -> HttpResponse:
    language = language_of(request, assistant.settings.language)
    with translation.override(language):
        look = look_of(assistant)
        response = render(
            request,
            "chat/page.html",
            {
                "session_id": session_id,
                "look": look,
                "language": language,
                "button_colors": " ".join(button_colors(look.color or COLOR)),
                "direction": "rtl" if is_right_to_left(language) else "ltr",
                "words_url": words_url(language),
                "shades_url": reverse("chat:shades", args=[look.color]) if look.color else "",
                "framed": framed,
                "preview": _wanted_version(request),
                "frame_origins": " ".join(assistant.origins) if framed else "",
                "model": assistant.choices[0],
                "models": model_choices(assistant),
                "script_url": bundle.script_url(),
                "styles_url": bundle.styles_url(),
                "vendors": bundle.vendors(),
                "socket_query": _socket_query(request, look),
                "is_staff": not framed and _is_staff(request),
                "shows_notices": settings.DEBUG and not framed and _is_staff(request),
                "max_message_chars": conf().max_message_chars,
                "max_files": sessions_conf().max_files_per_message,
                "max_file_bytes": sessions_conf().max_file_bytes,
                "accepted_files": _ACCEPTED,
                "feedback_reasons": ",".join(conf().feedback_reasons),
                "feedback_comment_chars": conf().feedback_comment_chars,
                **_addresses(look, framed=framed),
            },
        )
    if not assistant.settings.language:
        patch_vary_headers(response, ["Accept-Language"])
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


@require_safe
def manifest(request: HttpRequest, slug: str = "") -> JsonResponse:
    """What a browser wants to know to put the chat among one's applications."""
    look = look_of(assistant_for(request, slug))
    home = _addresses(look, framed=False)["home_url"]
    icons = [
        {"src": static(f"chat/icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    if look.logo:
        icons = [
            {"src": look.logo, "sizes": "any", "type": look.logo.partition(";")[0].removeprefix("data:")}
        ]
    about = {
        "name": look.name,
        "short_name": look.name,
        "id": home,
        "start_url": home,
        "scope": "/",
        "display": "standalone",
        "background_color": PAGE_COLOR,
        "theme_color": f"#{look.color or COLOR}",
        "icons": icons,
    }
    return JsonResponse(
        about, content_type="application/manifest+json", headers={"Cache-Control": "no-cache"}
    )


def _addresses(look: Look, *, framed: bool) -> dict[str, Any]:
    if not look.slug:
        home, session = (
            reverse("chat:frame" if framed else "chat:page"),
            reverse("chat:session", args=[_SESSION]),
        )
    else:
        home = reverse("chat:assistant-frame" if framed else "chat:assistant", args=[look.slug])
        session = reverse("chat:assistant-session", args=[look.slug, _SESSION])
    others = reverse("chat:assistant-session", args=["x-x", _SESSION]).replace("x-x", "ASSISTANT")
    manifest_url = (
        reverse("chat:assistant-manifest", args=[look.slug]) if look.slug else reverse("chat:manifest")
    )
    return {
        "home_url": home,
        "session_url": session,
        "assistant_session_url": others,
        "manifest_url": manifest_url,
    }


def _socket_query(request: HttpRequest, look: Look) -> str:
    """What the page's sockets ask for: with whom, and in which version where it is a preview."""
    version = _wanted_version(request)
    wanted = {"assistant": look.slug or (DEFAULT if version else ""), "version": version}
    return urlencode({name: value for name, value in wanted.items() if value})


def _wanted_version(request: HttpRequest) -> int | None:
    version = request.GET.get("version", "")
    return int(version) if version.isdecimal() and len(version) < 9 else None


def _is_staff(request: HttpRequest) -> bool:
    """With the second factor that staff may have to show."""
    if not getattr(request.user, "is_staff", False):
        return False
    try:
        return principal_of_request(request).is_staff
    except CredentialsRefused:
        return False


@require_safe
def shades(request: HttpRequest, color: str) -> HttpResponse:
    """A stylesheet that follows from its address, so that every browser may keep it."""
    return HttpResponse(
        stylesheet(color),
        content_type="text/css; charset=utf-8",
        headers={"Cache-Control": f"public, max-age={_YEAR_S}, immutable"},
    )

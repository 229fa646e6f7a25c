"""In which language the page speaks, and the catalogue of its scripts' words.

Templates and scripts are translated by gettext; the catalogues lie in ``chat/locale``, compiled.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog

from sessions_app.assistant import LANGUAGES

_LOCALE = Path(__file__).resolve().parent.parent / "locale"
_YEAR_S = 365 * 24 * 3600


def language_of(request: HttpRequest, wanted: str) -> str:
    """The assistant's, else the first of the browser's that the page speaks, else English."""
    if wanted in LANGUAGES:
        return wanted
    found = translation.get_language_from_request(request).partition("-")[0]
    return found if found in LANGUAGES else "en"


def is_right_to_left(language: str) -> bool:
    return bool(translation.get_language_info(language)["bidi"])


@cache
def _version(language: str) -> str:
    """Of the catalogue: its address changes with it, so that a browser may keep it."""
    compiled = _LOCALE / language / "LC_MESSAGES" / "djangojs.mo"
    return sha256(compiled.read_bytes()).hexdigest()[:12] if compiled.exists() else "0"


def words_url(language: str) -> str:
    return f"{reverse('chat:words', args=[language])}?v={_version(language)}"


@cache
def _script(language: str) -> bytes:
    """Made once: it is the same for everybody."""
    request = HttpRequest()
    request.method = "GET"
    with translation.override(language):
        made: HttpResponse = JavaScriptCatalog.as_view(packages=["chat"])(request)  # type: ignore[assignment]
    return made.content


@require_safe
def words(request: HttpRequest, language: str) -> HttpResponse:
    """A script that is loaded before the page's modules: Django's catalogue, ``gettext`` and ``ngettext``."""
    if language not in LANGUAGES:
        raise Http404
    response = HttpResponse(_script(language), content_type='text/javascript; charset="utf-8"')
    is_current = request.GET.get("v") == _version(language)
    response["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable" if is_current else "no-cache"
    return response

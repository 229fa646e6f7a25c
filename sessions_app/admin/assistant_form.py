"""The form of an assistant: what a version holds, field by field, and the lines that lists are written as."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from sessions_app import hooks
from sessions_app.assistant import LANGUAGES, SLUG, AssistantSettings, assistant_of, problems_of

MOST_LOGO_BYTES = 64 * 1024
_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
_LANGUAGES = [("", "The visitor's own"), *LANGUAGES.items()]


def _line(label: str, help_text: str = "", *, required: bool = False, most: int = 200) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=most,
        widget=UnfoldAdminTextInputWidget(),
    )


def _lines(label: str, help_text: str = "", *, rows: int = 4, most: int = 5_000) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=False,
        max_length=most,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": rows}),
    )


class AssistantForm(forms.Form):
    slug = _line("Name in addresses", "Of a-z, 0-9 and -. It stays as it is.", required=True, most=40)
    name = _line("Name", "What visitors read at the top. Empty: the product's.", most=60)
    logo = forms.FileField(
        label="Logo",
        help_text="PNG, JPEG, WebP, GIF or SVG, at most 64 KB.",
        required=False,
        widget=UnfoldAdminFileFieldWidget(),
    )
    no_logo = forms.BooleanField(
        label="Take the logo away", required=False, widget=UnfoldBooleanSwitchWidget()
    )
    color = _line("Colour", "Of buttons and links: #0f766e. Empty: the product's.", most=7)
    headline = _line("Headline", "What the empty page asks.")
    welcome = _lines("Welcome", "A sentence or two under it.", rows=2, most=1_000)
    prompts = _lines("Suggestions", "A line each: what is said | what it is about. At most 8.")
    instructions = _lines(
        "System prompt",
        "Who it is and how it answers. Empty: the server's (CHAT_INSTRUCTIONS).",
        rows=12,
        most=100_000,
    )
    models = forms.MultipleChoiceField(
        label="Models",
        help_text="Those that may answer; none chosen: all that this server offers.",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    first_model = forms.ChoiceField(
        label="The one that answers first", required=False, widget=UnfoldAdminSelectWidget
    )
    all_tools = forms.BooleanField(label="All tools", required=False, widget=UnfoldBooleanSwitchWidget())
    tools = forms.MultipleChoiceField(
        label="Tools",
        help_text="Those that it may use, where it may not use all.",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    language = forms.ChoiceField(
        label="Language of the page", choices=_LANGUAGES, required=False, widget=UnfoldAdminSelectWidget
    )
    links = _lines("Links", "A line each: Imprint | https://example.com/imprint. At most 6.", rows=3)
    client_instructions = forms.BooleanField(
        label="Programs may change its instructions",
        help_text="Off: a client can neither read nor change them.",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )
    origins = _lines(
        "Pages that may embed it",
        "A line each: https://shop.example.com. Those of EMBED_ORIGINS may, too.",
        rows=3,
    )

    SECTIONS = (
        (
            "What visitors see",
            ("name", "logo", "no_logo", "color", "headline", "welcome", "prompts", "links"),
        ),
        ("How it answers", ("instructions", "models", "first_model", "all_tools", "tools")),
        ("Where", ("language", "client_instructions", "origins")),
    )

    def __init__(self, *args: Any, kept: AssistantSettings, is_new: bool, **kwargs: Any) -> None:
        """``kept``: what the form begins with, and whose logo stays unless another is given."""
        kwargs.setdefault("initial", _initial(kept))
        super().__init__(*args, **kwargs)
        self._kept = kept
        models = _names(hooks.models_offered(), kept.models)
        self._choose("models", models)
        self._choose("first_model", models, none="Whichever is the first")
        self._choose("tools", _names(hooks.tools_offered(), kept.tools or ()))
        if not is_new:
            del self.fields["slug"]
        if not kept.logo:
            del self.fields["no_logo"]

    def _choose(self, field: str, names: list[str], none: str = "") -> None:
        choices = [("", none)] if none else []
        self.fields[field].choices = [*choices, *((name, name) for name in names)]  # type: ignore[attr-defined]

    @property
    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        shown = [
            (title, [self[name] for name in names if name in self.fields]) for title, names in self.SECTIONS
        ]
        return [("", [self["slug"]]), *shown] if "slug" in self.fields else shown

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if not SLUG.fullmatch(slug):
            raise ValidationError("Use a-z, 0-9 and -, not at the ends.")
        return slug

    def clean_logo(self) -> str:
        given = self.cleaned_data["logo"]
        return data_url(given) if given else self._kept.logo

    def clean_prompts(self) -> list[dict[str, str]]:
        return [{"text": text, "about": about} for text, about in _pairs(self.cleaned_data["prompts"])]

    def clean_links(self) -> list[dict[str, str]]:
        found = _pairs(self.cleaned_data["links"])
        if not all(label and url for label, url in found):
            raise ValidationError("Each line is a label, |, and an address.")
        return [{"label": label, "url": url} for label, url in found]

    def clean_origins(self) -> list[str]:
        return [line.rstrip("/") for line in _split(self.cleaned_data["origins"])]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        first, models = cleaned["first_model"], cleaned["models"]
        if first:  # none chosen is all of them: one that comes first takes no other away
            models = list(dict.fromkeys([first, *(models or hooks.models_offered())]))
        try:
            settings = msgspec.convert(
                {
                    **{name: cleaned[name] for name in _PLAIN},
                    "logo": "" if cleaned.get("no_logo") else cleaned["logo"],
                    "prompts": cleaned["prompts"],
                    "models": models,
                    "tools": None if cleaned["all_tools"] else cleaned["tools"],
                },
                AssistantSettings,
            )
        except msgspec.ValidationError as error:
            raise ValidationError(str(error)) from None
        for field, problem in problems_of(settings).items():
            self.add_error(field, problem.partition(": ")[2])
        self.settings = settings
        return cleaned


_PLAIN = (
    "name",
    "color",
    "headline",
    "welcome",
    "instructions",
    "language",
    "links",
    "client_instructions",
    "origins",
)
_TITLES = {
    "name": "name",
    "logo": "logo",
    "color": "colour",
    "headline": "headline",
    "welcome": "welcome",
    "prompts": "suggestions",
    "instructions": "system prompt",
    "models": "models",
    "tools": "tools",
    "language": "language",
    "links": "links",
    "client_instructions": "who may change instructions",
    "origins": "pages that may embed it",
}


def changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What a version has that the one before it had not, in words."""
    names = [title for field, title in _TITLES.items() if before.get(field) != after.get(field)]
    return ", ".join(names)


def data_url(given: "UploadedFile[Any]") -> str:
    """The picture as a page holds it; its kind is read from its first bytes. Raises `ValidationError`."""
    if (given.size or 0) > MOST_LOGO_BYTES:
        raise ValidationError("The picture has more than 64 KB.")
    content = given.read()
    kind = next((kind for mark, kind in _PICTURES.items() if content.startswith(mark)), "")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "image/webp"
    if b"<svg" in content[:1_000].lower():
        kind = "image/svg+xml"
    if not kind:
        raise ValidationError("This is no picture of a kind that browsers show.")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def settings_of(kept: dict[str, Any]) -> AssistantSettings:
    """Of a version; what an older build knew and this one does not is left out."""
    known = {name: value for name, value in kept.items() if name in AssistantSettings.__struct_fields__}
    return assistant_of(known)


def _initial(kept: AssistantSettings) -> dict[str, Any]:
    plain = msgspec.to_builtins(kept)
    return {
        **{
            name: plain.get(name, "")
            for name in ("name", "color", "headline", "welcome", "instructions", "language")
        },
        "prompts": "\n".join(_joined(one.text, one.about) for one in kept.prompts),
        "links": "\n".join(_joined(one.label, one.url) for one in kept.links),
        "models": list(kept.models),
        "first_model": kept.models[0] if kept.models else "",
        "all_tools": kept.tools is None,
        "tools": list(kept.tools or ()),
        "client_instructions": kept.client_instructions is not False,
        "origins": "\n".join(kept.origins),
    }


def _names(offered: Iterable[str], kept: Iterable[str]) -> list[str]:
    """What a version names stays to be chosen, also where this process does not have it at the moment."""
    return list(dict.fromkeys([*offered, *kept]))


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(text: str) -> list[tuple[str, str]]:
    halves = (line.partition("|") for line in _split(text))
    return [(first.strip(), second.strip()) for first, _, second in halves]


def _joined(first: str, second: str) -> str:
    return f"{first} | {second}" if second else first

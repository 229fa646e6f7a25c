"""Assistants in the admin: versions, the one that people get, going back, and what a form refuses."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from sessions_app.assistant import AssistantSettings
from sessions_app.desk.assistants import publish, save_version
from sessions_app.models import Assistant, AssistantVersion, Session
from tests.admin.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db
LIST = "/admin/sessions_app/assistant/"
ADD = f"{LIST}add/"
SHOP = f"{LIST}shop/change/"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def filled(**changes: Any) -> dict[str, Any]:
    return {"slug": "shop", "name": "Shop", "all_tools": "on", "client_instructions": "on", **changes}


def numbers() -> list[int]:
    return list(AssistantVersion.objects.order_by("number").values_list("number", flat=True))


def test_each_save_is_a_version_with_who_and_what_changed(admin: Client) -> None:
    assert admin.post(ADD, filled(draft="1")).headers["Location"] == SHOP
    admin.post(SHOP, filled(draft="1", color="#0f766e"))
    assert numbers() == [1, 2]
    assert Assistant.objects.get().live == 0
    page = admin.get(SHOP).content.decode()
    assert "Visitors get none of its versions yet" in page
    assert page.index("Version 2") < page.index("Version 1")
    assert "root, " in page
    assert ": colour</p>" in page
    assert AssistantVersion.objects.get(number=2).made_by == "root"


def test_saving_and_publishing_going_back_and_retiring(admin: Client) -> None:
    admin.post(ADD, filled(publish="1"))
    admin.post(SHOP, filled(publish="1", name="Better"))
    assert Assistant.objects.get().live == 2
    admin.post(f"{LIST}shop/publish/", {"version": "1"})
    assert Assistant.objects.get().live == 1
    assert AssistantVersion.objects.get(number=1).published_by == "root"
    assert "Visitors get version 1" in admin.get(SHOP).content.decode()
    admin.post(f"{LIST}shop/retire/")
    assert not Assistant.objects.get().active
    assert "Retired" in admin.get(LIST).content.decode()
    admin.post(f"{LIST}shop/publish/", {"version": "2"})
    assert (Assistant.objects.get().active, Assistant.objects.get().live) == (True, 2)


def test_what_a_colleague_saved_meanwhile_is_not_taken_from_the_visitors_unseen(admin: Client) -> None:
    """Two have the form open: whoever saves last has not seen what the other one changed."""
    admin.post(ADD, filled(publish="1"))
    page = admin.get(SHOP).content.decode()
    assert '<input type="hidden" name="seen" value="1">' in page
    ann = signed_in(User.objects.create_superuser("ann", password=PASSWORD))
    ann.post(SHOP, filled(publish="1", seen="1", headline="Ann's"))
    refused = admin.post(SHOP, filled(publish="1", seen="1", color="nonsense")).content.decode()
    assert 'name="seen" value="1"' in refused
    told = admin.post(SHOP, filled(publish="1", seen="1", color="#0f766e"), follow=True).content.decode()
    assert "Kept as version 3, and not published: ann saved version 2 meanwhile" in told
    assert Assistant.objects.get().live == 2
    told = admin.post(SHOP, filled(draft="1", seen="1", name="Mine"), follow=True).content.decode()
    assert "Kept as version 4, and not published: " in told
    admin.post(SHOP, filled(publish="1", seen="4", name="Whole"))
    assert Assistant.objects.get().live == 5
    same = admin.post(SHOP, filled(publish="1", seen="4", name="Whole"), follow=True).content.decode()
    assert "Version 5 is what visitors get" in same


@pytest.mark.parametrize("version", ["3", "0", "", "x", "1" * 30])
def test_a_version_that_there_is_not_cannot_be_published(admin: Client, version: str) -> None:
    admin.post(ADD, filled(draft="1"))
    assert admin.post(f"{LIST}shop/publish/", {"version": version}).status_code == 404
    assert admin.post(f"{LIST}nobody/publish/", {"version": "1"}).status_code == 404
    assert Assistant.objects.get().live == 0


def test_an_old_version_is_where_one_may_begin(admin: Client) -> None:
    admin.post(ADD, filled(draft="1", headline="The first"))
    admin.post(SHOP, filled(draft="1", headline="The second"))
    assert 'value="The second"' in admin.get(SHOP).content.decode()
    assert 'value="The first"' in admin.get(f"{SHOP}?version=1").content.decode()
    assert admin.get(f"{SHOP}?version=9").status_code == 404


def test_all_that_the_form_takes_is_kept_and_shown_again(admin: Client) -> None:
    admin.post(
        ADD,
        filled(
            draft="1",
            logo=SimpleUploadedFile("logo.png", PNG),
            color="#0f766e",
            prompts="Where is my order? | By its number\nHello",
            links="Imprint | https://shop.example.com/imprint",
            instructions="You sell bicycles.",
            models=["demo"],
            first_model="demo",
            all_tools="",
            tools=["calculate"],
            language="ar",
            client_instructions="",
            origins="https://shop.example.com/\n",
        ),
    )
    kept = AssistantVersion.objects.get().settings
    assert kept["logo"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert kept["prompts"] == [{"text": "Where is my order?", "about": "By its number"}, {"text": "Hello"}]
    assert kept["links"] == [{"label": "Imprint", "url": "https://shop.example.com/imprint"}]
    assert (kept["tools"], kept["models"], kept["language"]) == (["calculate"], ["demo"], "ar")
    assert (kept["client_instructions"], kept["origins"]) == (False, ["https://shop.example.com"])
    page = admin.get(SHOP)
    again = {name: field.initial for name, field in page.context["form"].fields.items()}
    initial = page.context["form"].initial
    assert initial["prompts"] == "Where is my order? | By its number\nHello"
    assert again.keys() >= initial.keys()
    admin.post(
        SHOP,
        {
            **filled(draft="1"),
            **{k: v for k, v in initial.items() if v not in (False, "")},
            "all_tools": "",
            "client_instructions": "",
        },
    )
    assert numbers() == [1], "the same again, with the logo that it had, is no other version"
    admin.post(SHOP, filled(draft="1", no_logo="on"))
    assert "logo" not in AssistantVersion.objects.get(number=2).settings


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (["demo"], ["openai:gpt-6.1-terra", "demo"]),
        (["openai:gpt-6.1-terra"], ["openai:gpt-6.1-terra"]),
        ([], ["openai:gpt-6.1-terra", "demo"]),
    ],
)
def test_the_model_that_answers_first_takes_none_away_that_was_not_chosen_from(
    admin: Client, chosen: list[str], kept: list[str]
) -> None:
    with override_settings(
        CHAT_LLM_MODEL="demo", CHAT_LLM_MODELS=("openai:gpt-6.1-terra",), CHAT_OPENAI_API_KEY="k"
    ):
        admin.post(ADD, filled(draft="1", models=chosen, first_model="openai:gpt-6.1-terra"))
    assert AssistantVersion.objects.get().settings["models"] == kept


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slug": "Not So"}, "Use a-z, 0-9 and -"),
        ({"color": "teal"}, "six digits"),
        ({"links": "Imprint"}, "Each line is a label"),
        ({"links": "Imprint | javascript:alert(1)"}, "each leads to"),
        ({"origins": "shop.example.com"}, "like https://shop.example.com"),
        ({"prompts": "\n".join(f"p{number}" for number in range(9))}, "length &lt;= 8"),
        ({"logo": SimpleUploadedFile("x.html", b"<html>")}, "no picture"),
        ({"logo": SimpleUploadedFile("x.png", PNG + b"0" * 70_000)}, "more than 64 KB"),
        ({"models": ["of-nobody"]}, "of-nobody"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(admin: Client, changes: Any, said: str) -> None:
    response = admin.post(ADD, filled(draft="1", **changes))
    assert response.status_code == 200
    assert said in response.content.decode()
    assert not Assistant.objects.exists()


def test_a_name_is_taken_once(admin: Client) -> None:
    admin.post(ADD, filled(draft="1"))
    assert "There is an assistant of this name" in admin.post(ADD, filled(draft="1")).content.decode()
    assert numbers() == [1]


def test_what_somebody_writes_is_shown_as_text(admin: Client) -> None:
    admin.post(ADD, filled(draft="1", name="<b>Shop</b>", instructions="</textarea><script>x</script>"))
    for page in (admin.get(SHOP), admin.get(LIST)):
        assert "<script>x" not in page.content.decode()
        assert "<b>Shop" not in page.content.decode()


def _staff(*permissions: str) -> Client:
    user = User.objects.create_user("eve", password=PASSWORD, is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


def test_who_may_look_changes_nothing(admin: Client) -> None:
    admin.post(ADD, filled(draft="1"))
    eve = _staff("view_assistant")
    page = eve.get(SHOP).content.decode()
    assert "Preview" in page
    assert "Save and publish" not in page
    assert eve.post(SHOP, filled(draft="1", name="Eve's")).status_code == 403
    assert eve.post(f"{LIST}shop/publish/", {"version": "1"}).status_code == 403
    assert eve.post(f"{LIST}shop/retire/").status_code == 403
    assert eve.get(ADD).status_code == 403
    assert numbers() == [1]


def test_who_may_only_add_publishes_nothing() -> None:
    """Else they would change by a new one, called default, with whom everybody talks."""
    ann = _staff("view_assistant", "add_assistant")
    assert "Save and publish" not in ann.get(ADD).content.decode()
    assert ann.post(ADD, filled(publish="1", slug="default")).status_code == 302
    assert (numbers(), Assistant.objects.get().live) == ([1], 0)


def test_who_may_not_look_sees_nothing(nobody: Client) -> None:
    for path in (LIST, ADD, SHOP):
        assert nobody.get(path).status_code == 403


def test_nobody_deletes_one(admin: Client) -> None:
    admin.post(ADD, filled(draft="1"))
    assert admin.post(f"{LIST}shop/delete/", {"post": "yes"}).status_code == 403
    assert Assistant.objects.exists()


def test_pages_ask_for_little_however_many_there_are(admin: Client) -> None:
    for number in range(30):
        save_version(slug=f"a{number}", settings=AssistantSettings(name=f"N{number}"), by="ada")
        publish(slug=f"a{number}", version=1, by="ada")
    for path in (LIST, f"{LIST}a3/change/"):
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(path).status_code == 200
        assert len(queries) <= 15


def test_sessions_are_found_by_it(admin: Client) -> None:
    Session.objects.create(session_id="one", assistant="shop", first_words="Of the shop", user_messages=1)
    Session.objects.create(session_id="two", first_words="Of nobody", user_messages=1)
    page = admin.get("/admin/sessions_app/session/?assistant=shop").content.decode()
    assert "Of the shop" in page
    assert "Of nobody" not in page
    assert 'value="shop"' in page
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        queryset = Session.objects.filter(assistant="shop").exclude(assistant="").order_by("-start_time")
        plan = queryset.explain()
    assert "sessions_of_assistant" in plan

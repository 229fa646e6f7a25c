"""The front door in the browser's language, and the admin in English."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

pytestmark = pytest.mark.django_db


def page(path: str, language: str, status: int = 200) -> str:
    response = Client().get(path, headers={"Accept-Language": language})
    assert response.status_code == status
    return response.content.decode()


@pytest.mark.parametrize(
    ("language", "words", "start"),
    [
        ("de-DE", "Passwort vergessen", '<html lang="de" dir="ltr">'),
        ("fr", "Mot de passe oublié", '<html lang="fr" dir="ltr">'),
        ("es", "¿Olvidó su contraseña?", '<html lang="es" dir="ltr">'),
        ("ar", "هل نسيت كلمة المرور؟", '<html lang="ar" dir="rtl">'),
        ("nl", "Forgotten your password?", '<html lang="en" dir="ltr">'),
    ],
)
def test_the_sign_in_speaks_the_browsers_language(
    settings: object, language: str, words: str, start: str
) -> None:
    settings.CHAT_HAS_EMAIL = True  # type: ignore[attr-defined]
    html = page("/login/", language)
    assert words in html
    assert start in html


def test_what_was_wrong_is_said_in_it_and_a_cache_is_told() -> None:
    wrong = {"username": "ada", "password": "no"}
    response = Client().post("/login/", wrong, headers={"Accept-Language": "de"})
    assert "Benutzername oder Passwort stimmt nicht" in response.content.decode()
    assert "Accept-Language" in response["Vary"]


def test_pages_about_what_went_wrong_speak_it_too() -> None:
    assert "Hier ist nichts" in page("/nowhere/at/all/", "de", 404)


def test_the_admin_stays_as_it_is_and_nothing_is_left_behind() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    before = translation.get_language()
    page("/login/", "de")
    assert translation.get_language() == before
    html = client.get("/admin/", headers={"Accept-Language": "de"}).content.decode()
    assert '<html lang="en' in html
    assert "Abmelden" not in html

"""Static files under ASGI: without a hop to a thread, and without Django's warning about sync iterators."""

from django.test import AsyncClient, Client


async def test_a_file_is_served_whole_with_its_type_and_length() -> None:
    answer = await AsyncClient().get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer["content-type"] == 'text/css; charset="utf-8"'
    assert not answer.streaming
    assert int(answer["content-length"]) == len(answer.content) > 1000


async def test_a_file_that_has_not_changed_is_not_sent_again() -> None:
    first = await AsyncClient().get("/static/admin/css/base.css")
    again = await AsyncClient().get(
        "/static/admin/css/base.css", headers={"if-modified-since": first["last-modified"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_no_path_leads_out_of_the_static_files() -> None:
    for path in ("/static/../manage.py", "/static/%2e%2e/manage.py", "/static//etc/passwd"):
        assert (await AsyncClient().get(path)).status_code == 404


def test_the_sync_client_is_served_too() -> None:
    assert Client().get("/static/admin/css/base.css").status_code == 200

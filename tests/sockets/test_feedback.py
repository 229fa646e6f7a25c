"""What users think of answers: told by one socket, kept in the log, shown to all, live and to whoever comes later."""

import json
from typing import Any

import pytest

from identity.keys import make_key
from identity.models import Scope
from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, plain, realtime

from .conftest import StartServer


def answer_of(done: Frame) -> str:
    return str(done["response"]["output"][-1]["id"])


async def counted(session_id: str) -> tuple[int, int]:
    rows = Session.objects.filter(pk=session_id).values_list("feedback_up", "feedback_down")
    return await in_db_thread(rows.get)


async def logged(session_id: str) -> list[dict[str, Any]]:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type="feedback_given").order_by("seq")
    return await in_db_thread(lambda: [{**row.payload, "comment": row.content} for row in rows])


async def rate(client: Realtime, item_id: str, rating: str, **fields: Any) -> Frame:
    await client.send(type="x_feedback.give", item_id=item_id, rating=rating, **fields)
    while (frame := await client.recv())["type"] not in ("x_feedback.given", "error"):
        pass
    return frame


async def refusal(client: Realtime, item_id: str, rating: str = "down", **fields: Any) -> Frame:
    frame = await rate(client, item_id, rating, event_id="mine_9", **fields)
    assert frame["type"] == "error", frame
    assert frame["error"]["event_id"] == "mine_9"
    error: Frame = frame["error"]
    return error


async def test_a_word_on_an_answer_is_kept_and_told_to_every_tab(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 3")
        item_id = answer_of(done)
        async with realtime(server.ws_url, f"/ws/session?{client.back}") as tab:
            given = await rate(
                client, item_id, "down", reason="wrong", comment="It goes on.", event_id="mine_1"
            )
            seen = await tab.until("x_feedback.given")
        assert (given["item_id"], given["rating"], given["reason"], given["comment"]) == (
            item_id,
            "down",
            "wrong",
            "It goes on.",
        )
        assert seen == given
        assert await counted(client.session_id) == (0, 1)
        assert await logged(client.session_id) == [
            {
                "item_id": item_id,
                "rating": "down",
                "reason": "wrong",
                "comment": "It goes on.",
                "client_event_id": "mine_1",
            }
        ]
        path = f"/v1/realtime?{client.back}&last_event_id=event_{client.session_id}_0&history=joined"
        async with realtime(server.ws_url, path) as later:
            assert await later.until("x_feedback.given") == given


async def test_a_word_that_comes_through_another_process_is_kept_once_and_told_in_both(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url), start_server(REDIS_URL=redis_url)
    async with realtime(one.ws_url) as client:
        _, done = await client.ask("count to 3")
        item_id = answer_of(done)
        async with realtime(two.ws_url, f"/ws/session?{client.back}") as elsewhere:
            given = await rate(elsewhere, item_id, "down", reason="wrong", comment="No.", event_id="mine_1")
            assert await client.until("x_feedback.given") == given
            assert await counted(client.session_id) == (0, 1)
            again = await rate(elsewhere, "item_nobodys", "up", event_id="mine_2")
            assert again["error"]["code"] == "item_not_found"
            taken_back = await rate(elsewhere, item_id, "none")
            assert taken_back["rating"] == "none"
        assert await counted(client.session_id) == (0, 0)
        assert [one["rating"] for one in await logged(client.session_id)] == ["down", "none"]


async def test_the_last_word_counts_and_it_can_be_taken_back(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 3")
        item_id, session_id = answer_of(done), client.session_id
        for rating, up, down in (("up", 1, 0), ("down", 0, 1), ("none", 0, 0), ("up", 1, 0)):
            assert (await rate(client, item_id, rating))["rating"] == rating
            assert await counted(session_id) == (up, down)
        taken_back = (await logged(session_id))[2]
    assert (taken_back["rating"], taken_back["replaces"]) == ("none", "down")


async def test_the_same_word_again_is_no_event_of_its_own(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 3")
        item_id = answer_of(done)
        await rate(client, item_id, "up", event_id="mine_1")
        again = await rate(client, item_id, "up", event_id="mine_1")
        assert again["event_id"].startswith("evt_"), "told again to who asked, and to nobody else"
        same = await rate(client, item_id, "up", event_id="mine_2")
        assert (same["rating"], same["event_id"][:4]) == ("up", "evt_")
        assert (await rate(client, item_id, "up", comment="Nice."))["comment"] == "Nice."
        assert len(await logged(client.session_id)) == 2


async def test_only_an_answer_of_this_session_can_be_rated(server: ServerProcess) -> None:
    told = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "I said so."}],
    }
    async with realtime(server.ws_url) as other, realtime(server.ws_url) as client:
        _, others = await other.ask("count to 3")
        await client.send(type="conversation.item.create", item={**told, "id": "told"})
        await client.until("conversation.item.done")
        _, done = await client.ask("What is 6*7?")
        question = done["response"]["x_input_item_ids"][0]
        call, text = (item["id"] for item in done["response"]["output"])
        for item_id, code in (
            (answer_of(others), "item_not_found"),
            ("nothing", "item_not_found"),
            ("told", "not_an_answer"),
            (question, "not_an_answer"),
            (call, "not_an_answer"),
        ):
            error = await refusal(client, item_id)
            assert (error["code"], error["param"], error["type"]) == (
                code,
                "item_id",
                "invalid_request_error",
            )
        await client.send(type="conversation.item.delete", item_id=text)
        await client.until("conversation.item.deleted")
        assert (await refusal(client, text))["code"] == "item_not_found"
        assert await counted(client.session_id) == (0, 0)


async def test_a_word_that_makes_no_sense_is_refused_by_its_code(start_server: StartServer) -> None:
    server = start_server(FEEDBACK_REASONS="wrong_bicycle,too_slow")
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 3")
        item_id = answer_of(done)
        error = await refusal(client, item_id, reason="wrong")
        assert (error["code"], error["param"]) == ("unknown_feedback_reason", "reason")
        assert "wrong_bicycle, too_slow" in error["message"]
        error = await refusal(client, item_id, comment="x" * 2001)
        assert (error["code"], error["param"]) == ("message_too_large", "comment")
        assert (await refusal(client, item_id, comment="a\x00"))["code"] == "invalid_text"
        assert (await refusal(client, item_id, "great"))["code"] == "invalid_event"
        assert await logged(client.session_id) == []
        assert (await rate(client, item_id, "down", reason="too_slow", comment="x" * 2000))[
            "reason"
        ] == "too_slow"


async def test_an_answer_is_not_rated_without_end(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 3")
        item_id = answer_of(done)
        for number in range(32):
            await rate(client, item_id, "up" if number % 2 else "down")
        assert (await refusal(client, item_id))["code"] == "too_much_feedback"
        assert (await rate(client, item_id, "none"))["rating"] == "none"
        assert await counted(client.session_id) == (0, 0)


async def test_in_plain_text_it_is_the_last_answer_that_is_meant(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("count to 3")
        await client.until("3.")
        await client.send("count to 4")
        await client.until("4.")
        await client.send(json.dumps({"feedback": "down", "reason": "too_long", "comment": "Stop at 3."}))
        told = await client.until("Stop at 3.")
        (word,) = await logged(client.session_id)
        said = SessionEvent.objects.filter(session_id=client.session_id, event_type="assistant_message")
        last = await in_db_thread(lambda: said.order_by("-seq").first())
        assert last is not None
        assert word["item_id"] == last.payload["item_id"]
        assert told == f"[feedback] {word['item_id']} down too_long: Stop at 3."
        await client.send(json.dumps({"feedback": "down", "reason": "never heard"}))
        assert "[error] unknown_feedback_reason" in await client.until("leave it out.")
        assert await counted(client.session_id) == (0, 1)


async def test_before_there_is_an_answer_there_is_nothing_to_rate(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send('{"feedback": "up"}')
        assert (await client.recv()).startswith("[error] item_not_found")


@pytest.mark.parametrize("dialect", ["plain", "realtime"])
async def test_a_key_that_only_reads_rates_nothing(
    server: ServerProcess, django_user_model: Any, dialect: str
) -> None:
    def keys() -> tuple[str, str]:
        ada = django_user_model.objects.create_user("ada")
        return tuple(make_key(user=ada, label=one, scope=one).value for one in (Scope.CHAT, Scope.READ))  # type: ignore[return-value]

    chats, reads = await in_db_thread(keys)
    async with realtime(server.ws_url, additional_headers={"Authorization": f"Bearer {chats}"}) as client:
        _, done = await client.ask("count to 3")
        by_key = {"additional_headers": {"Authorization": f"Bearer {reads}"}}
        if dialect == "plain":
            async with plain(server.ws_url, f"/ws/session/{client.session_id}", **by_key) as reader:
                await reader.send('{"feedback": "up"}')
                assert (await reader.recv()).startswith("[error] read_only_key")
        else:
            async with realtime(server.ws_url, f"/ws/session/{client.session_id}", **by_key) as other:
                assert (await refusal(other, answer_of(done)))["code"] == "read_only_key"
        assert await counted(client.session_id) == (0, 0)

"""The admin's page of a session as it goes on, over real sockets, from the process that holds it and from another."""

from contextlib import AsyncExitStack

import pytest
from django.contrib.auth.models import User

from sessions_app.log.replay import read_records
from sessions_app.models import EraseActor, Onlooker, OpenedView, Session, TranscriptOpening
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.support.log import committed
from tests.support.sockets import joined, realtime
from tests.support.waiting import eventually

from .conftest import StartServer
from .staff_page import act, staff, staff_page

ENV = {"DEMO_DELAY_MS": "15", "SESSION_GRACE_SECONDS": "0.5"}
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>"


async def stored(session_id: str) -> int:
    async def there() -> int:
        row = await in_db_thread(lambda: Session.objects.filter(pk=session_id).first())
        assert row is not None
        return int(row.last_seq)

    return await eventually(there)


async def test_it_grows_as_the_answer_is_written_and_ends_whole(start_server: StartServer) -> None:
    server = start_server(**ENV)
    cookie = await in_db_thread(staff, "grace")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.say("count to 60")
        await user.until("response.output_text.delta")
        await stored("live")
        async with staff_page(server, "live", cookie) as page:
            await page.until(lambda one: one.now.get("answering") and one.now["here"] == 1)
            await page.until_text("count to 60")
            await page.until(lambda one: any(message.get("append") for message in one.messages))
            await user.until("response.done")
            await page.until(lambda one: one.now.get("answering") is False)
            words = joined(user.frames)
            assert "1, 2, 3" in words
            assert words.split()[-1] in page.text
            assert "data-stream" not in page.text, "what is finished is sent as it stands on the page"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
async def test_a_page_that_was_away_misses_nothing_and_shows_nothing_twice(
    start_server: StartServer, redis_url: str, elsewhere: bool
) -> None:
    one = start_server(REDIS_URL=redis_url, **ENV)
    other = start_server(REDIS_URL=redis_url, **ENV) if elsewhere else one
    cookie = await in_db_thread(staff, "grace")
    async with realtime(one.ws_url, "/ws/session/live") as user:
        await user.say("count to 120")
        await user.until("response.output_text.delta")
        await stored("live")
        entries: dict[int, str] = {}
        seen = 0
        for _ in range(6):
            async with staff_page(other, "live", cookie, seen=seen) as page:
                page.entries = entries
                await page.until(lambda one: len(one.messages) > 3 or one.now.get("answering") is False)
                seen = page.seen
                entries = page.entries
        await user.until("response.done")
        async with staff_page(other, "live", cookie, seen=seen) as page:
            page.entries = entries
            await page.until(lambda one: one.now.get("answering") is False and "data-stream" not in one.text)
            away = dict(page.entries)
        async with staff_page(other, "live", cookie) as page:
            await page.until(lambda one: set(away) <= set(one.entries))
            whole = {seq: html for seq, html in page.entries.items() if seq in away}
        assert away == whole


async def test_a_page_survives_the_process_that_held_the_session(
    start_server: StartServer, redis_url: str
) -> None:
    """It is another's socket's process that dies; the page's own goes on and shows what the next holder writes."""
    env = {**ENV, "REDIS_URL": redis_url, "SESSION_LEASE_SECONDS": "2"}
    holder, other = start_server(**env), start_server(**env)
    cookie = await in_db_thread(staff, "grace")
    async with realtime(holder.ws_url, "/ws/session/live") as user:
        await user.say("count to 200")
        await user.until("response.output_text.delta")
        await stored("live")
        async with staff_page(other, "live", cookie) as page:
            await page.until(lambda one: any(message.get("append") for message in one.messages))
            await committed("response_started", session_id="live")
            holder.kill()
            async with realtime(other.ws_url, "/ws/session/live") as back:
                await back.until("response.done")
                await page.until_text("Taken over by another server process")
                await page.until(lambda one: one.now.get("answering") is False)
                records = await in_db_thread(read_records, session_id="live", after=0)
                in_log = {record.seq for record in records}
                assert set(page.entries) <= in_log, "nothing stays that was never stored"


async def test_it_stays_through_the_end_and_shows_the_session_when_it_is_opened_again(
    start_server: StartServer,
) -> None:
    server = start_server(**ENV)
    cookie = await in_db_thread(staff, "grace")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
    async with staff_page(server, "live", cookie) as page:
        await page.until(lambda one: one.now.get("status") == "ended")
        async with realtime(server.ws_url, "/ws/session/live") as user:
            await page.until(lambda one: one.now.get("status") == "active" and one.now["here"] == 1)
            await user.ask("hello again")
            await page.until_text("hello again")


async def test_who_looks_keeps_no_session_from_its_end_and_is_no_event_of_it(
    start_server: StartServer,
) -> None:
    server = start_server(**ENV)
    cookie = await in_db_thread(staff, "grace")
    looking = AsyncExitStack()
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        page = await looking.enter_async_context(staff_page(server, "live", cookie))
        await page.recv()
    await page.until(lambda one: one.now.get("status") == "ended")
    await looking.aclose()
    records = await in_db_thread(read_records, session_id="live", after=0)
    opened = [one for one in records if one.event.event_type == "connection_opened"]
    assert len(opened) == 1


async def test_who_looks_is_written_down_as_who_opens_the_page_is(start_server: StartServer) -> None:
    server = start_server(**ENV)
    grace, nobody = await in_db_thread(staff, "grace"), await in_db_thread(staff, "nobody", "view_user")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        for cookie in (nobody, grace, grace):
            async with staff_page(server, "live", cookie) as page:
                if cookie == nobody:
                    await page.close_code()
                else:
                    await page.recv()

    def openings() -> list[tuple[str, str, str]]:
        found = TranscriptOpening.objects.values_list("session_id", "staff_name", "view")
        return [(one[0], one[1], one[2]) for one in found]

    assert await in_db_thread(openings) == [("live", "grace", OpenedView.TRANSCRIPT)]


async def test_staff_see_who_else_looks_in_every_process(start_server: StartServer) -> None:
    one, two = start_server(**ENV), start_server(**ENV)
    grace, alan = await in_db_thread(staff, "grace"), await in_db_thread(staff, "alan")
    async with realtime(one.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        async with staff_page(one, "live", grace) as here:
            await here.until(lambda page: page.staff == ["grace"])
            async with staff_page(two, "live", alan) as there:
                await there.until(lambda page: page.staff == ["alan", "grace"])
                await here.until(lambda page: page.staff == ["alan", "grace"])
            await here.until(lambda page: page.staff == ["grace"])

    async def gone() -> None:
        assert not await in_db_thread(Onlooker.objects.exists)

    await eventually(gone)


async def test_who_looks_is_there_again_where_others_have_forgotten_them(start_server: StartServer) -> None:
    """After an outage of the database, the process that comes first takes those of the others for dead."""
    server = start_server(**ENV)
    grace = await in_db_thread(staff, "grace")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        async with staff_page(server, "live", grace) as page:
            await page.until(lambda page: page.staff == ["grace"])
            await in_db_thread(Onlooker.objects.all().delete)
            await page.until(lambda page: page.staff == [])
            await page.until(lambda page: page.staff == ["grace"])


async def test_it_is_for_staff_who_may_see_sessions_as_long_as_they_may(start_server: StartServer) -> None:
    server = start_server(**ENV)
    grace, nobody = await in_db_thread(staff, "grace"), await in_db_thread(staff, "nobody", "view_user")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        for cookie in ("", nobody):
            async with staff_page(server, "live", cookie) as page:
                assert await page.close_code() == 4401
                assert page.messages == []
        async with staff_page(server, "live", grace) as page:
            await page.recv()

            def take_away() -> None:
                User.objects.get(username="grace").user_permissions.clear()

            await in_db_thread(take_away)
            assert await page.close_code() == 4401


async def test_one_that_is_not_there_or_was_erased_is_not_shown(start_server: StartServer) -> None:
    server = start_server(
        **ENV, SESSION_LEASE_SECONDS="2"
    )  # what others erased is looked for every few renewals
    cookie = await in_db_thread(staff, "grace")
    async with staff_page(server, "none", cookie) as page:
        assert await page.close_code() == 4404
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        async with staff_page(server, "live", cookie) as page:
            await page.until_text("hello")
            await in_db_thread(erase_session, session_id="live", by=By(actor=EraseActor.COMMAND))
            assert await page.close_code() == 4404
    async with staff_page(server, "live", cookie) as page:
        assert await page.close_code() == 4404


async def test_what_people_write_is_text(start_server: StartServer) -> None:
    server = start_server(**ENV)
    cookie = await in_db_thread(staff, "grace")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask(f"echo {ATTACK}")
        await stored("live")
        async with staff_page(server, "live", cookie) as page:
            await page.until_text("alert(1)")
            await page.until(lambda one: one.now.get("answering") is False)
            assert "<script" not in page.text
            assert "<img" not in page.text


async def test_a_page_says_that_it_is_there_and_nothing_else(start_server: StartServer) -> None:
    server = start_server(**ENV)
    cookie = await in_db_thread(staff, "grace")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        await stored("live")
        async with staff_page(server, "live", cookie) as page:
            await page._connection.send("{}")
            await page.recv()
            await page._connection.send("x" * 101)
            assert await page.close_code() == 4400


async def test_staff_step_in_through_a_process_that_does_not_hold_the_session(
    start_server: StartServer, redis_url: str
) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    grace, alan = await in_db_thread(staff, "grace"), await in_db_thread(staff, "alan")
    viewer = await in_db_thread(staff, "viewer", "view_session")
    async with realtime(one.ws_url, "/ws/session/live") as user:
        await user.say("count to 500")
        await user.until("response.output_text.delta")
        await stored("live")
        assert (await act(two, "live", viewer, "take_over"))[0] == 403
        async with staff_page(two, "live", alan) as page:
            assert (await act(two, "live", grace, "take_over"))[0] == 200
            done = (await user.until("response.done"))["response"]
            assert done["status_details"]["x_reason"] == "operator_took_over"
            await page.until(lambda seen: seen.now.get("operator") == "grace")
            status, words = await act(one, "live", alan, "take_over")
            assert (status, "Another member of staff" in words) == (409, True)
            await user.say("Are you a person?")
            waiting = (await user.until("response.created"))["response"]
            assert waiting["x_queued"]["position"] == 1
            assert (await act(two, "live", grace, "speak", "Yes, I am."))[0] == 200
            done = (await user.until("response.done"))["response"]
            assert (done["id"], done["x_person"]) == (waiting["id"], "A member of staff")
            assert done["output"][0]["content"][0]["text"] == "Yes, I am."
            assert (await act(two, "live", alan, "whisper", "They are nice."))[0] == 200
            await page.until_text("They are nice.")
            assert (await act(one, "live", grace, "hand_back"))[0] == 200
            await page.until(lambda seen: seen.now.get("operator") == "")
            _, done = await user.ask("hello")
            assert done["response"]["status"] == "completed"
            assert "grace" not in str(user.frames)
            told = [one["item"] for one in user.frames if one["type"] == "conversation.item.done"]
            assert [one["x_operator"] for one in told if one["role"] == "system"] == [
                "took_over",
                "handed_back",
            ]


async def test_an_ended_session_is_left_in_peace(start_server: StartServer) -> None:
    server = start_server(**ENV)
    cookie = await in_db_thread(staff, "grace")
    async with realtime(server.ws_url, "/ws/session/live") as user:
        await user.ask("hello")

    async def ended() -> None:
        row = await in_db_thread(Session.objects.get, pk="live")
        assert row.status == "ended"

    await eventually(ended)
    for what in ("take_over", "whisper", "stop", "hand_back"):
        status, words = await act(server, "live", cookie, what, "words")
        assert (status, words) == (409, "The session has ended: there is nobody to answer any more.")
    assert (await in_db_thread(Session.objects.get, pk="live")).status == "ended"


async def test_a_takeover_outlives_the_process_that_held_it(
    start_server: StartServer, redis_url: str
) -> None:
    env = {**ENV, "REDIS_URL": redis_url, "SESSION_LEASE_SECONDS": "2", "SESSION_GRACE_SECONDS": "20"}
    one, two = start_server(**env), start_server(**env)
    grace = await in_db_thread(staff, "grace")
    async with realtime(one.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        assert (await act(one, "live", grace, "take_over"))[0] == 200
        await user.say("Anybody?")
        await user.until("response.created")
        one.kill()
        async with realtime(two.ws_url, "/ws/session/live") as back:
            assert (await act(two, "live", grace, "speak", "Still here."))[0] == 200
            done = (await back.until("response.done"))["response"]
            assert done["output"][0]["content"][0]["text"] == "Still here."


async def test_a_staff_act_takes_up_a_session_whose_process_died(start_server: StartServer) -> None:
    """Nobody has come back to it yet, and no Redis is there to ask."""
    env = {**ENV, "SESSION_LEASE_SECONDS": "2", "SESSION_GRACE_SECONDS": "60"}
    one, two = start_server(**env), start_server(**env)
    grace = await in_db_thread(staff, "grace")
    async with realtime(one.ws_url, "/ws/session/live") as user:
        await user.ask("hello")
        status, words = await act(two, "live", grace, "whisper", "Be kind.")
        assert (status, "Another server process" in words) == (409, True)
        one.kill()

        async def taken_up() -> None:
            assert (await act(two, "live", grace, "whisper", "Be kind."))[0] == 200

        await eventually(taken_up)

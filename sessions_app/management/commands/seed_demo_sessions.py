"""``manage.py seed_demo_sessions``: sessions to look at while developing, written as the real rows they would be."""

import random
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from sessions_app import ids
from sessions_app.log import events as ev
from sessions_app.log.attention import news_of
from sessions_app.log.journal_sql import Counters, first_words
from sessions_app.log.rows import encode_rows
from sessions_app.management.copies import copy_sessions
from sessions_app.management.demo_scripts import Script
from sessions_app.management.demo_sessions import DemoSession, demo_session
from sessions_app.models import InboxItem, Session, SessionEvent, SessionStatus, SummaryState

USERS = ("ada", "grace", "linus", "margaret", "edsger")
BATCH = 200

SUMMARY_MICROUSD = 450
WAITS = timedelta(days=2)

_WELL = (
    (ev.Resolution.RESOLVED, ev.Sentiment.POSITIVE, 5),
    (ev.Resolution.RESOLVED, ev.Sentiment.NEUTRAL, 4),
    (ev.Resolution.RESOLVED, ev.Sentiment.NEUTRAL, 5),
    (ev.Resolution.ABANDONED, ev.Sentiment.NEUTRAL, 4),
)
_NOT_WELL = (
    (ev.Resolution.UNRESOLVED, ev.Sentiment.NEGATIVE, 2),
    (ev.Resolution.UNRESOLVED, ev.Sentiment.NEUTRAL, 3),
    (ev.Resolution.ABANDONED, ev.Sentiment.NEGATIVE, 1),
)


class Command(BaseCommand):
    help = "Write demo sessions with their whole logs. Refuses in production without --force."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=50, help="sessions to write (default 50)")
        parser.add_argument(
            "--days", type=float, default=14, help="spread over so many days up to now (default 14)"
        )
        parser.add_argument(
            "--live",
            type=int,
            default=0,
            help="so many more that go on: an answer half told, or a tool that waits for a yes",
        )
        parser.add_argument("--long", type=int, default=0, help="one more of so many messages")
        parser.add_argument(
            "--seed", type=int, default=None, help="the same number gives the same conversations"
        )
        parser.add_argument(
            "--copies",
            type=int,
            default=0,
            help="so many more, copied inside the database: a million in minutes",
        )
        parser.add_argument("--force", action="store_true", help="also where DEBUG is off")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEBUG or options["force"]):
            raise CommandError(
                "DEBUG is off: demo sessions do not belong into a real database. Mean it? --force"
            )
        seeder = _Seeder(random.Random(options["seed"]), options["days"])
        for begin in range(0, options["count"], BATCH):
            seeder.write_ended([seeder.session() for _ in range(min(BATCH, options["count"] - begin))])
        seeder.write([seeder.session(live=True, asks=n % 2 == 1) for n in range(options["live"])])
        if options["long"]:
            seeder.write([seeder.session(messages=options["long"])])
        if options["copies"]:
            if not seeder.written:
                raise CommandError("--copies are of the sessions that --count writes: give it 1000, say.")
            self._copy(seeder.written, options["copies"], options["days"])
        self.stdout.write(f"Wrote {seeder.sessions} sessions with {seeder.events} rows of events.")

    def _copy(self, originals: list[str], count: int, days: float) -> None:
        began = time.monotonic()

        def tell(done: int) -> None:
            left_s = (time.monotonic() - began) / done * (count - done)
            share = 30 * done // count
            bar = "#" * share + "." * (30 - share)
            self.stderr.write(f"[{bar}] {done:,} of {count:,} copies, {left_s:,.0f} s left")

        copy_sessions(originals, count=count, days=days, tell=tell)


class _Seeder:
    def __init__(self, dice: random.Random, days: float) -> None:
        self._dice, self._days = dice, days
        joined = timezone.now() - timedelta(days=days + 1)  # before the first of their sessions
        self._users = [_user(name, joined) for name in USERS]
        self.sessions = self.events = 0
        self.written: list[str] = []
        """Ids of the ended ones."""

    def session(self, *, live: bool = False, asks: bool = False, messages: int | None = None) -> DemoSession:
        started_at = timezone.now() - timedelta(minutes=2) if live else self._moment()
        started_at -= timedelta(minutes=messages or 0)
        return demo_session(
            session_id=ids.uuid7(),
            started_at=started_at,
            dice=self._dice,
            live=live,
            asks=asks,
            messages=messages,
        )

    def _moment(self) -> datetime:
        """More often by day than by night, and some minutes ago at least."""
        while True:
            moment = timezone.now() - timedelta(days=self._dice.uniform(0.02, self._days))
            if self._dice.random() < (0.9 if 7 <= moment.hour < 21 else 0.25):
                return moment

    def write_ended(self, sessions: list[DemoSession]) -> None:
        self.write(sessions)
        self.written += [session.session_id for session in sessions]

    @transaction.atomic
    def write(self, sessions: list[DemoSession]) -> None:
        """All or nothing: a session never stands without its log."""
        Session.objects.bulk_create([self._session_row(session) for session in sessions])
        rows = [row for session in sessions for row in encode_rows(session.records)]
        SessionEvent.objects.bulk_create(map(SessionEvent.of, rows), batch_size=2_000)
        InboxItem.objects.bulk_create(item for session in sessions for item in _waiting(session))
        self.sessions += len(sessions)
        self.events += len(rows)

    def _session_row(self, session: DemoSession) -> Session:
        counters = Counters.of(session.records)
        row = Session(
            session_id=session.session_id,
            source="realtime",
            start_time=session.started_at,
            created_at=session.started_at,
            last_event_at=session.records[-1].at,
            model=session.model,
            last_seq=session.records[-1].seq,
            lease_epoch=1,
            first_words=first_words(session.records),
            **{name: getattr(counters, name) for name in Counters.__slots__},
        )
        self._give_an_owner(row)
        if session.script:
            self._end(row, session, session.script)
        return row

    def _give_an_owner(self, row: Session) -> None:
        chance = self._dice.random()
        if chance < 0.65:
            row.user = self._dice.choice(self._users)
        elif chance < 0.9:
            row.guest_id = f"{self._dice.getrandbits(96):024x}"

    def _end(self, row: Session, session: DemoSession, script: Script) -> None:
        """Ended, with a summary written after the end."""
        row.status, row.end_reason = SessionStatus.ENDED, "left"
        row.end_time = session.records[-1].at
        row.duration_seconds = (row.end_time - session.started_at).total_seconds()
        row.summary_state, row.summary_seq = SummaryState.WRITTEN, session.records[-1].seq
        written = self._summary(session, script, well=not row.failed_responses and not row.feedback_down)
        row.title, row.summary, row.topics, row.intent = (
            script.title,
            script.summary,
            written.topics,
            written.intent,
        )
        row.outcome, row.sentiment = written.outcome or "", written.sentiment or ""
        row.language, row.quality = written.language, written.quality
        row.cost_microusd += SUMMARY_MICROUSD
        row.last_seq += 1
        row.last_event_at = row.end_time + timedelta(seconds=2)
        session.records.append(ev.Record(session.session_id, row.last_seq, row.last_event_at, written))

    def _summary(self, session: DemoSession, script: Script, *, well: bool) -> ev.SummaryWritten:
        outcome, sentiment, quality = self._dice.choice(_WELL if well else _NOT_WELL)
        return ev.SummaryWritten(
            summary=script.summary,
            title=script.title,
            model=session.model,
            cost_microusd=SUMMARY_MICROUSD,
            topics=list(script.topics),
            intent=script.intent,
            outcome=outcome,
            open_questions=list(script.open_questions),
            follow_ups=list(script.follow_ups),
            sentiment=sentiment,
            language=script.language,
            quality=quality,
            quality_reason="Every question was answered." if well else "The user was left without an answer.",
        )


def _waiting(session: DemoSession) -> Iterator[InboxItem]:
    """As the journal writes it with the events; what was seen to long ago is left out."""
    for news in news_of(session.records):
        if news.opens and news.at > timezone.now() - WAITS:
            yield InboxItem(
                session_id=session.session_id,
                kind=news.opens,
                ref=news.ref,
                response_id=news.response_id,
                waits_for=news.waits_for,
                seq=news.seq,
                at=news.at,
            )


def _user(name: str, joined: datetime) -> Any:
    """A demo user that nobody can sign in as."""
    users = get_user_model()
    by_name: dict[str, Any] = {users.USERNAME_FIELD: name}
    user, created = users._default_manager.get_or_create(**by_name)
    if created:
        user.set_unusable_password()
        user.date_joined = joined
        user.save(update_fields=["password", "date_joined"])
    return user

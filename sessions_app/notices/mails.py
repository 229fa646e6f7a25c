"""E-mails to staff: what happened since the last one, in one mail. They say where, and not what was said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin.utils import quote
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from sessions_app.log.attention import COMMENT_WAIT_S
from sessions_app.models import MailNotice, MailSubscription, Topic
from sessions_app.selectors.inbox import rated_again

MOST_NOTICES = 10_000
"""What one mail counts; of more it says so."""
MOST_LINES = 20
"""The newest of them, one by one."""
MOST_RATINGS = 200
"""So many are read in the log; those before them are counted as they came."""
KEEP = timedelta(days=2)
"""A notice that could not be sent for so long is nobody's news any more."""
_MAY_SEE = "sessions_app.view_session"


@dataclass(frozen=True)
class Digest:
    to: str
    subject: str
    text: str


def _rested() -> QuerySet[MailSubscription]:
    pause = ExpressionWrapper(F("minutes") * timedelta(minutes=1), output_field=DurationField())
    rows = MailSubscription.objects.annotate(pause=pause)
    return rows.filter(Q(sent_at__isnull=True) | Q(sent_at__lte=Now() - F("pause")))


def _ripe() -> Q:
    """A rating waits for its comment."""
    return ~Q(topic=Topic.FEEDBACK_GIVEN) | Q(at__lte=Now() - timedelta(seconds=COMMENT_WAIT_S))


def due_subscriptions() -> list[int]:
    """Those who have something to hear, and whose last mail is long enough ago. A first thing is told at once."""
    due = _rested().filter(Exists(MailNotice.objects.filter(_ripe(), subscription=OuterRef("pk"))))
    return list(due.order_by("pk").values_list("pk", flat=True))


@dataclass(frozen=True)
class _Claim:
    """What one mail tells, by whoever set the subscription's ``sent_at``; the notices are there until it is sent."""

    subscription_id: int
    before: datetime | None
    at: datetime
    told: Q
    digest: Digest


def send_digest(subscription_id: int, *, public_url: str = "") -> bool:
    """Send what there is to one member of staff, and forget it; what the mail server refuses is there for the next time.

    False: there is nothing to send now, or they may not hear of it any more. Raises what Django's backend raises. No
    transaction is open while the mail server is talked to: it takes its time. A process that dies after it sent and before it
    forgot lets the same be told again with the next mail.
    """
    claim = _claim(subscription_id, public_url)
    if claim is None:
        return False
    try:
        EmailMessage(claim.digest.subject, claim.digest.text, to=[claim.digest.to]).send()
    except BaseException:
        ours = MailSubscription.objects.filter(pk=subscription_id, sent_at=claim.at)
        ours.update(sent_at=claim.before)
        raise
    MailNotice.objects.filter(claim.told, subscription_id=subscription_id).delete()
    return True


@transaction.atomic
def _claim(subscription_id: int, public_url: str) -> _Claim | None:
    # no_key: the journal, whose rows refer to this one, never waits for it
    rows = _rested().select_for_update(of=("self",), skip_locked=True, no_key=True)
    subscription = rows.select_related("user").filter(pk=subscription_id).first()
    if subscription is None:
        return None
    subscription.notices.exclude(topic__in=subscription.topics).delete()  # not wanted any more
    notices = list(subscription.notices.filter(_ripe()).order_by("-id")[: MOST_NOTICES + 1])
    passed_over = _passed_over(notices)
    notices = [one for one in notices if one.pk not in passed_over]
    if not notices:
        subscription.notices.filter(pk__in=passed_over).delete()
        return None
    user, before, now = subscription.user, subscription.sent_at, timezone.now()
    subscription.sent_at = now
    subscription.save(update_fields=["sent_at"])
    if not (user.email and user.is_active and user.is_staff and user.has_perm(_MAY_SEE)):
        subscription.notices.all().delete()
        return None
    # by their ids, as one of a lower id may be committed later; of so many that they are not all read, whatever is older too
    told = Q(id__in=[*passed_over, *(one.pk for one in notices)])
    if len(notices) > MOST_NOTICES:
        told = Q(id__lte=notices[0].pk)
    digest = digest_of(user.email, notices, public_url=public_url)
    return _Claim(subscription_id, before, now, told, digest)


def _passed_over(notices: Sequence[MailNotice]) -> set[int]:
    """Of the newest ratings, those after which another one of the same answer came: that one is told."""
    ratings = [one for one in notices if one.topic == Topic.FEEDBACK_GIVEN][:MOST_RATINGS]
    places = rated_again([(one.session_id, one.seq) for one in ratings])
    return {one.pk for one in ratings if (one.session_id, one.seq) in places}


def digest_of(to: str, notices: Sequence[MailNotice], *, public_url: str = "") -> Digest:
    """``notices``: the newest first, and one more than `MOST_NOTICES` where there are more than that."""
    more = "more than " if len(notices) > MOST_NOTICES else ""
    notices = notices[:MOST_NOTICES]
    counts = Counter(one.topic for one in notices)
    told = [f"{more}{counts[topic]} × {topic.label}" for topic in Topic if counts[topic]]
    subject = (
        Topic(notices[0].topic).label if len(notices) == 1 else f"{more}{len(notices)} things have happened"
    )
    lines = [_line(one, public_url) for one in notices[:MOST_LINES]]
    if len(notices) > MOST_LINES:
        lines.append(f"and {more}{len(notices) - MOST_LINES} more")
    inbox = public_url.rstrip("/") + reverse("admin:sessions_app_inboxitem_changelist") if public_url else ""
    parts = ["\n".join(told), "\n".join(lines), inbox and f"What waits for you: {inbox}", _WHY]
    return Digest(
        to,
        f"[Realtime AI] {subject[0].upper()}{subject[1:]}",
        "\n\n".join(part for part in parts if part) + "\n",
    )


_WHY = "You chose to be told of this. Change it in the admin, under E-mails to me."


def _line(notice: MailNotice, public_url: str) -> str:
    at = timezone.localtime(notice.at).strftime("%d %b, %H:%M")
    page = reverse("admin:sessions_app_session_change", args=[quote(notice.session_id)])
    where = (
        f"{public_url.rstrip('/')}{page}?hit={notice.seq}#seq-{notice.seq}"
        if public_url
        else notice.session_id
    )
    return f"{at}  {Topic(notice.topic).label}  {where}"


def forget_old_notices() -> None:
    MailNotice.objects.filter(at__lt=Now() - KEEP).delete()

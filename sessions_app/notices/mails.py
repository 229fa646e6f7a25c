"""E-mails to staff: what happened since the last one, in one mail. They say where, and not what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from sessions_app.models import MailNotice, MailSubscription, Topic

MOST_NOTICES = 500
"""What one mail tells of; more of them are counted."""
MOST_LINES = 20
KEEP = timedelta(days=2)
"""A notice that could not be sent for so long is nobody's news any more."""
_MAY_SEE = "sessions_app.view_session"


@dataclass(frozen=True)
class Digest:
    to: str
    subject: str
    text: str


def due_subscriptions() -> list[int]:
    """Those who have something to hear, and whose last mail is long enough ago. A first thing is told at once."""
    pause = ExpressionWrapper(F("minutes") * timedelta(minutes=1), output_field=DurationField())
    waits = MailSubscription.objects.filter(notices__isnull=False).annotate(pause=pause)
    due = waits.filter(Q(sent_at__isnull=True) | Q(sent_at__lte=Now() - F("pause")))
    return list(due.order_by("pk").values_list("pk", flat=True).distinct())


def send_digest(subscription_id: int, *, public_url: str = "") -> bool:
    """Send what there is to one member of staff, and forget it; what the mail server refuses is there for the next time.

    False: there is nothing, or they may not hear of it any more. Raises what Django's backend raises.
    """
    with transaction.atomic():
        rows = MailSubscription.objects.select_for_update(of=("self",), skip_locked=True)
        subscription = rows.select_related("user").filter(pk=subscription_id).first()
        if subscription is None:
            return False
        notices = list(subscription.notices.order_by("id")[: MOST_NOTICES + 1])
        MailNotice.objects.filter(pk__in=[one.pk for one in notices]).delete()
        subscription.sent_at = timezone.now()
        subscription.save(update_fields=["sent_at"])
        user = subscription.user
        if not (notices and user.email and user.is_active and user.is_staff and user.has_perm(_MAY_SEE)):
            return False
        digest = digest_of(user.email, notices, public_url=public_url)
        EmailMessage(digest.subject, digest.text, to=[digest.to]).send()
    return True


def digest_of(to: str, notices: Sequence[MailNotice], *, public_url: str = "") -> Digest:
    counts = {topic: sum(one.topic == topic for one in notices) for topic in Topic}
    told = [f"{count} × {topic.label}" for topic, count in counts.items() if count]
    first = Topic(notices[0].topic).label
    subject = first[0].upper() + first[1:] if len(notices) == 1 else f"{len(notices)} things have happened"
    lines = [_line(one, public_url) for one in notices[:MOST_LINES]]
    if len(notices) > MOST_LINES:
        lines.append(
            f"and {'more than ' if len(notices) > MOST_NOTICES else ''}{min(len(notices), MOST_NOTICES) - MOST_LINES} more"
        )
    inbox = public_url.rstrip("/") + reverse("admin:sessions_app_inboxitem_changelist") if public_url else ""
    parts = ["\n".join(told), "\n".join(lines), inbox and f"What waits for you: {inbox}", _WHY]
    return Digest(to, f"[Realtime AI] {subject}", "\n\n".join(part for part in parts if part) + "\n")


_WHY = "You chose to be told of this. Change it in the admin, under E-mails to me."


def _line(notice: MailNotice, public_url: str) -> str:
    at = timezone.localtime(notice.at).strftime("%d %b, %H:%M")
    page = reverse("admin:sessions_app_session_change", args=[notice.session_id])
    where = (
        f"{public_url.rstrip('/')}{page}?hit={notice.seq}#seq-{notice.seq}"
        if public_url
        else notice.session_id
    )
    return f"{at}  {Topic(notice.topic).label}  {where}"


def forget_old_notices() -> None:
    MailNotice.objects.filter(at__lt=Now() - KEEP).delete()

"""``/api/webhooks``: who is told of what happens, for staff who may say so. docs/webhooks.md"""

from django.http import HttpRequest
from ninja import Router, Status

from chat.api.callers import caller
from chat.api.documents import told
from chat.api.sessions import caller_of
from chat.api.shapes import MadeWebhook, NewWebhook, Webhooks, WebhookShown
from chat.errors import FrameError, ObjectNotFound
from sessions_app.hooks import address_problem
from sessions_app.models import Webhook
from sessions_app.notices.secrets import new_secret, sealed

router = Router(tags=["webhooks"], auth=caller)
_RIGHT = "sessions_app.{}_webhook"


@router.get("", response=told(Webhooks, 403), operation_id="listWebhooks", summary="List webhooks")
def list_webhooks(request: HttpRequest) -> Webhooks:
    caller_of(request).check_may(_RIGHT.format("view"))
    return Webhooks(webhooks=[WebhookShown.from_orm(one) for one in Webhook.objects.all()])


@router.post("", response=told(MadeWebhook, 403, status=201), operation_id="makeWebhook", summary="Make one")
def make_webhook(request: HttpRequest, wanted: NewWebhook) -> Status[MadeWebhook]:
    """Its secret is told this once."""
    caller_of(request).check_may(_RIGHT.format("add"))
    if problem := address_problem(wanted.url):
        raise FrameError(problem, param="url")
    secret = new_secret()
    made = Webhook.objects.create(
        name=wanted.name,
        url=wanted.url,
        topics=[topic.value for topic in wanted.topics],
        with_words=wanted.with_words,
        active=wanted.active,
        secret=sealed(secret),
    )
    made.refresh_from_db(fields=["created_at"])
    shown = WebhookShown.from_orm(made).model_dump()
    return Status(201, MadeWebhook(**shown, secret=secret))


@router.delete(
    "/{int:webhook_id}",
    response=told(None, 403, 404, status=204),
    operation_id="deleteWebhook",
    summary="Delete one",
)
def delete_webhook(request: HttpRequest, webhook_id: int) -> Status[None]:
    caller_of(request).check_may(_RIGHT.format("delete"))
    deleted, _ = Webhook.objects.filter(pk=webhook_id).delete()
    if not deleted:
        raise ObjectNotFound("There is no such webhook. GET /api/webhooks lists them.")
    return Status(204, None)

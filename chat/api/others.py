"""What is nobody's session: the models, files, and all that is one's own at once."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router

from chat.api.callers import known_caller
from chat.api.documents import BINARY, TEXT, content, parameters, query, told
from chat.api.shapes import Erased, FileLink, FileShown, Models, ModelShown
from chat.llm.catalog import offered
from chat.page import files, own_data
from chat.page.model_choice import model_name

router = Router()

_FORM = {
    "type": "object",
    "properties": {files.FIELD: {"type": "string", "format": "binary"}},
    "required": [files.FIELD],
}
_UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}
_OF = query("external_user_id", TEXT, "One user of the key's own.")
_WHOSE = parameters(_OF, query("everybody", {"const": "1"}, "With a key: all that is its user's."))


@router.get(
    "/models",
    auth=known_caller,
    response=told(Models),
    tags=["models"],
    operation_id="listModels",
    summary="List models",
)
def list_models(request: HttpRequest) -> Models:
    """The first one answers unless another is chosen."""
    return Models(models=[ModelShown(id=spec, name=model_name(spec)) for spec in offered()])


@router.post(
    "/files",
    response=told(FileShown, 403, 413, 415, 422, 429, status=201),
    tags=["files"],
    operation_id="sendFile",
    summary="Send a file",
    openapi_extra=_UPLOAD,
    url_name="files",
)
def send_file(request: HttpRequest) -> HttpResponseBase:
    """Ahead of the message that it goes with."""
    return files.upload(request)


@router.get(
    "/files/{file_id}",
    response=told(None, 404),
    tags=["files"],
    operation_id="getFile",
    summary="Get a file",
    openapi_extra=parameters(query("token", TEXT, "Of a link: it needs no key."))
    | content(200, "Its bytes", **{"application_octet-stream": BINARY}),
    url_name="file",
)
def get_file(request: HttpRequest, file_id: str) -> HttpResponseBase:
    return files.one(request, file_id=file_id)


@router.delete(
    "/files/{file_id}",
    response=told(None, 403, 404, status=204),
    tags=["files"],
    operation_id="deleteFile",
    summary="Throw one away that is in no message",
)
def delete_file(request: HttpRequest, file_id: str) -> HttpResponseBase:
    return files.one(request, file_id=file_id)


@router.get(
    "/files/{file_id}/link",
    response=told(FileLink, 404),
    tags=["files"],
    operation_id="linkFile",
    summary="Get an address of it for some minutes",
)
def link_file(request: HttpRequest, file_id: str) -> HttpResponseBase:
    return files.link(request, file_id=file_id)


@router.get(
    "/my-conversations",
    response=told(None),
    tags=["own data"],
    operation_id="exportAll",
    summary="Take all that is one's own along",
    openapi_extra=parameters(_OF) | content(200, "A line of JSON each", **{"application_x-ndjson": TEXT}),
    url_name="own-sessions",
)
def export_all(request: HttpRequest) -> HttpResponseBase:
    return own_data.all_of_them(request)


@router.delete(
    "/my-conversations",
    response=told(Erased, 403),
    tags=["own data"],
    operation_id="eraseAll",
    summary="Erase all that is one's own",
    openapi_extra=_WHOSE,
)
def erase_all(request: HttpRequest) -> HttpResponseBase:
    return own_data.all_of_them(request)

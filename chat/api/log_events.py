"""What the schema says of the events of a session's log: one for each type, from its struct, without what is for staff."""

from typing import Any

import msgspec

from sessions_app.log import events as ev
from sessions_app.review.told import CLIENT, FOR_STAFF, STAFF, UNTOLD

JSON = dict[str, Any]

_REF = "#/components/schemas/{name}"
_SEQ: JSON = {"type": "integer", "minimum": 1}
_AT: JSON = {"type": "string", "format": "date-time"}


def log_event_schemas() -> dict[str, JSON]:
    """By their names; ``LogEvent`` is any of them."""
    types = [cls for cls in ev.EVENT_TYPES.values() if cls not in UNTOLD]
    refs, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    for cls in types:
        schemas[cls.__name__] = _told(cls, schemas[cls.__name__])
    names = {cls.__name__ for cls in types}
    mapping = {cls.event_type: ref["$ref"] for cls, ref in zip(types, refs, strict=True)}
    told = msgspec.json.encode(schemas).decode()
    schemas = {name: one for name, one in schemas.items() if name in names or f'/{name}"' in told}
    any_of_them = {
        "description": "What happened, with the fields of its type; those at their default are left out.",
        "oneOf": list(refs),
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    return {**schemas, "LogEvent": any_of_them}


def _told(cls: type[ev.Event], schema: JSON) -> JSON:
    fields = {name: one for name, one in schema["properties"].items() if name not in FOR_STAFF}
    about: JSON = {"seq": _SEQ, "type": {"const": cls.event_type}}
    if cls is not ev.AssistantDelta:
        about["at"] = _AT
    required = [*about, *(name for name in schema["required"] if name in fields)]
    if cls is ev.SessionReopened:
        about["first_seq"] = {**_SEQ, "description": "It stands for all from there on."}
        fields["cause"] = schema["properties"]["cause"]
    if cls is ev.ToolApproval:
        fields["by"] = {"enum": [CLIENT, STAFF]}
    return {**schema, "properties": about | fields, "required": required}

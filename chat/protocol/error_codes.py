"""The codes of frames that cannot be taken; the codes of all other errors stand with their classes in ``errors.py``."""

from enum import StrEnum


class FrameCode(StrEnum):
    INVALID_JSON = "invalid_json"
    MISSING_TYPE = "missing_type"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    UNSUPPORTED_EVENT = "unsupported_event"
    INVALID_EVENT = "invalid_event"
    MISSING_PARAMETER = "missing_required_parameter"
    UNKNOWN_PARAMETER = "unknown_parameter"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    UNSUPPORTED_MODALITY = "unsupported_modality"
    UNSUPPORTED_ITEM = "unsupported_item"
    UNSUPPORTED_CONTENT = "unsupported_content"
    INVALID_TEXT = "invalid_text"
    EMPTY_MESSAGE = "empty_message"

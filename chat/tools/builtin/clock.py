"""The time anywhere."""

import re
from datetime import UTC, datetime, timedelta, timezone
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from chat.tools import ToolError, tool

_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])([0-9]{1,2})(?::?([0-9]{2}))?", re.IGNORECASE)
_NO_PLACE = {"localtime", "Factory"}
_CITIES = {
    "Africa/Johannesburg": ("cape_town", "pretoria"),
    "America/Chicago": ("austin", "dallas", "houston"),
    "America/Los_Angeles": ("las_vegas", "san_diego", "san_francisco", "seattle"),
    "America/New_York": ("atlanta", "boston", "miami", "philadelphia", "washington"),
    "America/Sao_Paulo": ("brasilia", "rio", "rio_de_janeiro"),
    "America/Toronto": ("ottawa",),
    "Asia/Dubai": ("abu_dhabi",),
    "Asia/Kolkata": ("bangalore", "bengaluru", "chennai", "delhi", "mumbai", "new_delhi"),
    "Asia/Shanghai": ("beijing", "guangzhou", "shenzhen"),
    "Asia/Tokyo": ("kyoto", "osaka"),
    "Europe/Berlin": ("cologne", "frankfurt", "hamburg", "munich"),
    "Europe/London": ("edinburgh", "manchester"),
    "Europe/Madrid": ("barcelona",),
    "Europe/Rome": ("milan", "naples"),
    "Europe/Zurich": ("basel", "geneva"),
}
"""Cities that are often asked for and name no zone."""


class ZoneTime(msgspec.Struct):
    zone: str
    time: str
    """ISO 8601, with the offset."""
    weekday: str
    abbreviation: str


@tool
def get_time(zone: str) -> ZoneTime:
    """The present date and time in a time zone.

    Args:
        zone: An IANA zone such as "Europe/Berlin", a city such as "Tokyo", "UTC", or an offset such as "UTC+2".
    """
    found = _by_name(zone) or _by_offset(zone)
    if found is None:
        raise ToolError(_unknown(zone[:64]))
    now = datetime.now(found)
    return ZoneTime(
        zone=str(found),
        time=now.isoformat(timespec="seconds"),
        weekday=f"{now:%A}",
        abbreviation=now.tzname() or "",
    )


def _by_offset(text: str) -> timezone | None:
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        return None
    sign, hours, minutes = found[1], int(found[2]), int(found[3] or 0)
    if hours > 14 or minutes > 59:  # the widest in use are -12:00 and +14:00
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)


def _by_name(text: str) -> ZoneInfo | None:
    """Raises `ToolError` for a name of several zones that differ now."""
    zones = _zones_by_word()
    names = zones.get(_word(text)) or zones.get(_word(text.partition(",")[0])) or []
    found = [ZoneInfo(name) for name in names]
    now = datetime.now(UTC)
    if len({now.astimezone(zone).utcoffset() for zone in found}) > 1:
        raise ToolError(f"{text[:64]!r} may be one of several zones: {', '.join(names)}. Give one of these.")
    return found[0] if found else None


def _unknown(text: str) -> str:
    near = _near(_word(text))
    hint = f"Near matches: {', '.join(near)}." if near else "Nothing has a name like it."
    return (
        f"There is no time zone {text!r}. {hint} Give an IANA name such as Europe/Berlin, or the largest city of the "
        "same zone."
    )


def _near(word: str) -> list[str]:
    zones = _zones_by_word()
    inside = [known for known in zones if len(word) >= 3 and word in known][:5]
    close = get_close_matches(word, zones, n=5, cutoff=0.6)
    return list(dict.fromkeys(zones[known][0] for known in (*close, *inside)))


@cache
def _zones_by_word() -> dict[str, list[str]]:
    """Zones by their name, by its last part (the city), and by cities beside that one."""
    known = available_timezones() - _NO_PLACE
    zones = {city: [name] for name in known & _CITIES.keys() for city in _CITIES[name]}
    for name in sorted(known):
        # "GMT-5" is meant as five hours behind; the zone Etc/GMT-5 is five ahead
        city = name if name.startswith("Etc/") else name.rpartition("/")[2]
        for word in {_word(name), _word(city)}:
            zones.setdefault(word, []).append(name)
    return zones


def _word(text: str) -> str:
    return re.sub(r"[\s_-]+", "_", text.strip().casefold())

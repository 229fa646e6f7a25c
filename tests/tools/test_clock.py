"""The time in a zone, however a person names it."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from chat.errors import ToolError
from chat.tools.builtin.clock import _CITIES, _word, get_time
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from tests.tools.conftest import NOBODY


@pytest.mark.parametrize(
    ("asked", "zone"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("asia/tokyo", "Asia/Tokyo"),
        ("Tokyo", "Asia/Tokyo"),
        ("Tokyo, Japan", "Asia/Tokyo"),
        ("  new york ", "America/New_York"),
        ("Port-au-Prince", "America/Port-au-Prince"),
        ("San Francisco", "America/Los_Angeles"),
        ("Louisville", "America/Kentucky/Louisville"),
        ("utc", "UTC"),
        ("UTC+2", "UTC+02:00"),
        ("+05:30", "UTC+05:30"),
        ("GMT-5", "UTC-05:00"),
        ("Etc/GMT-5", "Etc/GMT-5"),
    ],
)
def test_a_zone_is_found_by_name_city_or_offset(asked: str, zone: str) -> None:
    assert get_time(asked).zone == zone


def test_the_time_is_the_time_there() -> None:
    told = get_time("Kathmandu")
    time = datetime.fromisoformat(told.time)
    assert abs(datetime.now(UTC) - time) < timedelta(seconds=5)
    assert time.utcoffset() == timedelta(hours=5, minutes=45)
    assert told.weekday == f"{time:%A}"
    assert told.abbreviation == "+0545"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Berln", "Near matches: Europe/Berlin"),
        ("Europe/Berln", "Near matches: Europe/Berlin"),
        ("PST", "PST8PDT"),
        ("York", "Near matches: .*America/New_York"),
        ("Atlantis", "There is no time zone 'Atlantis'"),
        ("", "Nothing has a name like it"),
        ("UTC+15", "There is no time zone"),
        ("UTC+2:75", "There is no time zone"),
        ("../../etc/passwd", "There is no time zone"),
        ("localtime", "There is no time zone"),
        ("\x00", "There is no time zone"),
        ("x" * 100_000, "There is no time zone 'x{64}'"),
        ("West", re.escape("may be one of several zones: Australia/West, Brazil/West")),
    ],
)
def test_a_wrong_zone_gets_near_ones(asked: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        get_time(asked)


@pytest.mark.parametrize(("zone", "cities"), _CITIES.items())
def test_the_cities_beside_the_zones_are_found(zone: str, cities: tuple[str, ...]) -> None:
    for city in cities:
        assert city == _word(city)
        assert get_time(city).zone == zone


async def test_through_the_registry(shipped: Registry) -> None:
    outcome = await run_tool(shipped, name="get_time", arguments='{"zone": "UTC"}', context=NOBODY)
    assert outcome.outcome == "ok"
    assert set(msgspec.json.decode(outcome.output)) == {"zone", "time", "weekday", "abbreviation"}

"""Django's cache as this server keeps it: counts of libraries, among processes."""

from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache

from sessions_app.limits.models import CacheEntry

pytestmark = pytest.mark.django_db


def life() -> datetime:
    return CacheEntry.objects.get(key=cache.make_key("attempts")).expires


def test_a_count_that_grows_ends_when_it_would_have_ended() -> None:
    cache.add("attempts", 0, timeout=3600)
    end = life()
    assert [cache.incr("attempts"), cache.incr("attempts", 5), cache.decr("attempts", 2)] == [1, 6, 4]
    assert cache.get("attempts") == 4
    assert life() == end


def test_so_it_does_where_it_is_counted_in_a_coroutine() -> None:
    cache.set("attempts", 7, timeout=3600)
    end = life()
    assert async_to_sync(cache.aincr)("attempts") == 8
    assert life() == end


def test_a_count_whose_time_is_over_is_none() -> None:
    with pytest.raises(ValueError, match="attempts"):
        cache.incr("attempts")
    cache.add("attempts", 3, timeout=3600)
    CacheEntry.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(ValueError, match="attempts"):
        cache.incr("attempts")
    assert cache.add("attempts", 0)

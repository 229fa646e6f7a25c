"""sessions_app.postgres.address: which way a URL leads."""

import pytest

from realtime_ai.stores import database_settings
from sessions_app.postgres.address import SupabaseMode, describe, pools_transactions

REF = "abcdefghijklmnopqrst"
URLS = {
    f"postgresql://postgres:pw@db.{REF}.supabase.co:5432/postgres": SupabaseMode.DIRECT,
    f"postgresql://postgres:pw@db.{REF}.supabase.co/postgres": SupabaseMode.DIRECT,
    f"postgresql://postgres:pw@DB.{REF}.Supabase.CO:6543/postgres": SupabaseMode.TRANSACTION_POOLER,
    f"postgres://postgres.{REF}:pw@aws-0-eu-central-1.pooler.supabase.com:5432/postgres": SupabaseMode.SESSION_POOLER,
    f"postgres://postgres.{REF}:p%40w@aws-1-us-east-1.pooler.supabase.com/postgres": SupabaseMode.SESSION_POOLER,
    f"postgres://postgres.{REF}:pw@aws-1-us-east-1.pooler.supabase.com:6543/postgres?sslmode=require": (
        SupabaseMode.TRANSACTION_POOLER
    ),
    "postgresql://me:pw@localhost:5432/mine": None,
    "postgresql://me:pw@localhost:6543/mine": None,
    "postgresql:///mine?host=/var/run/postgresql": None,
    "postgresql://me:pw@db.example.com/mine": None,
    "postgresql://me:pw@pooler.supabase.com.evil.example/mine": None,
}


@pytest.mark.parametrize(("url", "mode"), URLS.items())
def test_a_url_and_its_settings_are_read_alike(url: str, mode: SupabaseMode | None) -> None:
    assert describe(url) == mode
    assert describe(database_settings(url, pool_max=4)) == mode


def test_any_server_on_the_transaction_poolers_port_is_taken_for_one() -> None:
    assert pools_transactions("postgresql://me:pw@localhost:6543/mine")
    assert not pools_transactions("postgresql://me:pw@localhost:5432/mine")
    assert pools_transactions({"HOST": "localhost", "PORT": "6543"})
    assert pools_transactions({"HOST": "a,b", "PORT": "6543,6543"})
    assert not pools_transactions({"HOST": "localhost", "PORT": ""})
    assert not pools_transactions({"HOST": "localhost", "PORT": "not a number"})


@pytest.mark.parametrize(
    "url", [url for url, mode in URLS.items() if mode is SupabaseMode.TRANSACTION_POOLER]
)
def test_the_projects_settings_fit_a_transaction_pooler(url: str) -> None:
    settings = database_settings(url, pool_max=4)
    assert settings["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "prepare_threshold" not in settings["OPTIONS"]

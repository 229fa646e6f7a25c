"""What is around the database: keys for sign-in tokens, Redis, the models, the folder for files."""

import asyncio
import json
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from chat.conf import conf
from chat.errors import ProviderError
from chat.llm.catalog import ProviderNotConfigured, close_providers, offered, provider_for
from chat.llm.provider import ModelRequest, UserText
from chat.redaction import safe_cause
from chat.redis_trouble import redis_trouble, redis_url
from identity.conf import conf as identity_conf
from realtime_ai.doctor.findings import Finding, ok, problem, skipped, warning
from sessions_app.conf import conf as sessions_conf

_SECONDS = 10.0
_MODEL_SECONDS = 30.0
_SKEW_S = 30.0
"""A token that is valid for minutes is refused by a clock that is off by more."""


def look_around(*, ask_models: bool) -> Iterator[Finding]:
    yield _keys()
    yield _redis()
    yield _folder()
    if ask_models:
        yield from asyncio.run(_models())
    else:
        yield skipped("model", "Not asked")


# The keys by which sign-in tokens are verified


def _keys() -> Finding:
    url = identity_conf().keys_url
    if not url:
        return skipped("auth.keys", "Neither SUPABASE_URL nor AUTH_JWT_ISSUER nor AUTH_JWKS_URL is set")
    if urlsplit(url).scheme not in ("http", "https"):
        return problem(
            "auth.keys", "Their address is no http(s) URL", "Correct SUPABASE_URL or AUTH_JWKS_URL."
        )
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as response:  # noqa: S310 - the scheme is looked at above
            body, date = response.read(1_000_000), response.headers.get("Date")
        keys = json.loads(body)["keys"]
        kinds = sorted({str(key.get("alg") or key["kty"]) for key in keys})
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        fix = (
            "Correct SUPABASE_URL (https://REF.supabase.co) or AUTH_JWKS_URL, and let this machine reach it."
        )
        return problem("auth.keys", f"They cannot be had: {error}", fix)
    if not keys and identity_conf().jwt_secret:
        return ok("auth.keys", "There is none; AUTH_JWT_SECRET verifies")
    if not keys:
        fix = (
            "Let the project sign with asymmetric keys (JWT keys, in the dashboard), or set AUTH_JWT_SECRET."
        )
        return warning("auth.keys", "There is none: the project signs with its old secret", fix)
    skew_s = _skew_s(date)
    words = f"{len(keys)} ({', '.join(kinds)})"
    if skew_s is None:
        return ok("auth.keys", f"{words}; their server tells no time to compare the clocks by")
    if abs(skew_s) > _SKEW_S:
        fix = "Set this machine's clock by NTP (timedatectl set-ntp true)."
        return problem("auth.keys", f"Their server's clock is {skew_s:+.0f} s from this machine's", fix)
    return ok("auth.keys", f"{words}; the clocks agree")


def _skew_s(date: str | None) -> float | None:
    try:
        return (parsedate_to_datetime(date or "") - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def _redis() -> Finding:
    url = redis_url()
    if not url:
        if sessions_conf().server_processes > 1:
            fix = "Set REDIS_URL, or serve with one process (WEB_PROCESSES=1)."
            return problem("redis", "Several web processes, and no Redis between them", fix)
        return skipped("redis", "REDIS_URL is not set; one process needs none")
    trouble = asyncio.run(redis_trouble(url))
    if trouble is None:
        return ok("redis", "It answers")
    fix = "Correct REDIS_URL." if trouble.refused else "Start it. Nothing is lost meanwhile; hints come late."
    return (problem if trouble.refused else warning)("redis", trouble.message, fix)


def _folder() -> Finding:
    folder: Path = settings.ENV.var_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"doctor")
            file.flush()
    except OSError as error:
        fix = "Let the server's user write there, or set VAR_DIR to a folder where it may."
        return problem("files", f"{folder} cannot be written: {error.strerror}", fix)
    return ok("files", f"{folder} can be written")


# The models: one cheap call each


async def _models() -> list[Finding]:
    summaries = conf().summary_model
    specs = dict.fromkeys([*offered(), *([summaries] if summaries else [])])
    findings = [await _model(spec) for spec in specs]
    await close_providers()
    return findings


async def _model(spec: str) -> Finding:
    name = f"model.{spec}"
    try:
        provider, model = provider_for(spec)
    except ProviderNotConfigured as error:
        return problem(name, str(error), "docs/models.md lists the providers and what each needs.")
    if provider.name == "demo":
        fix = "Set the key of a vendor, as GEMINI_API_KEY: docs/models.md."
        return warning(name, "The built-in demo model: it streams, and knows nothing", fix)
    request = ModelRequest(
        model=model,
        history=[UserText("doctor", "Say: ok")],
        instructions="",
        tool_choice="none",
        max_output_tokens=256,
    )
    fix = "docs/models.md tells what each failure means: the key, its quota, the model's name, or the way there."
    try:
        async with asyncio.timeout(_MODEL_SECONDS), aclosing(provider.stream(request)) as stream:
            async for _ in stream:
                return ok(name, "It answers")
    except ProviderError as error:
        return problem(name, f"{error.message} ({safe_cause(error.cause)})", fix)
    except TimeoutError:
        return problem(name, f"No answer within {_MODEL_SECONDS:g} s", fix)
    return problem(name, "It ended without an answer", fix)

"""Which pages may ask over HTTP: those that may open a socket (`ALLOWED_ORIGINS`), by a key and never by a cookie of ours."""

from chat.wire.auth import check_origin
from chat.wire.http.exchange import Exchange


async def let_in(one: Exchange, *, methods: str, headers: str) -> bool:
    """False: it was the question whether it may, and is answered. Raises `OriginRefused`."""
    origin = one.headers.get("origin")
    if origin is None:
        return True
    check_origin({"origin": origin, "host": one.headers.get("host", "")})
    one.answer_headers |= {"access-control-allow-origin": origin, "vary": "origin"}
    if one.method != "OPTIONS":
        return True
    one.answer_headers |= {
        "access-control-allow-methods": methods,
        "access-control-allow-headers": headers,
        "access-control-max-age": "600",
    }
    await one.nothing()
    return False

"""An API that is asked by browsers, on pages of this server and of the origins that may open sockets here (`ALLOWED_ORIGINS`)."""

from chat.wire.auth import check_origin
from chat.wire.http.exchange import Exchange
from chat.wire.http.serving import HttpApi

_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}


class BrowserApi(HttpApi):
    async def before(self, one: Exchange) -> bool:
        """Raises `OriginRefused`."""
        origin = one.headers.get("origin")
        if origin is None:
            return True
        check_origin({"origin": origin, "host": one.headers.get("host", "")})
        one.answer_headers |= {"access-control-allow-origin": origin, "vary": "origin"}
        if one.method == "OPTIONS":
            one.answer_headers |= _PREFLIGHT
            await one.nothing()
            return False
        return True

"""Every setting of who may come in, typed, with its default. Read as ``settings.IDENTITY_<NAME>``."""

from dataclasses import dataclass

from sessions_app.setting import ACCESS, HTTP_URL, TEXT, choice, reader


@dataclass(frozen=True, kw_only=True)
class IdentityConf:
    supabase_url: str | None = ACCESS.field(
        None,
        HTTP_URL,
        "The project's URL: its [access tokens](auth.md) are a sign-in. Stands for `AUTH_JWT_ISSUER` and `AUTH_JWKS_URL`.",
        example="https://abcdefghijklmnop.supabase.co",
        variable="SUPABASE_URL",
    )
    jwt_issuer: str | None = ACCESS.field(
        None,
        HTTP_URL,
        "Another issuer of access tokens: their `iss`.",
        default_told="`SUPABASE_URL` with `/auth/v1` behind it",
        example="https://auth.example.com",
        variable="AUTH_JWT_ISSUER",
    )
    jwks_url: str | None = ACCESS.field(
        None,
        HTTP_URL,
        "Where its public keys are.",
        default_told="the issuer with `/.well-known/jwks.json` behind it",
        example="https://auth.example.com/.well-known/jwks.json",
        variable="AUTH_JWKS_URL",
    )
    jwt_secret: str | None = ACCESS.field(
        None,
        TEXT,
        "The secret of an issuer that signs with HS256 (Supabase's legacy JWT secret). Whoever has it can be anybody.",
        secret=True,
        variable="AUTH_JWT_SECRET",
    )
    jwt_audience: str = ACCESS.field(
        "authenticated", TEXT, "The `aud` that a token must have.", variable="AUTH_JWT_AUDIENCE"
    )
    staff_second_factor: str = ACCESS.field(
        "off",
        choice("off", "required"),
        "`required`: who signs in as staff is let into the admin, and counts as staff on a socket, only after a second "
        "factor (an authenticator app, a passkey, a recovery code); who has none sets one up first. `off`: who has set "
        "one up is asked for it.",
        example="required",
        variable="STAFF_SECOND_FACTOR",
    )
    jwks_lifespan_seconds: float = 600.0
    """After so long the issuer's keys are read anew; while that fails, the known ones count."""
    jwks_pause_seconds: float = 10.0
    """Between two reads that tokens with an unknown key ask for: made-up ones must not become a flood of requests."""
    jwks_timeout_seconds: float = 5.0
    clock_leeway_seconds: float = 10.0
    """By so much the issuer's clock may differ from ours."""
    check_seconds: float = 20.0
    """Between two looks at whether the credentials of the open sockets still hold; what ends in this process is seen at
    once."""

    @property
    def issuer(self) -> str | None:
        """Of the tokens that are taken; None: none are."""
        if self.jwt_issuer:
            return self.jwt_issuer
        return f"{self.supabase_url.rstrip('/')}/auth/v1" if self.supabase_url else None

    @property
    def keys_url(self) -> str | None:
        return self.jwks_url or (f"{self.issuer.rstrip('/')}/.well-known/jwks.json" if self.issuer else None)


conf = reader(IdentityConf, "IDENTITY_")

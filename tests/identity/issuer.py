"""An issuer of access tokens as Supabase Auth is one: its keys, their JWKS on a port of its own, tokens with its fields."""

import base64
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PATH = "/auth/v1/.well-known/jwks.json"


class Key:
    """A signing key with its id. ``kind``: ES256 or RS256."""

    def __init__(self, kind: str = "ES256") -> None:
        self.kind = kind
        self.key_id = str(uuid.uuid4())
        self.private: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if kind == "ES256"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )

    @property
    def public(self) -> dict[str, Any]:
        algorithm: Any = jwt.get_algorithm_by_name(self.kind)
        shown = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**shown, "kid": self.key_id, "alg": self.kind, "use": "sig", "key_ops": ["verify"]}

    @property
    def public_pem(self) -> bytes:
        return bytes(
            self.private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def sign(self, payload: dict[str, Any], **header: Any) -> str:
        return jwt.encode(payload, self.private, algorithm=self.kind, headers={"kid": self.key_id, **header})


class Issuer:
    """Serves its JWKS on the loopback. ``away``: it answers 503; ``nonsense``: what it shows in
    their place; ``reads``: how often its keys were asked for; ``gate``:
    while it is not set, no answer comes; ``page``: what is shown at ``/``."""

    def __init__(self) -> None:
        self.keys = [Key()]
        self.away = False
        self.nonsense = b""
        self.page = b""
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/":
                    self._answer(200, "text/html", issuer.page)
                    return
                issuer.reads += 1
                issuer.gate.wait(10)
                body = issuer.nonsense or json.dumps({"keys": [key.public for key in issuer.keys]}).encode()
                right = self.path == PATH and not issuer.away
                self._answer(200 if right else 503, "application/json", body)

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        """As ``SUPABASE_URL`` has it."""
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def payload(self, subject: str, **changes: Any) -> dict[str, Any]:
        """The fields of an access token of Supabase Auth; a change to None takes one away."""
        now = int(time.time())
        fields = {
            "iss": f"{self.url}/auth/v1",
            "sub": subject,
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": "ada@example.com",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"email_verified": True},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": str(uuid.uuid4()),
            "is_anonymous": False,
            **changes,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def token(self, subject: str, *, key: Key | None = None, **changes: Any) -> str:
        return (key or self.keys[0]).sign(self.payload(subject, **changes))


def unsigned(payload: dict[str, Any]) -> str:
    """With the algorithm ``none``."""
    parts = ({"alg": "none", "typ": "JWT"}, payload)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts)
        + "."
    )

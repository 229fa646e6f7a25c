"""The demo as a vendor: it has no server and no script, it answers by its rules. For the tests that any model can pass."""

from chat.llm.demo.provider import DemoProvider
from chat.llm.provider import Provider
from tests.contract.vendor import JSON, Call, Script, Sent, Vendor
from tests.fakes.http_server import HttpServer


class DemoVendor(Vendor):
    name = "demo"
    model = "demo"
    scripted = False

    @property
    def spec(self) -> str:
        return "demo"

    def start(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def url(self) -> str:
        return ""

    def env(self, url: str) -> dict[str, str]:
        return {}

    def provider(self, key: str) -> Provider:
        return DemoProvider()

    def then(self, *scripts: Script) -> None:
        """It says what it says."""

    @property
    def sent(self) -> list[Sent]:
        return []

    @property
    def refusals(self) -> list[str]:
        return []

    @property
    def opaque_given(self) -> list[str]:
        return []

    @property
    def hits(self) -> int:
        return 0

    @property
    def connections(self) -> int:
        return 0

    async def got_request(self) -> None: ...

    async def hung_up_within(self, seconds: float) -> bool:
        return False

    @property
    def http(self) -> HttpServer:
        raise NotImplementedError

    @property
    def novelties(self) -> tuple[bytes, ...]:
        return ()

    def whole(self, text: str, call: Call) -> JSON:
        return {}

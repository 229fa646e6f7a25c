"""The other vendors at pace: each beside a relay written with the vendor's own SDK; and Chainlit."""

from typing import ClassVar

from bench.peers.measure import Contender
from bench.peers.measures.pace import OURS, RELAY, Pace

VENDORS = ("openai", "anthropic", "compatible")


def _pair(vendor: str) -> tuple[Contender, Contender]:
    relay = f"relay, {vendor}"
    return (
        Contender(f"ours, {vendor}", f"ours-{vendor}", "plain", (relay,)),
        Contender(relay, f"relay-{vendor}", "relay"),
    )


class Vendors(Pace):
    name = "vendors"
    title = "The other vendors at pace"
    told = (
        "As above, the model behind OpenAI's Responses API, Anthropic's Messages API, and Chat Completions of a compatible "
        "server; each against a relay that is written with the vendor's SDK."
    )
    contenders = tuple(one for vendor in VENDORS for one in _pair(vendor))
    seconds: ClassVar[tuple[float, float]] = (5.0, 15.0)


class Chainlit(Pace):
    name = "chainlit"
    title = "Chainlit at pace"
    told = "As above, beside Chainlit with its SQL layer (30 sessions, for it fills its process with 60)."
    contenders = (
        Contender(OURS, "ours", "plain", (RELAY, "Chainlit")),
        Contender(RELAY, "relay-gemini", "relay"),
        Contender("Chainlit", "chainlit", "chainlit", (RELAY,)),
    )
    sessions = 30
    seconds: ClassVar[tuple[float, float]] = (5.0, 15.0)

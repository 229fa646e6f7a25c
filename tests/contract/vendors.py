"""All vendors that keep the contract."""

from tests.contract.anthropic_vendor import AnthropicVendor
from tests.contract.chat_vendor import CompatibleVendor, GatewayVendor, GroqVendor
from tests.contract.gemini_vendor import GeminiVendor
from tests.contract.openai_vendor import OpenAIVendor
from tests.contract.vendor import Vendor

VENDORS: list[type[Vendor]] = [
    GeminiVendor,
    OpenAIVendor,
    GroqVendor,
    CompatibleVendor,
    GatewayVendor,
    AnthropicVendor,
]

from collections.abc import AsyncGenerator, Iterator

import pytest
from pytest_django import Settings

from chat.llm.provider import Provider
from tests.contract.vendor import Vendor
from tests.contract.vendors import VENDORS


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.title or vendor.name)
def vendor(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Vendor]:
    """Each vendor in turn, its server running; the provider finds it through the settings."""
    chosen: Vendor = request.param()
    chosen.start()
    chosen.point_at(chosen.url, settings)
    yield chosen
    chosen.stop()
    assert chosen.tolerant or chosen.refusals == []


@pytest.fixture
async def provider(vendor: Vendor) -> AsyncGenerator[Provider]:
    """The real provider on the real SDK."""
    made = vendor.provider(vendor.key)
    yield made
    await made.aclose()

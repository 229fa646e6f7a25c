from collections.abc import AsyncGenerator, Iterator

import pytest

from chat.providers.base import Provider
from tests.contract.vendor import Vendor
from tests.contract.vendors import VENDORS


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.title or vendor.name)
def vendor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """Each vendor in turn, its server running; the SDK finds it through the vendor's own variables."""
    chosen: Vendor = request.param()
    chosen.start()
    for name, value in chosen.env(chosen.url).items():
        monkeypatch.setenv(name, value)
    yield chosen
    chosen.stop()
    assert chosen.tolerant or chosen.refusals == []


@pytest.fixture
async def provider(vendor: Vendor) -> AsyncGenerator[Provider]:
    """The real provider on the real SDK."""
    made = vendor.provider(vendor.key)
    yield made
    await made.aclose()

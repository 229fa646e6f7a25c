"""Reading a session whose history was compacted: from the checkpoint on, and earlier ids by index."""

import pytest

pytestmark = pytest.mark.django_db(transaction=True)

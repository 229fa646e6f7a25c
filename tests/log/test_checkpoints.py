"""Reading a session whose history was compacted: from the checkpoint on, and earlier ids by index."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app import events as ev
from sessions_app.leases import renew_process
from sessions_app.lifecycle import Visitor, append_now, open_session
from sessions_app.models import Session
from sessions_app.replay import find_ids, read_history, summary_before

pytestmark = pytest.mark.django_db(transaction=True)

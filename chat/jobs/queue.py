"""procrastinate's queue in few round trips: a worker takes as many jobs at once as it has hands free, and reports those that
end at the same time together."""

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from procrastinate.connector import BaseAsyncConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from chat.batches import Batches
from sessions_app.postgres.outage import is_passing

_FETCH = """
SELECT (taken.job).* FROM (
    SELECT procrastinate_fetch_job_v2(%(queues)s::varchar[], %(worker_id)s) AS job FROM generate_series(1, %(hands)s) OFFSET 0
) taken WHERE (taken.job).id IS NOT NULL
"""
"""``OFFSET 0``: the function is called once a row, not once a column."""
_FINISH = """
SELECT procrastinate_finish_job_v1(ended.id, ended.status::procrastinate_job_status, ended.gone)
FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(gone)s::boolean[]) AS ended(id, status, gone)
"""
_GIVE_BACK = """
UPDATE procrastinate_jobs SET worker_id = NULL, status = (
    CASE WHEN abort_requested THEN 'failed' ELSE 'todo' END)::procrastinate_job_status
WHERE id = ANY(%(ids)s::bigint[]) AND status = 'doing'
"""
"""Not procrastinate's retry, which counts an attempt: nobody has tried."""


class _Ended(NamedTuple):
    job_id: int
    status: Status
    gone: bool


class FewRoundTrips(JobManager):
    """As procrastinate's own manager, which every other call goes to. For one worker."""

    def __init__(self, connector: BaseAsyncConnector, *, hands: int) -> None:
        """``hands``: how many jobs the worker runs at once."""
        super().__init__(connector)
        self._hands = hands
        self._held: set[int] = set()
        """Jobs that were taken and have not ended."""
        self._taken: deque[Job] = deque()
        """Of these, the ones that the worker has not come for. It comes at once: it has hands for all of them."""
        self._lost: ConnectorException | None = None
        """Why the end of a job is not known to the database."""
        self._ends: Batches[_Ended, None] = Batches(self._finish_all, name="ends of jobs", most=hands)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        if self._lost is not None:
            raise self._lost
        if not self._taken:
            hands = max(1, self._hands - len(self._held))
            rows = await self.connector.execute_query_all_async(
                query=_FETCH, queues=queues, worker_id=worker_id, hands=hands
            )
            self._taken.extend(Job.from_row(row) for row in rows)
            self._held.update(job.id for job in self._taken if job.id)
        return self._taken.popleft() if self._taken else None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        assert job.id is not None
        ended = _Ended(job.id, status, delete_job)
        await self._tell(job, lambda: self._ends.ask(ended))

    async def retry_job(self, job: Job, *args: Any, **kwargs: Any) -> None:
        retry = super().retry_job
        await self._tell(job, lambda: retry(job, *args, **kwargs))

    async def _tell(self, job: Job, tell: Callable[[], Awaitable[None]]) -> None:
        """Once more where the database did not take it. A job whose end nobody knows counts as running, and its lock as held,
        for as long as its worker lives: so the worker begins anew then, and the job is rescued as a dead one's."""
        try:
            try:
                await tell()
            except ConnectorException as error:
                if not is_passing(error):
                    raise
                await tell()
        except ConnectorException as error:
            self._lost = error if is_passing(error) else self._lost
            raise
        finally:
            self._held.discard(job.id or 0)

    async def give_back(self) -> None:
        """What was taken and never begun, when the worker stops."""
        ids = [job.id for job in self._taken if job.id]
        self._taken.clear()
        self._held.difference_update(ids)
        if ids:
            with contextlib.suppress(
                ConnectorException
            ):  # the database is away: rescued later, as a dead worker's are
                await self.connector.execute_query_async(query=_GIVE_BACK, ids=ids)

    async def _finish_all(self, ended: Sequence[_Ended]) -> Sequence[None]:
        await self.connector.execute_query_async(
            query=_FINISH,
            ids=[one.job_id for one in ended],
            statuses=[one.status.value for one in ended],
            gone=[one.gone for one in ended],
        )
        return [None] * len(ended)

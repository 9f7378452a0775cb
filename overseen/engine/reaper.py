"""Takes over the work of workers that died."""

import logging

from overseen.engine.liveness import WorkerLiveness
from overseen.engine.workflow_library import DBOSClient

_LOG = logging.getLogger(__name__)


class Reaper:
    """Puts work that a dead worker held back on the queue it came from, for any worker of the same region."""

    def __init__(self, client: DBOSClient, liveness: WorkerLiveness) -> None:
        self._client = client
        self._liveness = liveness

    async def reap(self) -> int:
        """One look; returns how many pieces of work were put back."""
        pending = await self._client.list_workflows_async(
            status="PENDING", queues_only=True, load_input=False, load_output=False
        )
        holders = {work.executor_id for work in pending if work.executor_id is not None}
        if not holders:
            return 0
        dead = await self._liveness.dead(holders)
        count = 0
        for work in pending:
            if work.executor_id in dead and work.queue_name is not None:
                # The original queue by name: without it the work lands where workers of every region look.
                await self._client.resume_workflow_async(work.workflow_id, queue_name=work.queue_name)
                _LOG.warning("worker %s died; %s goes back to %s", work.executor_id, work.workflow_id, work.queue_name)
                count += 1
        return count

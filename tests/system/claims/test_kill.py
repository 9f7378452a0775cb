"""A run that is killed while it works: what becomes of it, of its credentials, and what the requester reads."""

import pytest

from overseen.api.access import Viewer
from overseen.api.services import Services
from overseen.domain.outcomes import Role, RunState
from overseen.secrets.stops import Scope
from tests.system.claims.conftest import Workers, at_rest

pytestmark = pytest.mark.slow


async def test_a_run_killed_at_work_ends_as_stopped_and_its_requester_is_told(
    services: Services, workers: Workers, hand_in, insurer
) -> None:
    auditor = await services.accounts.ensure("aude", display_name="Aude Meyer", roles=(Role.AUDITOR,))
    viewer = Viewer(account_id=auditor, name="aude", display_name="Aude Meyer", roles=frozenset({Role.AUDITOR}))
    submitted = await hand_in()
    workers.start()
    async for entry in services.journal.follow(submitted.run_id):
        if entry.kind == "LeaseIssued":
            break
    stop_id = await services.security_desk.pull(viewer, Scope.RUN, submitted.run_id, reason="It misbehaves.")
    assert await at_rest(services, submitted.run_id) is RunState.STOPPED
    stop = await services.security.stop(stop_id)
    assert (stop.state, stop.living) == ("proven", 0)
    task = await services.tasks.task(submitted.task_id)
    assert task.messages[-1].text.startswith("The security team stopped this.")
    assert "misbehaves" not in task.messages[-1].text
    assert await insurer.rows("SELECT amount FROM payments") == []
    counters = await services.leases.counters()
    assert (counters.live, counters.overdue) == (0, 0)

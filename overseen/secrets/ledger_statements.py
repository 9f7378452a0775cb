"""The statements that every lease makes, as the driver takes them and the server prepares them.

Put together anew for each call they would cost more time than they take to run.
"""

from overseen.secrets.lease import LIVING, LeaseState
from overseen.secrets.stops import names_sql

_LIVING = ", ".join(f"'{state.value}'" for state in (*LIVING, LeaseState.IRREVOCABLE))

_STOPPED = names_sql(
    run="%(run_id)s::varchar", agent="%(agent)s::varchar", tool="%(tool)s::varchar", call="%(call_id)s::varchar"
)

INTEND = f"""
INSERT INTO leases (lease_id, call_id, run_id, step_id, agent, tool, grants, policies, paths, kind, region,
                    requester_id, approver_id, worker_id, state, vault_leases, principals, asked_at)
SELECT %(lease_id)s, %(call_id)s::varchar, %(run_id)s::varchar, %(step_id)s, %(agent)s::varchar, %(tool)s::varchar,
       %(grants)s::varchar[], %(policies)s::varchar[], '{{}}', %(kind)s, %(region)s,
       (SELECT tasks.requester_id FROM tasks JOIN runs ON runs.task_id = tasks.task_id
        WHERE runs.run_id = %(run_id)s::varchar),
       (SELECT decisions.reviewer_id FROM authorizations
        JOIN decisions ON authorizations.granted_by = 'decision:' || decisions.decision_id
        WHERE authorizations.authorization_id = %(authorization_id)s::varchar),
       %(worker_id)s, '{LeaseState.INTENT.value}', '{{}}', '{{}}', %(asked_at)s
WHERE NOT {_STOPPED}
RETURNING lease_id
""".encode()  # noqa: S608 - made of constants
"""What is about to be minted, with who asked and who approved; no row when a kill switch names the call."""

ISSUE = f"""
UPDATE leases
SET state = '{LeaseState.ISSUED.value}', accessor = %(accessor)s, policies = %(policies)s::varchar[],
    paths = %(paths)s::varchar[], vault_leases = %(vault_leases)s::varchar[],
    principals = %(principals)s::varchar[], issued_at = %(issued_at)s, expires_at = %(expires_at)s
WHERE lease_id = %(lease_id)s AND state = '{LeaseState.INTENT.value}'
  AND NOT {names_sql(run="leases.run_id", agent="leases.agent", tool="leases.tool", call="leases.call_id")}
RETURNING lease_id
""".encode()  # noqa: S608 - made of constants
"""The credential is alive; no row when a kill switch names the call, or the sweeper took it for abandoned."""

END = f"""
UPDATE leases
SET state = %(state)s::varchar, reason = %(reason)s, revoked_at = coalesce(revoked_at, %(revoked_at)s),
    used_at = coalesce(used_at, %(used_at)s),
    proven_gone_at = CASE WHEN %(state)s::varchar <> '{LeaseState.CLOSED.value}' THEN proven_gone_at
                          WHEN state = '{LeaseState.IRREVOCABLE.value}' THEN expires_at ELSE %(at)s END
WHERE lease_id = %(lease_id)s AND state IN ({_LIVING})
RETURNING coalesce(issued_at, asked_at), proven_gone_at
""".encode()  # noqa: S608 - made of constants
"""Proven gone, or as gone as can be; when it was issued, and when it was proven gone."""

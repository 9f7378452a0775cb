"""What a kill switch can name: agents and tools that there are, runs and calls that exist. Anything else is refused."""

import difflib
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.blocking import run_blocking
from overseen.domain.outcomes import ENDED
from overseen.errors import InvalidInput, NotFound, OverseenError
from overseen.playbooks.playbook import load_playbook, playbook_names
from overseen.secrets.stops import Scope, calls_in_reach, in_reach
from overseen.stack.vault_layout import LAYOUT
from overseen.store import Database
from overseen.store.tables import CallRecord, LeaseRecord, Run
from overseen.tools.registry import load_registry

_log = logging.getLogger(__name__)

_MAX_LENGTH = 80
_MAX_LISTED = 100
_MAX_LOOKED_AT = 20_000
_NEAR = 0.5
_NOT_DONE = "Nothing was stopped."


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """A run that has not ended."""

    run_id: str
    state: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class CallChoice:
    """A call that runs."""

    call_id: str
    run_id: str
    agent: str
    tool: str


@dataclass(frozen=True, kw_only=True)
class TargetChoices:
    """What can be chosen from; runs and calls are the newest."""

    agents: tuple[str, ...]
    tools: tuple[str, ...]
    runs: tuple[RunChoice, ...]
    calls: tuple[CallChoice, ...]


class StopTargets:
    """Names as they are, never as pages might word them: a switch on another spelling stops nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def choices(self) -> TargetChoices:
        """Everything that may be stopped now."""
        agents, tools = await run_blocking(_installed)
        async with self._database.read() as session:
            newest = select(LeaseRecord.agent, LeaseRecord.tool).order_by(LeaseRecord.asked_at.desc())
            seen = newest.limit(_MAX_LOOKED_AT).subquery()
            for agent, tool in (await session.execute(select(seen.c.agent, seen.c.tool).distinct())).all():
                agents.add(agent)
                tools.add(tool)
            runs = await session.scalars(
                select(Run).where(Run.state.not_in(ENDED)).order_by(Run.created_at.desc()).limit(_MAX_LISTED)
            )
            calls = await session.scalars(
                select(CallRecord)
                .where(CallRecord.state == "started")
                .order_by(CallRecord.started_at.desc())
                .limit(_MAX_LISTED)
            )
            return TargetChoices(
                agents=tuple(sorted(agents)),
                tools=tuple(sorted(tools)),
                runs=tuple(RunChoice(run_id=row.run_id, state=row.state, created_at=row.created_at) for row in runs),
                calls=tuple(
                    CallChoice(call_id=row.call_id, run_id=row.run_id, agent=row.agent, tool=row.tool) for row in calls
                ),
            )

    async def check(self, scope: Scope, target: str) -> str:
        """The target as a switch takes it. Raises NotFound, with the nearest names, for what there is not, and
        InvalidInput for no name.
        """
        if scope is Scope.EVERYTHING:
            return "*"
        target = target.strip()
        if not target or len(target) > _MAX_LENGTH or not target.isprintable():
            raise InvalidInput("Name what to stop.", not_done=_NOT_DONE, next_step="Choose it from the list.")
        async with self._database.read() as session:
            if await _was_seen(session, scope, target):
                return target
        choices = await self.choices()
        known = {
            Scope.AGENT: choices.agents,
            Scope.TOOL: choices.tools,
            Scope.RUN: tuple(run.run_id for run in choices.runs),
            Scope.CALL: tuple(call.call_id for call in choices.calls),
        }[scope]
        if target in known:
            return target
        raise NotFound(f"There is no {scope} {target}.", not_done=_NOT_DONE, next_step=_next_step(scope, target, known))


def _installed() -> tuple[set[str], set[str]]:
    """Agents and tools of what is installed. A playbook that cannot be loaded keeps nobody from stopping the others."""
    agents, tools = set(LAYOUT.agents), set(load_registry().names)
    for name in playbook_names():
        try:
            cards = load_playbook(name).agents
        except OverseenError as error:
            _log.warning("the agents of %s cannot be listed: %s", name, error)
            continue
        agents |= {card.name for card in cards}
        tools |= {tool for card in cards for tool in card.tools}
    return agents, tools


async def _was_seen(session: AsyncSession, scope: Scope, target: str) -> bool:
    if scope is Scope.RUN and await session.get(Run, target) is not None:
        return True
    called = select(CallRecord.call_id).where(calls_in_reach(scope, target)).limit(1)
    leased = select(LeaseRecord.lease_id).where(in_reach(scope, target)).limit(1)
    return await session.scalar(called) is not None or await session.scalar(leased) is not None


def _next_step(scope: Scope, target: str, known: Collection[str]) -> str:
    by_spelling = {_plain(name): name for name in known}
    near = [by_spelling[name] for name in difflib.get_close_matches(_plain(target), by_spelling, n=3, cutoff=_NEAR)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if scope in (Scope.AGENT, Scope.TOOL):
        return f"The {scope}s are: {', '.join(sorted(known))}."
    return f"Copy the id of the {scope} from its page or from the list of leases."


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")

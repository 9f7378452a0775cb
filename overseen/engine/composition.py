"""The composition root: where every port is given its adapter. Read it to see how the house hangs together."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from overseen.agents.extractor.agent import Extractor
from overseen.agents.policy_lookup.agent import PolicyLookup
from overseen.agents.vision_checker.agent import VisionChecker
from overseen.engine.adapters import GatewayStops, GatewayTracer
from overseen.engine.answering import QuestionAnswering
from overseen.engine.failures import RunFailures
from overseen.engine.liveness import WorkerLiveness
from overseen.engine.model_routes_service import ModelRoutesService
from overseen.engine.run_rules import PlaybookModelBudgets, PlaybookRules
from overseen.engine.runner import RunRunner
from overseen.engine.sandbox_services import AttackService, RentedMachinesService
from overseen.engine.sandboxes import build_sandboxes
from overseen.engine.services import CanaryService, ReconcilerService, Service, SweeperService
from overseen.engine.witnessing import WitnessService, configured_witnesses
from overseen.errors import Misconfigured
from overseen.graphs.case_file import CaseFiles
from overseen.graphs.services import RunServices
from overseen.graphs.supervisor_graph import build_supervisor_graph
from overseen.guardrails.decision_checks import DecisionChecks
from overseen.guardrails.suite import standard_suite
from overseen.journal import Journal
from overseen.models.gateway import ModelGateway, build_model_gateway
from overseen.models.routes import build_routes
from overseen.models.types import ModelRoute
from overseen.models.work_time import WorkClocks
from overseen.prompts import PromptLibrary
from overseen.secrets.alarm import UnauthorizedEffects
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.canary import Canary
from overseen.secrets.connect import broker_vault, effects_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.kill import KillSwitch
from overseen.secrets.reconciler import Mounts
from overseen.secrets.signer import HeadSigner
from overseen.secrets.stops import Stops
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import Settings
from overseen.store import BlobStore, Database, PostgresBlobStore, load_blob_key
from overseen.store.loss_keys import LossKeys
from overseen.supervisor.answerer import Answerer
from overseen.supervisor.edits import EditChecker
from overseen.supervisor.explainer import Explainer
from overseen.supervisor.planner import Planner
from overseen.tools.builtin.specs import BUILT_IN
from overseen.tools.doors.call_doors import CallDoors
from overseen.tools.gateway.build import GatewayParts, build_gateway
from overseen.tools.registry import load_registry
from overseen.tools.sandbox.selection import SelectingBackend
from overseen.tools.types import ToolPort
from overseen.tracing import Tracer
from overseen.tracing.provider import build_tracer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WorkerHouse:
    """Everything a worker runs on."""

    database: Database
    blobs: BlobStore
    journal: Journal
    runner: RunRunner
    answering: QuestionAnswering
    services: tuple[Service, ...]
    """What a worker runs beside its work: see `overseen.engine.services`."""
    broker: LeaseBroker
    tools: ToolPort
    liveness: WorkerLiveness


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What every other part stands on."""

    settings: Settings
    worker_id: str
    stack: AsyncExitStack
    database: Database
    blobs: PostgresBlobStore
    journal: Journal
    cases: CaseFiles
    rules: PlaybookRules
    tracer: Tracer


@asynccontextmanager
async def compose_worker(
    settings: Settings, worker_id: str, *, routes: Sequence[ModelRoute] | None = None
) -> AsyncGenerator[WorkerHouse]:
    """Build a worker's house; everything is closed at the end of the block.

    `routes` replaces the routes of the settings (tests use the scripted model). Raises Misconfigured naming what the
    settings lack.
    """
    async with AsyncExitStack() as stack:
        ground = _ground(settings, worker_id, stack)
        clocks = WorkClocks(ground.database)
        models = build_model_gateway(
            build_routes(settings, ground.blobs) if routes is None else routes,
            database=ground.database,
            journal=ground.journal,
            blobs=ground.blobs,
            tracer=ground.tracer,
            budgets=PlaybookModelBudgets(ground.rules),
            clocks=clocks,
        )
        stack.push_async_callback(models.close)
        vault = broker_vault(settings.vault)
        stack.push_async_callback(vault.close)
        broker = LeaseBroker(
            database=ground.database,
            journal=ground.journal,
            vault=vault,
            source=VaultCredentials(vault, settings.database_resources),
            worker_id=worker_id,
            region=settings.worker.region,
            effects_vault=_effects_vault(settings, stack),
        )
        stack.push_async_callback(broker.drain)
        liveness = WorkerLiveness(ground.database)
        sandboxes = build_sandboxes(settings, worker_id)
        stack.push_async_callback(sandboxes.close)
        tools = _tools(ground, broker, sandboxes)
        prompts = PromptLibrary()
        signer = HeadSigner(vault)
        runner = RunRunner(
            graph=build_supervisor_graph(_services(ground, models, prompts, (tools, signer))),
            pool=await stack.enter_async_context(_checkpoint_pool(settings)),
            cases=ground.cases,
            failures=RunFailures(ground.cases, signer),
            tracer=ground.tracer,
            leases=broker,
            clocks=clocks,
        )
        yield WorkerHouse(
            database=ground.database,
            blobs=ground.blobs,
            journal=ground.journal,
            runner=runner,
            answering=QuestionAnswering(ground.cases, Answerer(models, prompts)),
            services=(
                *_services_beside(ground, vault, liveness),
                *_sandbox_services(ground, sandboxes, liveness),
                ModelRoutesService(ground.database),
            ),
            broker=broker,
            tools=tools,
            liveness=liveness,
        )


def _ground(settings: Settings, worker_id: str, stack: AsyncExitStack) -> _Ground:
    database = Database(settings.database.sqlalchemy_url, pool_size=settings.database.pool_size)
    stack.push_async_callback(database.close)
    blobs = PostgresBlobStore(database, load_blob_key(settings.keys_folder))
    journal = Journal(database)
    cases = CaseFiles(database=database, blobs=blobs, journal=journal, worker_id=worker_id)
    tracer = build_tracer(settings)
    stack.push_async_callback(tracer.close)
    return _Ground(
        settings=settings,
        worker_id=worker_id,
        stack=stack,
        database=database,
        blobs=blobs,
        journal=journal,
        cases=cases,
        rules=PlaybookRules(cases),
        tracer=tracer,
    )


def _tools(ground: _Ground, broker: LeaseBroker, sandboxes: SelectingBackend) -> ToolPort:
    settings = ground.settings
    return build_gateway(
        GatewayParts(
            database=ground.database,
            journal=ground.journal,
            blobs=ground.blobs,
            registry=load_registry(),
            rules=ground.rules,
            plan_lock=ground.rules,
            stop_switch=GatewayStops(Stops(ground.database)),
            broker=broker,
            backend=sandboxes,
            doors=CallDoors(sandboxes.doors_folder, journal=ground.journal, servers=settings.http_resources),
            tracer=GatewayTracer(ground.tracer),
        )
    )


def _services(
    ground: _Ground, models: ModelGateway, prompts: PromptLibrary, acting: tuple[ToolPort, HeadSigner]
) -> RunServices:
    tools, signer = acting
    guardrails = standard_suite()
    agents = (
        Extractor(models=models, prompts=prompts, blobs=ground.blobs, guardrails=guardrails),
        VisionChecker(models, prompts, guardrails, vision=models.sees_images),
        PolicyLookup(models, prompts, guardrails),
    )
    checks = DecisionChecks(guardrails)
    return RunServices(
        cases=ground.cases,
        tools=tools,
        agents={agent.name: agent for agent in agents},
        planner=Planner(models, prompts),
        explainer=Explainer(models, prompts),
        checks=checks,
        edits=EditChecker(load_registry(), checks),
        losses=LossKeys(ground.database, load_blob_key(ground.settings.keys_folder)),
        signer=signer,
    )


def _effects_vault(settings: Settings, stack: AsyncExitStack) -> VaultClient | None:
    """Without that login a worker still reads; calls that act are refused, each saying what is missing."""
    try:
        client = effects_vault(settings.vault)
    except Misconfigured as error:
        _log.warning("calls that act will be refused: %s", error)
        return None
    stack.push_async_callback(client.close)
    return client


def _services_beside(ground: _Ground, vault: VaultClient, liveness: WorkerLiveness) -> tuple[Service, ...]:
    """Each does its turns with the login that may do no more than it needs: the broker's, or the kill switch's."""
    settings, database, journal = ground.settings, ground.database, ground.journal
    killswitch = killswitch_vault(settings.vault)
    ground.stack.push_async_callback(killswitch.close)
    resources = settings.database_resources
    source = VaultCredentials(killswitch, resources)
    sweeper = Sweeper(
        database=database,
        journal=journal,
        source=source,
        search=VaultSearch(killswitch),
        liveness=liveness,
        resources=resources,
    )
    switch = KillSwitch(database=database, journal=journal, blobs=ground.blobs, vault=killswitch, source=source)
    alarm = UnauthorizedEffects(database=database, switch=switch, source=source)
    reconciler = ReconcilerService(
        database=database,
        journal=journal,
        killswitch=killswitch,
        audit_file=settings.vault.audit_file,
        mounts=Mounts(
            databases=tuple(sorted({resource.vault_mount for resource in resources.values()})),
            logins=(settings.vault.auth_mount or settings.vault.auth,),
        ),
        alarm=alarm if settings.vault.stop_unauthorized else None,
    )
    canary = Canary(database=database, journal=journal, vault=vault)
    witness = WitnessService(
        database=database,
        journal=journal,
        signer=HeadSigner(vault),
        witnesses=configured_witnesses(settings, vault),
        interval_seconds=settings.witness.interval_seconds,
        idle_seconds=settings.witness.idle_seconds,
    )
    return CanaryService(canary), SweeperService(sweeper, switch), reconciler, witness


def _sandbox_services(ground: _Ground, sandboxes: SelectingBackend, liveness: WorkerLiveness) -> tuple[Service, ...]:
    settings = ground.settings
    attacks = AttackService(settings=settings, sandboxes=sandboxes, tools=BUILT_IN)
    if settings.sandbox.e2b_api_key is None:
        return (attacks,)
    return attacks, RentedMachinesService(settings=settings, liveness=liveness, worker_id=ground.worker_id)


@asynccontextmanager
async def _checkpoint_pool(settings: Settings) -> AsyncGenerator[AsyncConnectionPool[Any]]:
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        settings.database.dsn,
        min_size=1,
        max_size=settings.database.pool_size,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        open=False,
    )
    async with pool:
        yield pool

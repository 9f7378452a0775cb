"""The composition root: where every port is given its adapter. Read it to see how the house hangs together."""

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
from overseen.engine.decision_checks import OutgoingChecks
from overseen.engine.failures import RunFailures
from overseen.engine.liveness import WorkerLiveness
from overseen.engine.run_rules import PlaybookModelBudgets, PlaybookRules
from overseen.engine.runner import RunRunner
from overseen.graphs.case_file import CaseFiles
from overseen.graphs.services import RunServices
from overseen.graphs.supervisor_graph import build_supervisor_graph
from overseen.guardrails.suite import standard_suite
from overseen.journal import Journal
from overseen.models.gateway import build_model_gateway
from overseen.models.routes import build_routes
from overseen.models.types import ModelRoute
from overseen.prompts import PromptLibrary
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.connect import broker_vault, killswitch_vault
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.signer import HeadSigner
from overseen.secrets.stops import Stops
from overseen.secrets.sweeper import Sweeper
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import Settings
from overseen.store import BlobStore, Database, PostgresBlobStore, load_blob_key
from overseen.supervisor.answerer import Answerer
from overseen.supervisor.explainer import Explainer
from overseen.supervisor.planner import Planner
from overseen.tools.doors.call_doors import CallDoors
from overseen.tools.gateway.build import GatewayParts, build_gateway
from overseen.tools.registry import load_registry
from overseen.tools.sandbox import BubblewrapBackend
from overseen.tools.types import ToolPort
from overseen.tracing.provider import build_tracer


@dataclass(frozen=True, kw_only=True)
class WorkerHouse:
    """Everything a worker runs on."""

    database: Database
    blobs: BlobStore
    journal: Journal
    runner: RunRunner
    answering: QuestionAnswering
    sweeper: Sweeper
    broker: LeaseBroker
    tools: ToolPort
    liveness: WorkerLiveness


@asynccontextmanager
async def compose_worker(
    settings: Settings, worker_id: str, *, routes: Sequence[ModelRoute] | None = None
) -> AsyncGenerator[WorkerHouse]:
    """Build a worker's house; everything is closed at the end of the block.

    `routes` replaces the routes of the settings (tests use the scripted model). Raises Misconfigured naming what the
    settings lack.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database.sqlalchemy_url, pool_size=settings.database.pool_size)
        stack.push_async_callback(database.close)
        blobs = PostgresBlobStore(database, load_blob_key(settings.keys_folder))
        journal = Journal(database)
        liveness = WorkerLiveness(database)
        cases = CaseFiles(database=database, blobs=blobs, journal=journal, worker_id=worker_id)
        rules = PlaybookRules(cases)

        tracer = build_tracer(settings)
        stack.push_async_callback(tracer.close)
        models = build_model_gateway(
            build_routes(settings, blobs) if routes is None else routes,
            database=database,
            journal=journal,
            blobs=blobs,
            tracer=tracer,
            budgets=PlaybookModelBudgets(rules),
        )
        stack.push_async_callback(models.close)

        vault = broker_vault(settings.vault)
        stack.push_async_callback(vault.close)
        broker = LeaseBroker(
            database=database,
            journal=journal,
            vault=vault,
            source=VaultCredentials(vault, settings.resources),
            worker_id=worker_id,
            region=settings.worker.region,
        )
        stack.push_async_callback(broker.drain)
        killswitch = killswitch_vault(settings.vault)
        stack.push_async_callback(killswitch.close)
        sweeper = Sweeper(
            database=database,
            journal=journal,
            source=VaultCredentials(killswitch, settings.resources),
            search=VaultSearch(killswitch),
            liveness=liveness,
            resources=settings.resources,
        )
        signer = HeadSigner(vault)

        registry = load_registry()
        backend = BubblewrapBackend(settings.home / "sandbox", concurrency=settings.sandbox.concurrency)
        stack.push_async_callback(backend.close)
        tools = build_gateway(
            GatewayParts(
                database=database,
                journal=journal,
                blobs=blobs,
                registry=registry,
                rules=rules,
                plan_lock=rules,
                stop_switch=GatewayStops(Stops(database)),
                broker=broker,
                backend=backend,
                doors=CallDoors(backend.doors_folder),
                tracer=GatewayTracer(tracer),
            )
        )

        prompts = PromptLibrary()
        guardrails = standard_suite()
        agents = (
            Extractor(models=models, prompts=prompts, blobs=blobs, guardrails=guardrails),
            VisionChecker(models, prompts, guardrails, vision=models.sees_images),
            PolicyLookup(models, prompts, guardrails),
        )
        services = RunServices(
            cases=cases,
            tools=tools,
            agents={agent.name: agent for agent in agents},
            planner=Planner(models, prompts),
            explainer=Explainer(models, prompts),
            checks=OutgoingChecks(guardrails),
            signer=signer,
        )
        pool = await stack.enter_async_context(_checkpoint_pool(settings))
        runner = RunRunner(
            graph=build_supervisor_graph(services),
            pool=pool,
            cases=cases,
            failures=RunFailures(cases, signer),
            tracer=tracer,
            leases=broker,
            worker_id=worker_id,
        )
        yield WorkerHouse(
            database=database,
            blobs=blobs,
            journal=journal,
            runner=runner,
            answering=QuestionAnswering(cases, Answerer(models, prompts)),
            sweeper=sweeper,
            broker=broker,
            tools=tools,
            liveness=liveness,
        )


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

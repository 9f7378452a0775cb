"""The sandboxes of an installation, by name: what the settings say becomes backends here."""

import hashlib
from collections.abc import Callable
from urllib.parse import urlsplit

from overseen.settings import Settings
from overseen.tools.registry import tool_distributions
from overseen.tools.sandbox.bubblewrap import BubblewrapBackend
from overseen.tools.sandbox.e2b_backend import E2BBackend
from overseen.tools.sandbox.e2b_machine import E2BConnection
from overseen.tools.sandbox.monty import MontyBackend
from overseen.tools.sandbox.port import PrewarmingBackend, SandboxBackend, SandboxUnavailable
from overseen.tools.sandbox.proven import ProvenBackend
from overseen.tools.sandbox.runsc_backend import RunscBackend
from overseen.tools.sandbox.runtime import TOOL_DISTRIBUTIONS
from overseen.tools.sandbox.selection import SelectingBackend
from overseen.tools.sandbox.verdicts import VerdictFile, bubblewrap_identity, runsc_identity

LOCAL = ("bubblewrap", "runsc")
"""Backends that run on this machine and have to hold against the attack table on it."""


def build_sandboxes(settings: Settings, worker_id: str = "") -> SelectingBackend:
    """One backend in front of all this installation may use; none is started before its first job.

    `worker_id` is how machines rented elsewhere are labelled. Raises UnknownBackend when the settings name a sandbox
    there is none of.
    """
    chosen = settings.sandbox

    def bubblewrap() -> SandboxBackend:
        return build_proven("bubblewrap", settings)

    def runsc() -> SandboxBackend:
        return build_proven("runsc", settings)

    def monty() -> SandboxBackend:
        return MontyBackend(concurrency=chosen.concurrency)

    def e2b() -> SandboxBackend:
        return build_e2b(settings, worker_id)

    makers: dict[str, Callable[[], SandboxBackend]] = {
        "bubblewrap": bubblewrap,
        "runsc": runsc,
        "monty": monty,
        "e2b": e2b,
    }
    return SelectingBackend(settings.sandbox_folder, default=chosen.backend, makers=makers)


def build_proven(name: str, settings: Settings) -> ProvenBackend:
    """A backend of this machine behind the verdict of the attack table."""
    return ProvenBackend(build_local(name, settings), verdict_file(name, settings))


def build_local(name: str, settings: Settings) -> PrewarmingBackend:
    """The same without looking at the verdict: for those who find it out."""
    kind = RunscBackend if name == "runsc" else BubblewrapBackend
    return kind(
        settings.sandbox_folder,
        concurrency=settings.sandbox.concurrency,
        distributions=(*TOOL_DISTRIBUTIONS, *tool_distributions()),
    )


def verdict_file(name: str, settings: Settings) -> VerdictFile:
    """Where the verdict on a backend of this machine lies."""
    return VerdictFile(settings.sandbox_folder, name, runsc_identity if name == "runsc" else bubblewrap_identity)


def local_name(settings: Settings) -> str:
    """Which backend of this machine the settings choose; the default where they choose one elsewhere."""
    return settings.sandbox.backend if settings.sandbox.backend in LOCAL else "bubblewrap"


def build_e2b(settings: Settings, worker_id: str) -> E2BBackend:
    """The backend on E2B. Raises SandboxUnavailable without a key or without the SDK."""
    chosen = settings.sandbox
    if chosen.e2b_api_key is None:
        raise SandboxUnavailable(
            "There is no API key for E2B.", not_done="The tool was not run.", next_step="Set E2B_API_KEY."
        )
    connection = E2BConnection(
        api_key=chosen.e2b_api_key.get_secret_value(),
        api_url=chosen.e2b_api_url,
        sandbox_url=chosen.e2b_sandbox_url,
        template=chosen.e2b_template,
    )
    return E2BBackend(
        connection, installation=_installation(settings), worker_id=worker_id, concurrency=chosen.concurrency
    )


def _installation(settings: Settings) -> str:
    """Which machines are ours: those of workers on the same database."""
    parts = urlsplit(settings.database.dsn)
    named = f"{parts.hostname}:{parts.port}{parts.path}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]

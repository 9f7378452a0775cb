"""One virtual machine of E2B for one job: rented, spoken to through the real SDK, and ended whatever happens."""

import asyncio
import importlib
import uuid
from collections.abc import AsyncGenerator, Collection, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from overseen.tools.sandbox.answers import Answers
from overseen.tools.sandbox.port import EgressRule, SandboxProfile, SandboxUnavailable

if TYPE_CHECKING:
    from e2b import AsyncSandbox
    from e2b.connection_config import ApiParams
    from e2b.sandbox.sandbox_api import SandboxNetworkOpts

_REQUEST_SECONDS = 30.0
_KILL_ATTEMPTS = 3
_CANCEL_AGAIN_SECONDS = 0.5
_EVERYTHING = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class E2BConnection:
    """Where E2B is and who we are to it. Without addresses the SDK's own are used."""

    api_key: str = field(repr=False)
    api_url: str | None = None
    sandbox_url: str | None = None
    template: str | None = None

    def options(self) -> "ApiParams":
        """What every call of the SDK is given."""
        options: ApiParams = {"api_key": self.api_key, "request_timeout": _REQUEST_SECONDS, "debug": False}
        if self.api_url is not None:
            options["api_url"] = self.api_url
        if self.sandbox_url is not None:
            options["sandbox_url"] = self.sandbox_url
        return options


def load_sdk() -> None:
    """Import the SDK, which takes a while. Blocking. Raises SandboxUnavailable when it is not installed."""
    try:
        importlib.import_module("e2b")
    except ImportError:
        raise SandboxUnavailable(
            "The E2B SDK is not installed.",
            not_done="The tool was not run.",
            next_step="Run `pip install 'overseen[e2b]'`.",
        ) from None


@contextmanager
def spoken(what: str) -> Generator[None]:
    """Turns what the SDK raises into SandboxUnavailable; `what` says what could not be done."""
    from connectrpc.errors import ConnectError
    from e2b.exceptions import AuthenticationException, SandboxException, ServiceBusyException

    try:
        yield
    except AuthenticationException as error:
        raise SandboxUnavailable(
            f"E2B does not accept the API key: {what}.",
            not_done="The tool was not run.",
            next_step="Check E2B_API_KEY.",
        ) from error
    except (SandboxException, ServiceBusyException, httpx.HTTPError, ConnectError, OSError) as error:
        raise SandboxUnavailable(
            f"E2B failed: {what} ({type(error).__name__}: {str(error)[:200]}).",
            not_done="There is no result.",
            next_step="Try again; if it stays so, look at E2B's status, your quota and the template.",
        ) from error


class Machine:
    """A machine that runs."""

    def __init__(self, sandbox: "AsyncSandbox") -> None:
        self._sandbox = sandbox

    async def send(self, files: Mapping[str, bytes]) -> None:
        """Put files into the user's folder. Raises SandboxUnavailable."""
        from e2b.sandbox.filesystem.filesystem import WriteEntry

        with spoken("the job could not be sent"):
            await self._sandbox.files.write_files(
                [WriteEntry(path=name, data=content) for name, content in files.items()]
            )

    async def run(self, command: str, answers: Answers, seconds: float) -> None:
        """Run `command` to its end, at most `seconds`; what comes goes to `answers`. Raises SandboxUnavailable."""
        from e2b import CommandExitException

        try:
            with spoken("the job could not be watched"):
                handle = await self._sandbox.commands.run(
                    command,
                    background=True,
                    on_stdout=answers.hear,
                    on_stderr=answers.overhear,
                    timeout=seconds,
                    retain_output=False,
                )
                try:
                    await handle.wait()
                except CommandExitException:
                    # How the job ended is in the answers; the shell's own end says nothing more.
                    return
                finally:
                    await handle.disconnect()
        finally:
            answers.finish()


@asynccontextmanager
async def rented_machine(
    connection: E2BConnection, profile: SandboxProfile, egress: tuple[EgressRule, ...], metadata: Mapping[str, str]
) -> AsyncGenerator[Machine]:
    """A fresh machine for the length of the block; it is gone afterwards, also when the block is cancelled.

    Should this process die, E2B ends the machine itself a minute after the job's wall time. Raises SandboxUnavailable.
    """
    renting = asyncio.create_task(_rent(connection, profile, egress, metadata))
    try:
        sandbox = await asyncio.shield(renting)
    except asyncio.CancelledError:
        # The machine may be about to start: it has to be there before it can be ended.
        await _to_its_end(_end_when_rented(renting))
        raise
    try:
        yield Machine(sandbox)
    finally:
        await _to_its_end(_end(sandbox))


async def _rent(
    connection: E2BConnection, profile: SandboxProfile, egress: tuple[EgressRule, ...], metadata: Mapping[str, str]
) -> "AsyncSandbox":
    from e2b import AsyncSandbox

    with spoken("no machine could be started"):
        return await AsyncSandbox.create(
            connection.template,
            timeout=int(profile.wall_seconds + 2 * _REQUEST_SECONDS),
            metadata=dict(metadata),
            allow_internet_access=False,
            network=_network(egress),
            lifecycle={"on_timeout": "kill"},
            idempotency_key=str(uuid.uuid4()),
            **connection.options(),
        )


def _network(egress: tuple[EgressRule, ...]) -> "SandboxNetworkOpts":
    """Nothing leaves but to the hosts named, which win over the general no, and nobody reaches in."""
    if not egress:
        return {"deny_out": [_EVERYTHING], "allow_public_traffic": False}
    return {
        "allow_out": [rule.host for rule in egress],
        "deny_out": [_EVERYTHING],
        "rules": {rule.host: [{"transform": {"headers": dict(rule.headers)}}] for rule in egress if rule.headers},
        "allow_public_traffic": False,
    }


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` however often we are cancelled meanwhile; raises what it raises, else CancelledError if we were."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def end_tasks(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel `tasks` and wait for them. More than once: a library below may take a cancellation for its own."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_SECONDS)


async def _end_when_rented(renting: "asyncio.Task[AsyncSandbox]") -> None:
    try:
        sandbox = await renting
    except SandboxUnavailable:
        return
    await _end(sandbox)


async def _end(sandbox: "AsyncSandbox") -> None:
    """Kill it; a machine that is gone already is as good. Raises SandboxUnavailable when its end is not certain."""
    for attempt in range(_KILL_ATTEMPTS):
        try:
            with spoken("a machine could not be ended; E2B ends it when its time is up"):
                await sandbox.kill()
                return
        except SandboxUnavailable:
            if attempt + 1 == _KILL_ATTEMPTS:
                raise
            await asyncio.sleep(0.2 * 2**attempt)

"""The controls of a running installation: which of what is promised is really on at this moment.

Each is looked at, not remembered: what a setting says is no proof that it works.
"""

import stat
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select

from overseen.api.services import Services, open_services
from overseen.blocking import run_blocking
from overseen.engine.backups import Backup, backups_folder, is_late, kept_backups
from overseen.engine.sandboxes import LOCAL, verdict_file
from overseen.engine.witnessing import witness_status
from overseen.errors import OverseenError
from overseen.secrets.vault_check import check_own_logins
from overseen.settings import Settings
from overseen.stack.doctor import Diagnosis, bad, good, warn
from overseen.store.tables import ServiceReport, now
from overseen.tools.sandbox.cgroups import find_cgroup_parents

_SILENT_AFTER = timedelta(seconds=90)
_MOST_LAG_SECONDS = 300.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost", None)

Control = Callable[[Settings, Services], Awaitable[Diagnosis]]


async def examine_controls(settings: Settings) -> list[Diagnosis]:
    """Every control by name; only one line where nothing runs yet. A control that cannot be looked at is off."""
    if settings.database.url is None:
        return [warn("controls", "nothing runs here yet", "Run `overseen up`, then `overseen doctor` again.")]
    try:
        async with open_services(settings) as services:
            return [await _looked_at(name, control, settings, services) for name, control in CONTROLS]
    except OverseenError as error:
        return [bad("controls", error.message, error.next_step or "Run `overseen status`.")]


async def _looked_at(name: str, control: Control, settings: Settings, services: Services) -> Diagnosis:
    try:
        return await control(settings, services)
    except OverseenError as error:
        return bad(name, f"could not be looked at: {error.message}", error.next_step or "See the worker's log.")


async def check_sandbox(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """The sandbox that tools run in was attacked on this machine, and held."""
    name, backend = "sandbox attested", settings.sandbox.backend
    if backend not in LOCAL:
        return warn(name, f"tools run on {backend}, which is attested there", "Nothing to do on this machine.")
    verdict = await run_blocking(verdict_file(backend, settings).read)
    if verdict is None:
        return bad(name, f"{backend} was not attacked yet on this machine", "Run `overseen doctor --attack`.")
    if verdict.lost:
        lost = ", ".join(sorted(verdict.lost))
        return bad(name, f"{backend} lost: {lost}", "Mend it, then run `overseen doctor --attack`.")
    if not verdict.complete:
        detail = f"{backend} held against the {verdict.attacks} essential attacks"
        return warn(name, detail, "A worker runs the whole table some minutes after it started.")
    return good(name, f"{backend} held against {verdict.attacks} attacks, last on {verdict.at[:16]} UTC")


async def check_reconciler(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """Vault's own records are compared with the ledger, and nothing is unexplained."""
    name = "reconciler quiet"
    report = await _report(services, "reconciler")
    off = _not_working(name, report)
    if report is None or off is not None:
        return off or _never_reported(name)
    unexplained = (await services.security.standing()).unreconciled
    if unexplained:
        return bad(name, f"{unexplained} findings nobody explained", "Look at them on the page Leases.")
    lag = float(report.detail.get("lag_seconds") or 0.0)
    if lag > _MOST_LAG_SECONDS:
        return bad(name, f"Vault's records were read up to {lag:.0f} s ago", "Give the worker more time or memory.")
    return good(name, f"nothing unexplained, last looked {_ago(report.at)}")


def _service_control(name: str, service: str, meaning: str) -> Control:
    async def check(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
        report = await _report(services, service)
        return _not_working(name, report) or good(name, f"{meaning}, last {_ago(report.at if report else now())}")

    return check


async def check_witness(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """What is in the journal is remembered outside the database, up to a moment ago."""
    name, status = "witness fresh", await witness_status(settings)
    if not status.ok:
        return bad(name, status.problem, status.next_step)
    held = ", ".join(f"{one.name} holds {one.number}" for one in status.witnesses)
    return good(name, f"checkpoint {status.number}, {status.age_seconds or 0:.0f} s old; {held}")


async def check_backups(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """A backup of the database is there and recent."""
    name, chosen = "backups", settings.backup
    if chosen.enabled:
        kept = await run_blocking(kept_backups, backups_folder(settings))
        where = str(backups_folder(settings))
    elif chosen.proof_file is not None:
        kept, where = await run_blocking(_proof, chosen.proof_file), str(chosen.proof_file)
    else:
        return bad(name, "turned off", "Turn backup.enabled on, or name in backup.proof_file what your own touches.")
    if not kept:
        return bad(name, f"none in {where}", "Run `overseen backup`.")
    if is_late(kept[0], chosen):
        return bad(name, f"the last is of {_ago(kept[0].made_at)}", "See the worker's log, or run `overseen backup`.")
    return good(name, f"{len(kept)} in {where}, the last of {_ago(kept[0].made_at)}")


async def check_limits(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """Memory and processes of a tool are bounded by the kernel, not by good will."""
    name = "limits"
    if settings.sandbox.backend in LOCAL and await run_blocking(find_cgroup_parents) is None:
        detail = "no cgroups: a tool gets one process with bounded memory; tools that need more are refused"
        return warn(name, detail, "Give the worker its own cgroup (systemd: Delegate=yes).")
    return good(name, "memory and processes of each tool are bounded by cgroups")


async def check_private_files(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """Keys and passwords on this machine can be read by their owner alone."""
    name = "private files"
    open_to_others = await run_blocking(_open_to_others, settings)
    if open_to_others:
        listed = ", ".join(str(path) for path in open_to_others)
        return bad(name, f"others may enter or read {listed}", f"Run `chmod -R go= {settings.home}`.")
    return good(name, f"{settings.home} and its keys are closed to others")


async def check_vault_logins(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """Each of our logins in Vault works, and can do no more than its work."""
    name = "narrow logins"
    deviations = await check_own_logins(settings.vault)
    if deviations:
        said = "; ".join(f"{found.what}: {found.detail}" for found in deviations[:3])
        return bad(name, said[:400], "See docs/decisions/0018 and run `overseen vault check`.")
    return good(name, "each login in Vault has its own narrow policy and nothing beside it")


async def check_encrypted_ways(settings: Settings, services: Services) -> Diagnosis:  # noqa: ARG001
    """Passwords and tokens leave this machine only under TLS."""
    name = "encrypted ways"
    vault = urlsplit(settings.vault.addr or "")
    if vault.scheme == "http" and vault.hostname not in _LOOPBACK:
        return bad(name, f"Vault at {vault.hostname} is reached without TLS", "Set VAULT_ADDR to an https address.")
    database = urlsplit(settings.database.dsn)
    strict = any(f"sslmode={mode}" in database.query for mode in ("require", "verify-ca", "verify-full"))
    if database.hostname not in _LOOPBACK and not strict:
        detail = f"the database at {database.hostname} may be reached without TLS"
        return bad(name, detail, "Add ?sslmode=verify-full to DATABASE_URL.")
    return good(name, "Vault and database are on this machine or reached under TLS")


CONTROLS: Sequence[tuple[str, Control]] = (
    ("sandbox attested", check_sandbox),
    ("vault serves", _service_control("vault serves", "canary", "an authenticated request is answered")),
    ("narrow logins", check_vault_logins),
    ("leases end", _service_control("leases end", "sweeper", "nothing is left behind")),
    ("reconciler quiet", check_reconciler),
    ("witness fresh", check_witness),
    ("backups", check_backups),
    ("limits", check_limits),
    ("private files", check_private_files),
    ("encrypted ways", check_encrypted_ways),
)


async def _report(services: Services, name: str) -> ServiceReport | None:
    async with services.database.read() as session:
        return await session.scalar(select(ServiceReport).where(ServiceReport.name == name))


def _not_working(name: str, report: ServiceReport | None) -> Diagnosis | None:
    if report is None:
        return _never_reported(name)
    if now() - report.at > _SILENT_AFTER:
        return bad(name, f"silent since {_ago(report.at)}", "See `overseen status` and the worker's log.")
    if not report.ok:
        said = str(report.detail.get("message") or report.detail.get("error_code") or "it reports a fault")
        return bad(name, said, str(report.detail.get("next_step") or "See the worker's log."))
    return None


def _never_reported(name: str) -> Diagnosis:
    return bad(name, "no worker ever reported", "Start a worker: `overseen up`.")


def _ago(moment: datetime) -> str:
    seconds = max(0.0, (now() - moment).total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _proof(path: Path) -> list[Backup]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return []
    return [Backup(path=path, size=status.st_size, made_at=datetime.fromtimestamp(status.st_mtime, UTC))]


def _open_to_others(settings: Settings) -> list[Path]:
    """The data folder and what it keeps secret, as far as it is there and lets others in."""
    keys = settings.keys_folder
    secret = [settings.home, keys, *(keys.iterdir() if keys.is_dir() else ()), settings.stack_file]
    others = stat.S_IRWXG | stat.S_IRWXO
    return [path for path in secret if path.exists() and path.stat().st_mode & others]

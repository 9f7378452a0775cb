"""Settings, one class per concern, read once per process.

Order of precedence: environment, `settings.yaml` in the data folder (written by the operator), `stack.json` in the data
folder (written by `overseen up` for the parts it runs itself), defaults. Secrets may be given as `NAME_FILE` naming a
file instead of `NAME`.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    Tag,
    ValidationError,
    field_validator,
)

from overseen.errors import Misconfigured


class _Concern(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Concern):
    """Overseen's own Postgres. `url` has the form postgresql://user:password@host:port/database."""

    url: SecretStr | None = Field(default=None, description="DATABASE_URL")
    pool_size: int = 8

    @property
    def dsn(self) -> str:
        """The libpq connection string; Misconfigured when no database is named."""
        if self.url is None:
            raise Misconfigured(
                "No database is named.",
                not_done="Nothing was started.",
                next_step="Run `overseen up`, or set DATABASE_URL to a PostgreSQL 14+ server.",
            )
        return self.url.get_secret_value()

    @property
    def sqlalchemy_url(self) -> str:
        """The same for SQLAlchemy with the async psycopg driver."""
        parts = urlsplit(self.dsn)
        return urlunsplit(parts._replace(scheme="postgresql+psycopg"))


class VaultSettings(_Concern):
    """OpenBao or HashiCorp Vault. `auth` says how our processes log in, at `auth_mount` (default: named like `auth`).

    approle: with the ids below. kubernetes, jwt: with the signed token in `jwt_file`, which something else renews, as
    the roles `overseen-broker`, `overseen-effects` and `overseen-killswitch`. `stop_unauthorized`: end a credential
    that acts without a used authorization, and pull the kill switch of its tool. Not where several installations share
    one Vault: each would take the others' credentials for forged.
    """

    addr: str | None = Field(default=None, description="VAULT_ADDR")
    ca_file: Path | None = Field(default=None, description="VAULT_CACERT: the authority of Vault's own certificate")
    auth: Literal["approle", "kubernetes", "jwt"] = Field(default="approle", description="OVERSEEN_VAULT_AUTH")
    auth_mount: str | None = Field(default=None, description="OVERSEEN_VAULT_AUTH_MOUNT")
    jwt_file: Path | None = Field(
        default=None, description="OVERSEEN_VAULT_JWT_FILE; in Kubernetes the pod's own if unset"
    )
    role_id: str | None = Field(default=None, description="OVERSEEN_VAULT_ROLE_ID")
    secret_id: SecretStr | None = Field(default=None, description="OVERSEEN_VAULT_SECRET_ID or ..._FILE")
    effects_role_id: str | None = Field(default=None, description="OVERSEEN_VAULT_EFFECTS_ROLE_ID")
    effects_secret_id: SecretStr | None = Field(default=None, description="..._EFFECTS_SECRET_ID or ..._FILE")
    killswitch_role_id: str | None = Field(default=None, description="OVERSEEN_VAULT_KILLSWITCH_ROLE_ID")
    killswitch_secret_id: SecretStr | None = Field(default=None, description="..._KILLSWITCH_SECRET_ID or ..._FILE")
    audit_file: Path | None = Field(
        default=None, description="OVERSEEN_VAULT_AUDIT_FILE: Vault's own audit log, if readable"
    )
    server_log: Path | None = Field(default=None, description="OVERSEEN_VAULT_SERVER_LOG")
    stop_unauthorized: bool = Field(default=False, description="OVERSEEN_VAULT_STOP_UNAUTHORIZED")
    timeout_seconds: float = 3.0


class ResourceSettings(_Concern):
    """A system of record that tools reach with leased credentials. No password here: Vault makes one for each call."""

    kind: Literal["database"] = "database"
    host: str
    port: int = 5432
    database: str
    vault_mount: str = "database"


class AllowedRequestSettings(_Concern):
    """One kind of request a tool may make. `path` is a regular expression for the whole path; of the query only the
    parameters named in `query` may be there."""

    method: str = Field(pattern=r"^[A-Z]{3,10}$")
    path: str
    query: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-\[\]]{1,64}$")], ...] = ()

    @field_validator("path")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression ({error})") from None
        return value


class HttpResourceSettings(_Concern):
    """An HTTP server that tools reach through a door of their call, with a credential that is added outside.

    `base_url` is scheme, host and port; without TLS only on this machine. `tools` are the tools that may be let
    through, `allow` what they may ask: nothing else is. `headers` say where the fields of a kv secret go, such as
    {"Authorization": "Bearer {api_key}"}; an identity token always goes into Authorization, a certificate into TLS.
    `ca_file` is the authority (PEM) of a server with a certificate of your own. Limits hold for one call: sizes in
    bytes, `request_*`, `response_bytes` for one request, `total_*` and `requests` for all of them.
    """

    kind: Literal["http"]
    base_url: str
    tools: tuple[str, ...]
    allow: tuple[AllowedRequestSettings, ...]
    headers: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], str] = Field(
        default_factory=dict[str, str]
    )
    ca_file: Path | None = None
    requests: PositiveInt = 50
    request_bytes: PositiveInt = 1 << 20
    response_bytes: PositiveInt = 4 << 20
    total_bytes: PositiveInt = 32 << 20
    request_seconds: PositiveFloat = 20.0
    total_seconds: PositiveFloat = 60.0

    @field_validator("base_url")
    @classmethod
    def _is_base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("base_url is https://host or https://host:port")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("base_url holds no path; put it into the paths of `allow`")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("a credential is not sent without TLS: use https://")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("headers")
    @classmethod
    def _are_templates(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, template in value.items():
            places = [piece[1:] for piece in Formatter().parse(template) if piece[1] is not None]
            plain = all((field or "").isidentifier() and not form and not turned for field, form, turned in places)
            if not places or not plain or not template.isprintable():
                raise ValueError(
                    f"{name} needs the name of a field of the secret in braces, as in 'Bearer {{api_key}}'"
                )
        return value


def _resource_kind(value: Any) -> str:
    kind: object = value.get("kind", "database") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return str(kind)


Resource = Annotated[
    Annotated[ResourceSettings, Tag("database")] | Annotated[HttpResourceSettings, Tag("http")],
    Discriminator(_resource_kind),
]


class RouteSettings(_Concern):
    """A way to a model. `kind` is openai (any OpenAI-compatible server: vLLM, llama.cpp) or litellm (managed).

    `first_token_seconds` is the longest wait for an answer to begin, `idle_seconds` the longest silence within it; an
    answer that comes is never cut. `concurrency` holds for all workers together; further calls wait in a queue.
    `stream: false` is for servers that cannot stream (then `first_token_seconds` bounds the whole answer). `extra`
    goes into every request of an openai route as it is.
    """

    name: str
    kind: str = "openai"
    model: str
    base_url: str | None = None
    api_key: SecretStr | None = None
    regions: tuple[str, ...] = ("local",)
    input_usd_per_million: float = 0.0
    output_usd_per_million: float = 0.0
    first_token_seconds: PositiveFloat = 600.0
    idle_seconds: PositiveFloat = 120.0
    concurrency: PositiveInt = 1
    stream: bool = True
    extra: dict[str, Any] = Field(default_factory=dict[str, Any])
    vision: bool = False
    context_tokens: int = 8192


class LangfuseSettings(_Concern):
    """Langfuse is used when both keys are set."""

    public_key: str | None = Field(default=None, description="LANGFUSE_PUBLIC_KEY")
    secret_key: SecretStr | None = Field(default=None, description="LANGFUSE_SECRET_KEY")
    host: str | None = Field(default=None, description="LANGFUSE_HOST")

    @property
    def enabled(self) -> bool:
        """Whether both keys are there."""
        return self.public_key is not None and self.secret_key is not None


class TracingSettings(_Concern):
    """What leaves the house in traces. Without `content` only digests, sizes, names and numbers do."""

    otlp_endpoint: str | None = Field(default=None, description="OTEL_EXPORTER_OTLP_ENDPOINT: base URL of a collector")
    content: bool = Field(default=False, description="LANGFUSE_CONTENT=1: export masked inputs and outputs too")
    regions: tuple[str, ...] | None = Field(default=None, description="Regions whose traces may leave; all if unset")


def _comma_separated(value: object) -> object:
    """`a, b` as a variable of the environment says it; a list of settings.yaml as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class WebLimitSettings(_Concern):
    """How much a request may hold and how long it may take. Sizes in bytes, times in seconds.

    `body_*` hold for every request but those that carry files, whose size follows from what may be handed in.
    """

    head_seconds: PositiveFloat = 10.0
    body_bytes: PositiveInt = 1 << 20
    body_seconds: PositiveFloat = 60.0
    idle_seconds: PositiveFloat = 20.0
    upload_seconds: PositiveFloat = 900.0
    uploads_per_account: PositiveInt = 3
    uploads: PositiveInt = 8
    streams_per_account: PositiveInt = 16
    streams: PositiveInt = 300
    stream_seconds: PositiveFloat = 1800.0
    connections: PositiveInt = 500


class WebSettings(_Concern):
    """Where pages are served. Port 0 picks a free one.

    `trusted_proxies` are addresses or networks of proxies whose X-Forwarded-For and -Proto are believed; nobody's are
    while none is named.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=0, description="OVERSEEN_WEB_PORT")
    base_url: str | None = Field(default=None, description="OVERSEEN_BASE_URL: what links to pages start with")
    trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = Field(
        default=(), description="OVERSEEN_TRUSTED_PROXIES: addresses or networks, separated by commas"
    )
    limits: WebLimitSettings = WebLimitSettings()

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for named in value:
            ip_network(named, strict=False)
        return value


class SandboxSettings(_Concern):
    """Where tools run whose profile names no backend: bubblewrap (default), runsc or e2b.

    E2B's addresses are only set where its API is served elsewhere than at its own; the template must hold Python 3.11
    or newer and the packages that tools sent there import.
    """

    backend: str = Field(default="bubblewrap", description="OVERSEEN_SANDBOX_BACKEND")
    e2b_api_key: SecretStr | None = Field(default=None, description="E2B_API_KEY or ..._FILE")
    e2b_api_url: str | None = Field(default=None, description="E2B_API_URL")
    e2b_sandbox_url: str | None = Field(default=None, description="E2B_SANDBOX_URL")
    e2b_template: str | None = Field(default=None, description="OVERSEEN_E2B_TEMPLATE; E2B's own base if unset")
    concurrency: int = 4
    folder: Path | None = Field(default=None, description="OVERSEEN_SANDBOX_FOLDER")


class BackupSettings(_Concern):
    """Backups of Overseen's own database, made by a worker into `folder` (default: `backups` in the data folder).

    Turn them off where the database is backed up elsewhere, and name in `proof_file` a file that your own backup
    touches when it has succeeded: `overseen doctor` looks at its age.
    """

    enabled: bool = True
    folder: Path | None = None
    every_hours: PositiveFloat = 24.0
    keep: PositiveInt = 7
    pg_dump: Path | None = None
    proof_file: Path | None = None


class WorkerSettings(_Concern):
    """How a worker behaves."""

    region: str = Field(default="local", description="OVERSEEN_REGION")
    concurrency: int = 4


class WitnessSettings(_Concern):
    """Who remembers the journal's checkpoints outside the database, and how often one is made.

    `file` is in the data folder if unset, `none` for no file; `vault` keeps the newest in Vault's key-value store,
    under `vault_name`, which tells apart the installations that share a Vault.
    `append_file` and `url` are for whoever else should be able to tell: a file on their share, or their own endpoint
    (see `overseen.journal.url_witness`). `url_asked` says whether that also answers what it holds.
    """

    interval_seconds: PositiveFloat = 10.0
    idle_seconds: PositiveFloat = Field(default=900.0, description="A checkpoint is made this often when nothing moves")
    file: Path | Literal["none"] | None = Field(default=None, description="OVERSEEN_WITNESS_FILE")
    vault: bool = True
    vault_name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")] = "journal"
    append_file: Path | None = Field(default=None, description="OVERSEEN_WITNESS_APPEND_FILE")
    url: str | None = Field(default=None, description="OVERSEEN_WITNESS_URL")
    url_token_file: Path | None = Field(default=None, description="OVERSEEN_WITNESS_URL_TOKEN_FILE")
    url_asked: bool = True

    @field_validator("url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("the witness's url is https://host/path, without a name or password")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("a witness is not told without TLS: use https://")
        return value


class Settings(_Concern):
    """All settings of one process."""

    home: Path
    database: DatabaseSettings = DatabaseSettings()
    vault: VaultSettings = VaultSettings()
    resources: Mapping[str, Resource] = Field(default_factory=dict[str, Resource])
    routes: tuple[RouteSettings, ...] = ()
    langfuse: LangfuseSettings = LangfuseSettings()
    tracing: TracingSettings = TracingSettings()
    web: WebSettings = WebSettings()
    sandbox: SandboxSettings = SandboxSettings()
    worker: WorkerSettings = WorkerSettings()
    backup: BackupSettings = BackupSettings()
    witness: WitnessSettings = WitnessSettings()
    model_file: Path | None = Field(default=None, description="OVERSEEN_MODEL_FILE")

    @property
    def database_resources(self) -> dict[str, ResourceSettings]:
        """The databases among the resources."""
        return {name: found for name, found in self.resources.items() if isinstance(found, ResourceSettings)}

    @property
    def http_resources(self) -> dict[str, HttpResourceSettings]:
        """The HTTP servers among the resources."""
        return {name: found for name, found in self.resources.items() if isinstance(found, HttpResourceSettings)}

    @property
    def keys_folder(self) -> Path:
        """0700 folder with the keys this machine keeps (blob key, session key)."""
        return self.home / "keys"

    @property
    def sandbox_folder(self) -> Path:
        """Where the sandbox keeps its copy of the interpreter; installations on one machine may share it."""
        return self.sandbox.folder or self.home / "sandbox"

    @property
    def witness_file(self) -> Path | None:
        """Where checkpoints of the journal are appended; None for nowhere."""
        return None if self.witness.file == "none" else self.witness.file or self.home / "witness" / "journal.jsonl"

    @property
    def logs_folder(self) -> Path:
        """Where processes started by `overseen up` write their logs."""
        return self.home / "logs"

    @property
    def stack_file(self) -> Path:
        """`stack.json`: what the embedded stack offers; 0600, written whole or not at all."""
        return self.home / "stack.json"


_ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "DATABASE_URL": ("database", "url"),
    "VAULT_ADDR": ("vault", "addr"),
    "VAULT_CACERT": ("vault", "ca_file"),
    "OVERSEEN_VAULT_AUTH": ("vault", "auth"),
    "OVERSEEN_VAULT_AUTH_MOUNT": ("vault", "auth_mount"),
    "OVERSEEN_VAULT_JWT_FILE": ("vault", "jwt_file"),
    "OVERSEEN_VAULT_ROLE_ID": ("vault", "role_id"),
    "OVERSEEN_VAULT_SECRET_ID": ("vault", "secret_id"),
    "OVERSEEN_VAULT_EFFECTS_ROLE_ID": ("vault", "effects_role_id"),
    "OVERSEEN_VAULT_EFFECTS_SECRET_ID": ("vault", "effects_secret_id"),
    "OVERSEEN_VAULT_STOP_UNAUTHORIZED": ("vault", "stop_unauthorized"),
    "OVERSEEN_VAULT_KILLSWITCH_ROLE_ID": ("vault", "killswitch_role_id"),
    "OVERSEEN_VAULT_KILLSWITCH_SECRET_ID": ("vault", "killswitch_secret_id"),
    "OVERSEEN_VAULT_AUDIT_FILE": ("vault", "audit_file"),
    "OVERSEEN_VAULT_SERVER_LOG": ("vault", "server_log"),
    "LANGFUSE_PUBLIC_KEY": ("langfuse", "public_key"),
    "LANGFUSE_SECRET_KEY": ("langfuse", "secret_key"),
    "LANGFUSE_HOST": ("langfuse", "host"),
    "LANGFUSE_CONTENT": ("tracing", "content"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("tracing", "otlp_endpoint"),
    "OVERSEEN_WEB_PORT": ("web", "port"),
    "OVERSEEN_BASE_URL": ("web", "base_url"),
    "OVERSEEN_TRUSTED_PROXIES": ("web", "trusted_proxies"),
    "OVERSEEN_SANDBOX_BACKEND": ("sandbox", "backend"),
    "OVERSEEN_SANDBOX_FOLDER": ("sandbox", "folder"),
    "E2B_API_KEY": ("sandbox", "e2b_api_key"),
    "E2B_API_URL": ("sandbox", "e2b_api_url"),
    "E2B_SANDBOX_URL": ("sandbox", "e2b_sandbox_url"),
    "OVERSEEN_E2B_TEMPLATE": ("sandbox", "e2b_template"),
    "OVERSEEN_REGION": ("worker", "region"),
    "OVERSEEN_WITNESS_FILE": ("witness", "file"),
    "OVERSEEN_WITNESS_APPEND_FILE": ("witness", "append_file"),
    "OVERSEEN_WITNESS_URL": ("witness", "url"),
    "OVERSEEN_WITNESS_URL_TOKEN_FILE": ("witness", "url_token_file"),
    "OVERSEEN_MODEL_FILE": ("model_file",),
}


def _put(target: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        target = target.setdefault(name, {})
    target[path[-1]] = value


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        known = merged.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            merged[name] = _merge(dict(known), value)
        else:
            merged[name] = value
    return merged


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, path in _ENVIRONMENT.items():
        if environment.get(name):
            _put(found, path, environment[name])
        elif environment.get(f"{name}_FILE"):
            _put(found, path, Path(environment[f"{name}_FILE"]).read_text(encoding="utf-8").strip())
    return found


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise Misconfigured(
            f"{path} does not hold a mapping.", not_done="Nothing was started.", next_step="Mend or remove it."
        )
    return content


def default_home(environment: Mapping[str, str] | None = None) -> Path:
    """OVERSEEN_HOME, or `.overseen` in the home folder."""
    named = (os.environ if environment is None else environment).get("OVERSEEN_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".overseen"


def load_settings(
    home: Path | None = None, environment: Mapping[str, str] | None = None, *, embedded: bool = True
) -> Settings:
    """The settings of this process; `embedded=False` leaves out what the embedded stack offers.

    Raises Misconfigured naming the setting that is wrong.
    """
    environment = os.environ if environment is None else environment
    home = home or default_home(environment)
    stack = _from_file(home / "stack.json").get("settings", {}) if embedded else {}
    merged = _merge(_merge(stack, _from_file(home / "settings.yaml")), _from_environment(environment))
    try:
        return Settings.model_validate({**merged, "home": home})
    except ValidationError as error:
        where = "; ".join(".".join(map(str, item["loc"])) + ": " + item["msg"] for item in error.errors())
        raise Misconfigured(
            f"A setting is wrong: {where}.", not_done="Nothing was started.", next_step="Mend it and try again."
        ) from error


def make_private_folder(path: Path) -> Path:
    """Create `path` (and parents) so that only the owner can enter it; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(stat.S_IRWXU)
    return path

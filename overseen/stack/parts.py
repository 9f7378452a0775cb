"""The list of parts."""

from collections.abc import Mapping
from pathlib import Path

from overseen.settings import load_settings
from overseen.stack.module_parts import SchemaPart, WebPart, WorkerPart
from overseen.stack.openbao import EmbeddedOpenBao
from overseen.stack.part import Part
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.server_parts import ModelPart, OpenBaoPart, PostgresPart


def build_parts(home: Path, ports: Mapping[str, int], *, model: bool = True) -> tuple[Part, ...]:
    """The parts this machine must run: whatever the operator's own settings name is left to them.

    PostgreSQL runs unless the settings name a store, a Vault and the insurer, because the embedded OpenBao makes its
    leases on it.
    """
    named = load_settings(home, embedded=False)
    logs = home / "logs"
    parts: list[Part] = []
    embedded_vault = named.vault.addr is None
    if named.database.url is None or embedded_vault or "insurer" not in named.resources:
        postgres = EmbeddedPostgres(home / "postgres", port=ports.get("postgres", 0))
        parts.append(PostgresPart(postgres, logs / "postgres.log"))
        if embedded_vault:
            openbao = EmbeddedOpenBao(home / "openbao", port=ports.get("openbao", 0))
            parts.append(OpenBaoPart(openbao, postgres, logs / "openbao.log"))
    if model and not named.routes:
        port = ports.get("model", 0)
        parts.append(ModelPart(home / "model", logs / "model.log", port=port, own_file=named.model_file))
    servers = tuple(part.name for part in parts if part.name != "model")
    schema = SchemaPart(home, after=servers[:1])
    web = WebPart(home, port=ports.get("web", 0), named_port=named.web.port, after=("schema", *servers))
    models = tuple(part.name for part in parts if part.name == "model")
    worker = WorkerPart(home, after=("schema", *servers), after_prepared=models)
    return (*parts, schema, web, worker)

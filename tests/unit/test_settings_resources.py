"""HTTP servers among the resources: what the settings let through is spelt out, or nothing is."""

from pathlib import Path
from typing import Any

import pytest

from overseen.errors import Misconfigured
from overseen.settings import HttpResourceSettings, ResourceSettings, load_settings

SERVER = """
resources:
  insurer: {host: db.internal, database: insurer}
  garages:
    kind: http
    base_url: https://garages.example
    tools: [ask_garages]
    allow:
      - {method: GET, path: "/v1/quotes/[A-Z0-9]+", query: [currency]}
    headers: {Authorization: "Bearer {api_key}"}
"""


def written(home: Path, text: str) -> Path:
    (home / "settings.yaml").write_text(text)
    return home


def test_databases_and_servers_stand_side_by_side(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, SERVER), {})
    assert list(settings.database_resources) == ["insurer"]
    assert settings.http_resources["garages"].allow[0].query == ("currency",)
    assert isinstance(settings.resources["insurer"], ResourceSettings)


@pytest.mark.parametrize(
    "changed",
    [
        ("https://garages.example", "http://garages.example"),
        ("https://garages.example", "https://user@garages.example"),
        ("https://garages.example", "https://garages.example/v1"),
        ("https://garages.example", "ftp://garages.example"),
        ("/v1/quotes/[A-Z0-9]+", "/v1/quotes/["),
        ("method: GET", "method: get"),
        ("tools: [ask_garages]", "tool: ask_garages"),
        ("Bearer {api_key}", "Bearer key-in-the-settings"),
        ("Bearer {api_key}", "Bearer {api_key.__class__}"),
        ("Bearer {api_key}", "Bearer {api_key!r}"),
        ("kind: http", "kind: gopher"),
    ],
)
def test_what_is_not_safe_or_not_plain_is_refused(tmp_path: Path, changed: tuple[str, str]) -> None:
    with pytest.raises(Misconfigured, match="garages"):
        load_settings(written(tmp_path, SERVER.replace(*changed)), {})


def test_without_tls_only_this_machine_is_reached() -> None:
    fields: dict[str, Any] = {"kind": "http", "tools": [], "allow": []}
    local = HttpResourceSettings.model_validate({**fields, "base_url": "http://127.0.0.1:8080/"})
    assert local.base_url == "http://127.0.0.1:8080"

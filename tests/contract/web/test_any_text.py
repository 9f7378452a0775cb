"""Whatever anybody sends to the JSON API is answered with a status below 500, refusals in one shape.

schemathesis makes requests of what the API says of itself, and of what it says it does not take; hypothesis adds the
whole alphabet, halves of emojis and NUL included. Five roles, a real server, a real database.
"""

import asyncio
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from overseen.domain.outcomes import Role
from tests.contract.web.real_server import Server
from tests.web_scenario import House

ROLES = ("requester", "reviewer", "auditor", "operator", "nobody")
SECONDS = 60.0
"""The most for each of the two tests, on a busy machine; on a quiet one they are through sooner."""

TEXT = st.text(st.characters(), max_size=60)
NUMBER = st.one_of(st.integers(), st.sampled_from([2**63, -(2**64), 10**4000]), st.floats())
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
Bearers = dict[str, str]


async def bearers_of(server: Server) -> Bearers:
    """A header for each role; nobody has a token that was never made."""
    accounts = server.services.accounts
    for role in (Role.REQUESTER, Role.REVIEWER, Role.AUDITOR, Role.OPERATOR):
        await accounts.add(f"any-{role.value}", display_name=role.value, roles=[role])
    tokens = {role: await accounts.token(f"any-{role}") for role in ROLES[:-1]}
    return {role: f"Bearer {tokens.get(role, 'x' * 43)}" for role in ROLES}


def check(said: str, status: int, content: bytes) -> None:
    assert status < 500, said
    if status >= 400:
        error = json.loads(content)["error"]
        assert {"code", "message", "not_done", "next_step"} <= set(error), said


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def ids(house: House) -> dict[str, list[str]]:
    """Ids that name something, so that not every request ends at `not found`."""
    return {
        "run_id": [house.waiting_run, house.settled_run],
        "review_id": [house.review, house.own_review],
        "lease_id": [house.lease, house.payment_lease],
        "stop_id": [house.stop],
        "sequence": [str(house.finding)],
    }


@pytest.fixture(scope="module")
def house(furnished: Any) -> House:
    return furnished.house


async def test_nothing_that_schemathesis_thinks_of_breaks_the_api(server: Server, house: House, ids: dict) -> None:
    bearers = await bearers_of(server)
    base = f"http://127.0.0.1:{server.port}"

    def attack() -> set[str]:
        schema = schemathesis.openapi.from_url(f"{base}/api/v1/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        until = time.monotonic() + SECONDS
        tried: set[str] = set()

        def one(operation: Any, mode: GenerationMode) -> None:
            @given(case=operation.as_strategy(generation_mode=mode), role=st.sampled_from(ROLES), known=st.booleans())
            @bounded(6)
            def run(case: Case, role: str, known: bool) -> None:
                if time.monotonic() > until and operation.label in tried:
                    return
                for name in case.path_parameters or {}:
                    if known and name in ids:
                        case.path_parameters[name] = ids[name][0]
                try:
                    answer = case.call(base_url=base, headers={"Authorization": bearers[role]}, timeout=30)
                except (requests.exceptions.InvalidHeader, UnicodeError):
                    return  # what cannot be sent at all
                tried.add(operation.label)
                check(f"{role}: {case.as_curl_command()}", answer.status_code, answer.content)

            run()

        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for operation in operations:
                one(operation, mode)
        return tried

    tried = await asyncio.to_thread(attack)
    assert {"POST /api/v1/tasks", "GET /api/v1/leases", "POST /api/v1/reviews/{review_id}/decision"} <= tried
    assert "Traceback" not in server.log


async def test_no_text_breaks_the_api(server: Server, house: House, ids: dict) -> None:
    accounts = server.services.accounts
    tokens = {name: f"Bearer {await accounts.token(name)}" for name in ("rosa", "rene", "aude", "otto")}
    base = f"http://127.0.0.1:{server.port}"
    posts = (
        f"/reviews/{house.review}/decision",
        "/stops",
        f"/stops/{house.stop}/lift",
        f"/findings/{house.finding}/explain",
    )
    fields = ("kind", "proposal_digest", "reason", "edit", "scope", "target")
    lists = ("/runs", "/reviews", "/leases", "/findings", "/leases/export", "/stops", "/security")
    names = ("state", "cursor", "boundary", "playbook", "search", "since", "until", "limit", "format", "only_open")

    def attack() -> int:
        session, until = requests.Session(), time.monotonic() + SECONDS
        count = 0

        def send(method: str, path: str, name: str, **sent: Any) -> None:
            nonlocal count
            headers = {"Authorization": tokens[name], **sent.pop("headers", {})}
            answer = session.request(method, f"{base}/api/v1{path}", headers=headers, timeout=30, **sent)
            count += 1
            check(f"{name}: {method} {path} {sent}", answer.status_code, answer.content)

        who = st.sampled_from(sorted(tokens))

        @given(who, st.sampled_from(posts), st.dictionaries(st.sampled_from(fields), ANYTHING, max_size=4))
        @bounded(120)
        def bodies(name: str, path: str, body: dict[str, Any]) -> None:
            if time.monotonic() < until - SECONDS / 2:
                body = {"reason": "x", "scope": "tool", "kind": "edit", "proposal_digest": "d", **body}
                content = json.dumps(body, default=str)
                send("POST", path, name, data=content, headers={"Content-Type": "application/json"})

        @given(who, st.sampled_from(lists), st.dictionaries(st.sampled_from(names), TEXT, max_size=3))
        @bounded(120)
        def queries(name: str, path: str, query: dict[str, str]) -> None:
            if time.monotonic() < until:
                asked = "&".join(f"{key}={quote(value, errors='surrogatepass')}" for key, value in query.items())
                send("GET", f"{path}?{asked}", name)

        @given(who, st.sampled_from(["runs", "reviews", "leases", "stops"]), TEXT)
        @bounded(40)
        def paths(name: str, folder: str, text: str) -> None:
            if time.monotonic() < until:
                send("GET", f"/{folder}/{quote(text, safe='', errors='surrogatepass')}", name)

        @given(who, st.sampled_from(["playbook", "message", "form_token"]), TEXT)
        @bounded(40)
        def forms(name: str, field: str, text: str) -> None:
            if time.monotonic() < until + SECONDS / 4:
                form = {"playbook": "claims_intake", "message": "The roof leaks.", field: text}
                files = {key: (None, value.encode(errors="surrogatepass")) for key, value in form.items()}
                send("POST", "/tasks", name, files=files)

        for part in (bodies, queries, paths, forms):
            part()
        return count

    assert await asyncio.to_thread(attack) > 40
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/stops", '{"scope": "tool", "target": "half \\ud83d", "reason": "x"}'),
        ("/stops", '{"scope": "tool", "target": "a\\u0000b", "reason": "x"}'),
        ("/stops", '{"scope": "tool", "scope": "run", "target": "a", "reason": "x"}'),
        ("/stops", '{"scope": NaN, "target": "a", "reason": "x"}'),
        ("/stops", "[" * 50_000),
        ("/findings/1/explain", '{"reason": ' + "9" * 5000 + "}"),
    ],
)
async def test_json_that_is_none_is_malformed(server: Server, path: str, body: str) -> None:
    token = await server.services.accounts.token("otto")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask() -> requests.Response:
        return requests.post(f"http://127.0.0.1:{server.port}/api/v1{path}", data=body, headers=headers, timeout=30)

    answer = await asyncio.to_thread(ask)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed")


@pytest.mark.parametrize("written", [str(2**31), str(2**63 - 1), str(2**63), "9" * 1000, "-1", "NaN"])
async def test_numbers_no_database_holds_are_refused_or_not_found(server: Server, written: str) -> None:
    token = await server.services.accounts.token("otto")

    def ask() -> int:
        return requests.post(
            f"http://127.0.0.1:{server.port}/api/v1/findings/{written}/explain",
            json={"reason": "x"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ).status_code

    assert await asyncio.to_thread(ask) in (404, 422)

"""What a run did is told once, however often leave for it was given."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from overseen.graphs.case_file import CaseFiles
from overseen.graphs.effects import Effects, effects_of
from overseen.playbooks import load_playbook


def _effects(*said: tuple[str, dict[str, Any]]) -> Effects:
    async def entries(_: str) -> list[Any]:
        return [SimpleNamespace(kind=kind, payload=payload) for kind, payload in said]

    async def get(_: str) -> dict[str, Any]:
        return {"arguments": {"amount": "500.00", "currency": "GBP"}}

    cases = cast(CaseFiles, SimpleNamespace(journal=SimpleNamespace(entries=entries), get=get))
    rules = load_playbook("claims_intake").calls
    return asyncio.run(effects_of(cases, "run_1", rules=rules, currency="GBP"))


def _leave(authorization_id: str, digest: str) -> tuple[str, dict[str, Any]]:
    return "CallAuthorized", {
        "authorization_id": authorization_id,
        "call_digest": digest,
        "tool": "pay_settlement",
    }


_PLANNED: tuple[str, dict[str, Any]] = ("PlanLocked", {})
_MADE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("CallStarted", {"call_id": "call_1", "step_id": "act", "digest": "a", "arguments_blob": "b"}),
    ("CallFinished", {"call_id": "call_1"}),
)


def test_leave_given_again_in_a_later_round_is_one_payment() -> None:
    effects = _effects(_PLANNED, _leave("leave_1", "a"), _PLANNED, _leave("leave_2", "a"), *_MADE)
    assert effects.paid == Decimal("500.00")
    assert len(effects.calls) == 1


def test_leave_of_an_earlier_round_that_nothing_came_of_is_not_told() -> None:
    effects = _effects(_PLANNED, _leave("leave_1", "other"), _PLANNED, _leave("leave_2", "a"), *_MADE)
    assert [call.happened for call in effects.calls] == ["yes"]


def test_what_was_made_in_an_earlier_round_is_told() -> None:
    effects = _effects(_PLANNED, _leave("leave_1", "a"), *_MADE, _PLANNED, _leave("leave_2", "other"))
    assert [call.happened for call in effects.calls] == ["yes", "no"]

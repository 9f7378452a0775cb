"""Danger facts told in the chat: what a playbook calls dangerous sends a run back to its papers and to a person."""

import re
from functools import cache

from overseen.domain.findings import Finding, Verdict
from overseen.playbooks.playbook import Playbook

TOLD_IN_CHAT = "danger_told_in_chat"
"""The check whose finding makes a decision human-only."""


def dangers_told(playbook: Playbook, text: str) -> tuple[str, ...]:
    """Names of the danger facts of which `text` has a sign. A sign is enough: whether it is one, a person says."""
    return tuple(
        fact.name
        for fact in playbook.facts
        if fact.danger and fact.danger_signs and _signs(fact.danger_signs).search(text)
    )


def danger_finding(playbook: Playbook, told: dict[str, tuple[str, ...]]) -> Finding:
    """The finding for messages that have signs of danger; `told` are names of facts by message id."""
    names = dict.fromkeys(name for found in told.values() for name in found)
    titles = ", ".join(playbook.fact(name).title for name in names)
    return Finding(
        check=TOLD_IN_CHAT,
        verdict=Verdict.BLOCK,
        subject="message",
        message=f"The requester wrote something in the chat that may mean: {titles}.",
        evidence={"messages": sorted(told)},
    )


@cache
def _signs(signs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<!\w){re.escape(sign)}" for sign in signs), re.IGNORECASE)

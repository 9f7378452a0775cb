"""What a business writes: playbooks with their rules, letters and sample cases."""

from overseen.playbooks.dangers import TOLD_IN_CHAT, danger_finding, dangers_told
from overseen.playbooks.playbook import (
    AgentCard,
    Boundary,
    FactDefinition,
    LetterTemplate,
    Playbook,
    load_playbook,
    playbook_names,
)
from overseen.playbooks.samples import ExpectedResult, SampleCase, load_sample, load_samples

__all__ = [
    "TOLD_IN_CHAT",
    "AgentCard",
    "Boundary",
    "ExpectedResult",
    "FactDefinition",
    "LetterTemplate",
    "Playbook",
    "SampleCase",
    "danger_finding",
    "dangers_told",
    "load_playbook",
    "load_sample",
    "load_samples",
    "playbook_names",
]

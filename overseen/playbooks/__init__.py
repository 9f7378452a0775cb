"""What a business writes: playbooks with their rules, letters and sample cases."""

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
    "AgentCard",
    "Boundary",
    "ExpectedResult",
    "FactDefinition",
    "LetterTemplate",
    "Playbook",
    "SampleCase",
    "load_playbook",
    "load_sample",
    "load_samples",
    "playbook_names",
]

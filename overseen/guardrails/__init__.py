"""Guardrails: checks behind one small type, ours and any of guardrails-ai."""

from overseen.guardrails.check import Check, Guardrails, Judgement, Subject
from overseen.guardrails.decision_checks import DecisionChecks
from overseen.guardrails.guardrails_check import GuardrailsCheck
from overseen.guardrails.suite import JUDGES, CheckSuite, standard_checks, standard_suite

__all__ = [
    "JUDGES",
    "Check",
    "CheckSuite",
    "DecisionChecks",
    "Guardrails",
    "GuardrailsCheck",
    "Judgement",
    "Subject",
    "standard_checks",
    "standard_suite",
]

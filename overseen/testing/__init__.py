"""Doubles for tests, ours and those of people who extend Overseen."""

from overseen.testing.clock import FakeClock
from overseen.testing.otlp_collector import CollectedSpan, OtlpCollector
from overseen.testing.scripted_model import LeftoverAnswers, Scripted, ScriptedModel, UnexpectedModelCall

__all__ = [
    "CollectedSpan",
    "FakeClock",
    "LeftoverAnswers",
    "OtlpCollector",
    "Scripted",
    "ScriptedModel",
    "UnexpectedModelCall",
]

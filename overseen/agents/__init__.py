"""Specialists: an agent looks at a situation and says what to do next."""

from overseen.agents.agent import Agent, Attachment, CallTools, Conclude, Move, Situation
from overseen.agents.extractor.agent import Extractor
from overseen.agents.policy_lookup.agent import PolicyLookup
from overseen.agents.vision_checker.agent import VisionChecker

__all__ = [
    "Agent",
    "Attachment",
    "CallTools",
    "Conclude",
    "Extractor",
    "Move",
    "PolicyLookup",
    "Situation",
    "VisionChecker",
]

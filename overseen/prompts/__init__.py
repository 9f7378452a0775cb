"""Prompt files, their versions, and how untrusted text joins them."""

from overseen.domain.control_tokens import without_control_tokens
from overseen.prompts.errors import InvalidPrompt, UnknownPrompt, WrongPromptVariables
from overseen.prompts.library import PromptLibrary, PromptVersion, load_prompt, version_of
from overseen.prompts.untrusted import UntrustedText

__all__ = [
    "InvalidPrompt",
    "PromptLibrary",
    "PromptVersion",
    "UnknownPrompt",
    "UntrustedText",
    "WrongPromptVariables",
    "load_prompt",
    "version_of",
    "without_control_tokens",
]

"""Prompt files, their versions, and the messages made from them.

A prompt is a `.prompty` file beside the agent that uses it: `agents/extractor/prompts/read_document.prompty` is
`extractor/read_document`, `supervisor/prompts/plan.prompty` is `supervisor/plan`. Its version is the first 12
hexadecimal digits of the SHA-256 of the normalised file: UTF-8, LF line ends, no spaces at line ends, exactly one line
end at the end. Front matter counts as written: `sed 's/[ \\t]*$//' FILE | sha256sum` shows the same digits.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overseen.domain.messages import Message, MessageRole, PromptReference
from overseen.prompts.errors import InvalidPrompt, UnknownPrompt, WrongPromptVariables
from overseen.prompts.untrusted import UntrustedText

if TYPE_CHECKING:
    from prompty import Agent as PromptyFile

VERSION_DIGITS = 12

_PACKAGE = Path(__file__).parent.parent


def normalised(text: str) -> str:
    """The form of a prompt file that its version is the digest of."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def version_of(text: str) -> str:
    """12 hexadecimal digits that change whenever the file says something else."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:VERSION_DIGITS]


@dataclass(frozen=True, kw_only=True)
class PromptVersion:
    """One version of one prompt. `variables` are the inputs its file declares; `defaults` may be left out."""

    name: str
    version: str
    description: str
    source: str
    variables: frozenset[str]
    defaults: frozenset[str]
    _file: "PromptyFile" = field(repr=False, compare=False)

    @property
    def reference(self) -> PromptReference:
        """What requests, the journal and traces carry."""
        return PromptReference(name=self.name, version=self.version)

    def messages(self, trusted: Mapping[str, Any], untrusted: Sequence[UntrustedText] = ()) -> tuple[Message, ...]:
        """The messages of a request.

        `trusted` fills the template's variables: only values that are ours (playbook, rules, checked facts).
        `untrusted` texts become user messages of their own; when the template ends with a user message that one stays
        last, so that the question follows what is to be read. Raises WrongPromptVariables when names do not fit.
        """
        from prompty import TextPart, prepare

        given = frozenset(trusted)
        if missing := self.variables - self.defaults - given:
            raise WrongPromptVariables(
                f"Prompt {self.name} lacks {', '.join(sorted(missing))}.", not_done="No model was asked."
            )
        if unknown := given - self.variables:
            raise WrongPromptVariables(
                f"Prompt {self.name} does not declare {', '.join(sorted(unknown))}.", not_done="No model was asked."
            )
        try:
            prepared = prepare(self._file, dict(trusted))
        except ValueError as error:
            raise WrongPromptVariables(
                f"A variable of prompt {self.name} holds text that would open a role of its own.",
                not_done="No model was asked.",
                next_step="Hand text that outsiders wrote over as untrusted text.",
            ) from error
        own: list[Message] = []
        for message in prepared:
            parts = [part for part in message.parts if isinstance(part, TextPart)]
            if len(parts) != len(message.parts):
                raise WrongPromptVariables(
                    f"Prompt {self.name} refers to an image or file.", not_done="No model was asked."
                )
            own.append(Message(role=MessageRole(message.role), text="".join(part.value for part in parts).strip()))
        read = [text.message() for text in untrusted]
        ends_with_question = len(own) > 1 and own[-1].role is MessageRole.USER
        return (*own[:-1], *read, own[-1]) if ends_with_question else (*own, *read)


def default_roots(package: Path = _PACKAGE) -> dict[str, Path]:
    """The prompt folders of the package by the name their prompts start with: every agent, and the supervisor."""
    agents = {folder.parent.name: folder for folder in sorted((package / "agents").glob("*/prompts"))}
    return {**agents, "supervisor": package / "supervisor" / "prompts"}


class PromptLibrary:
    """All prompts of the given folders. Files are read and checked once, when the library is made.

    Raises InvalidPrompt for a file that does not parse, uses a variable it does not declare, reads the environment or
    other files, or has no system message.
    """

    def __init__(self, roots: Mapping[str, Path] | None = None) -> None:
        self._prompts = {
            prompt.name: prompt
            for prefix, folder in (default_roots() if roots is None else roots).items()
            for path in sorted(folder.glob("*.prompty"))
            for prompt in (load_prompt(path, f"{prefix}/{path.stem}"),)
        }

    def get(self, name: str) -> PromptVersion:
        """The prompt of that name (extractor/read_document); UnknownPrompt when there is none."""
        try:
            return self._prompts[name]
        except KeyError:
            raise UnknownPrompt(
                f"There is no prompt {name}.",
                not_done="No model was asked.",
                next_step=f"Known prompts: {', '.join(sorted(self._prompts)) or 'none'}.",
            ) from None

    def all(self) -> tuple[PromptVersion, ...]:
        """Every prompt, by name."""
        return tuple(self._prompts[name] for name in sorted(self._prompts))


def load_prompt(path: Path, name: str) -> PromptVersion:
    """Read and check one file; see PromptLibrary for what is refused."""
    from jinja2 import Environment, TemplateSyntaxError, meta
    from prompty import load
    from yaml import YAMLError

    def refuse(problem: str) -> InvalidPrompt:
        return InvalidPrompt(
            f"The prompt file {path.name} ({name}) {problem}.", not_done="No prompt was loaded from it."
        )

    try:
        source = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise refuse("is not UTF-8") from error
    if "${" in source:
        # prompty would put values of the environment or of other files in: outside the version, and maybe a secret.
        raise refuse("refers to the environment or to another file with ${...}")
    try:
        file = load(path)
    except (YAMLError, ValueError, TypeError, KeyError, OSError) as error:
        raise refuse(f"does not parse: {error}") from error
    template = file.instructions or ""
    try:
        used = meta.find_undeclared_variables(Environment(autoescape=False).parse(template))  # noqa: S701 - only parsed
    except TemplateSyntaxError as error:
        raise refuse(f"is no valid template: {error.message}") from error
    inputs = file.inputs or []
    declared = {item.name for item in inputs}
    if undeclared := used - declared:
        raise refuse(f"uses undeclared variables: {', '.join(sorted(undeclared))}")
    if not template.lstrip().lower().startswith("system:"):
        raise refuse("does not begin with a system message")
    return PromptVersion(
        name=name,
        version=version_of(source),
        description=(file.description or "").strip(),
        source=normalised(source),
        variables=frozenset(declared),
        defaults=frozenset(item.name for item in inputs if item.default is not None or item.required is False),
        _file=file,
    )

"""The definition of one automation, as a business writes it: `playbook.yaml` and the decision tables beside it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overseen.domain.call_rules import CallRules, EditRules, Tolerance
from overseen.domain.calls import SUPERVISOR, Effect, Region
from overseen.domain.canonical import digest
from overseen.domain.disclosure import Disclosure, ShownTo
from overseen.domain.same_loss import MAX_DAYS_APART, SameLoss
from overseen.errors import Misconfigured, NotFound
from overseen.playbooks.call_checks import check_calls, check_tolerances

FOLDER = Path(__file__).parent
_FILE = "playbook.yaml"
_NAME = r"^[a-z][a-z0-9_]*$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FactDefinition(_Part):
    """A fact that agents of the playbook produce. `description` goes into prompts, `title` onto screens.

    `shown_to`: see `overseen.domain.disclosure`.
    """

    name: str = Field(pattern=_NAME)
    type: Literal["text", "date", "money", "bool", "count", "choice"]
    title: str
    description: str
    choices: tuple[str, ...] = ()
    shown_to: ShownTo | None = None
    danger: bool = False
    """Whether a yes must never be missed: told in the chat, it reopens what was read and a person decides."""
    danger_signs: tuple[str, ...] = ()
    """Beginnings of words or phrases, in every language the requesters write, that may tell of the danger."""

    @model_validator(mode="after")
    def _knows_its_signs(self) -> Self:
        if self.danger != bool(self.danger_signs) or (self.danger and self.type != "bool"):
            raise ValueError("danger belongs to facts of type bool, and needs danger_signs")
        return self

    @model_validator(mode="after")
    def _has_choices_if_any(self) -> Self:
        if bool(self.choices) != (self.type == "choice"):
            raise ValueError("choices belong to facts of type choice, and those need them")
        return self


class AgentCard(_Part):
    """An agent as the playbook uses it. `needs` and `produces` are fact names, `tools` what it may call."""

    name: str = Field(pattern=_NAME)
    description: str
    needs: tuple[str, ...] = ()
    produces: tuple[str, ...] = Field(min_length=1)
    tools: tuple[str, ...] = ()


class Records(_Part):
    """Whose the records are that were looked up: the fact `theirs_when` must be the address of the requester."""

    theirs_when: str


class PlanLine(_Part):
    """One step of the playbook's own plan."""

    agent: str
    goal: str


class LetterTemplate(_Part):
    """A letter to the claimant as Jinja2 text; facts are values in it, never template text."""

    subject: str
    body: str


class Boundary(_Part):
    """Thresholds of rules/boundary.json: the most that is settled alone, and how sure every decision fact must be."""

    automate_up_to: Decimal = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")
    lowest_confidence: float = Field(ge=0, le=1)


class Budget(_Part):
    """What one run may use."""

    cost_usd: float = Field(gt=0)
    tokens: int = Field(gt=0)
    model_calls: int = Field(gt=0)
    tool_calls: int = Field(gt=0)
    wall_seconds: int = Field(gt=0)


class Deadlines(_Part):
    """How long a review may wait, and how long a claimant has to answer a question."""

    review_hours: int = Field(gt=0)
    answer_days: int = Field(gt=0)


class Accepts(_Part):
    """What may be handed in."""

    media_types: tuple[str, ...] = Field(min_length=1)
    largest_file_bytes: int = Field(gt=0)
    most_files: int = Field(gt=0)


class Playbook(_Part):
    """One automation. `rules` maps the stem of a file in rules/ to the decision table in it (JDM, for zen)."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(pattern=_NAME)
    version: int = Field(ge=1)
    title: str
    insurer: str = ""
    goal: str
    language: str = Field(pattern="^[a-z]{2}$")
    currency: str = Field(pattern="^[A-Z]{3}$")
    region: Region
    agents: tuple[AgentCard, ...] = Field(min_length=1)
    plan: tuple[PlanLine, ...] = Field(min_length=1)
    tools: Mapping[Effect, tuple[str, ...]]
    facts: tuple[FactDefinition, ...] = Field(min_length=1)
    decision_facts: tuple[str, ...] = Field(min_length=1)
    rules: Mapping[str, Mapping[str, Any]]
    calls: Mapping[str, CallRules]
    edits: EditRules
    tolerates: tuple[Tolerance, ...] = ()
    same_loss: SameLoss | None = None
    records: Records | None = None
    boundary: Boundary
    budget: Budget
    deadlines: Deadlines
    accepts: Accepts
    letters: Mapping[str, LetterTemplate]
    folder: Path

    @property
    def confidence_threshold(self) -> float:
        """A decision fact below it is not sure enough to act on without a person."""
        return self.boundary.lowest_confidence

    def fact(self, name: str) -> FactDefinition:
        """The fact of that name; KeyError when the playbook has none."""
        for fact in self.facts:
            if fact.name == name:
                return fact
        raise KeyError(name)

    def agent(self, name: str) -> AgentCard:
        """The agent of that name; KeyError when the playbook has none."""
        for agent in self.agents:
            if agent.name == name:
                return agent
        raise KeyError(name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything the playbook says, decision tables included: runs keep it."""
        return digest(json.loads(self.model_dump_json(exclude={"folder"})))

    @cached_property
    def disclosure(self) -> Disclosure:
        """What a requester may see of a run."""
        return Disclosure(
            shown_to={fact.name: fact.shown_to for fact in self.facts if fact.shown_to is not None},
            theirs_when=None if self.records is None else self.records.theirs_when,
        )

    def is_money(self, name: str) -> bool:
        """Whether the fact is a sum of money; False for facts the playbook does not know."""
        return any(fact.name == name and fact.type == "money" for fact in self.facts)

    def tools_of(self, agent: str) -> frozenset[str]:
        """Tools the agent may call. Those with an effect belong to the supervisor, who needs leave for each call."""
        if agent == SUPERVISOR:
            return frozenset(
                tool for effect, tools in self.tools.items() if effect is not Effect.READ for tool in tools
            )
        return frozenset(tool for card in self.agents if card.name == agent for tool in card.tools)

    def allows(self, tool: str, effect: Effect) -> bool:
        """Whether a run may use that tool with that effect."""
        return tool in self.tools.get(effect, ())

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        facts = [fact.name for fact in self.facts]
        _once("facts", facts)
        _once("agents", [agent.name for agent in self.agents])
        _once("agents.produces", [name for agent in self.agents for name in agent.produces])
        _once("tools", [tool for tools in self.tools.values() for tool in tools])
        produced = {name for agent in self.agents for name in agent.produces}
        _known("agents.produces", produced, facts)
        _known("facts", facts, produced)
        _known("decision_facts", self.decision_facts, facts)
        for agent in self.agents:
            _known(f"agents.{agent.name}.needs", agent.needs, produced - set(agent.produces))
            _known(f"agents.{agent.name}.tools", agent.tools, self.tools.get(Effect.READ, ()))
        _known("plan", [line.agent for line in self.plan], [agent.name for agent in self.agents])
        _known("rules", ("outcome", "boundary"), self.rules)
        _known("letters", ("settle", "deny", "ask"), self.letters)
        types = {fact.name: fact.type for fact in self.facts}
        check_calls(self.calls, self.edits, effects=self.tools_of(SUPERVISOR), facts=types, known=_known)
        check_tolerances(self.tolerates, self.calls, most=self.boundary.automate_up_to, facts=facts, known=_known)
        if self.records is not None:
            _known("records.theirs_when", [self.records.theirs_when], facts)
        if self.same_loss is not None:
            _check_same_loss(self.same_loss, {fact.name: fact.type for fact in self.facts})
        return self


def _check_same_loss(same_loss: SameLoss, types: Mapping[str, str]) -> None:
    if not same_loss.keys and not same_loss.files:
        raise ValueError("same_loss: neither keys nor files tell tasks apart")
    for key in same_loss.keys:
        _known("same_loss.keys.facts", key.facts, types)
        days = [name for name in key.facts if types[name] == "date"]
        if not key.facts:
            raise ValueError(f"same_loss.keys: {key.title!r} names no facts")
        if not 0 <= key.within_days <= MAX_DAYS_APART:
            raise ValueError(f"same_loss.keys.within_days: 0 to {MAX_DAYS_APART}")
        if key.within_days and len(days) != 1:
            raise ValueError(f"same_loss.keys: within_days of {key.title!r} needs exactly one fact of type date")


def _once(where: str, names: Iterable[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{where}: {', '.join(twice)} is there twice")


def _known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{where}: {', '.join(unknown)} is missing or unknown")


@cache
def load_playbook(name: str, folder: Path = FOLDER) -> Playbook:
    """The playbook in `folder/name`. Raises NotFound, or Misconfigured naming the file and the field that is wrong."""
    path = folder / name / _FILE
    if name not in playbook_names(folder):
        raise NotFound(
            f"There is no playbook named {name!r}.",
            not_done="Nothing was started.",
            next_step=f"Choose one of: {', '.join(playbook_names(folder))}.",
        )
    content = _yaml(path)
    stems = content.get("rules")
    if not isinstance(stems, list):
        raise _wrong(path, "rules: a list of file names without .json is needed")
    content["rules"] = {str(stem): _table(path.parent / "rules" / f"{stem}.json") for stem in stems}
    content["folder"] = path.parent
    try:
        playbook = Playbook.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _wrong(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    if playbook.name != name:
        raise _wrong(path, f"name: it says {playbook.name}, the folder says {name}")
    return playbook


def playbook_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of all playbooks in `folder`, sorted."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{_FILE}")))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise _wrong(path, f"it is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise _wrong(path, "it does not hold a mapping")
    return {str(key): value for key, value in content.items()}


def _table(path: Path) -> Mapping[str, Any]:
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _wrong(path, "the file is missing") from error
    except json.JSONDecodeError as error:
        raise _wrong(path, f"it is no JSON: {error}") from error
    if not isinstance(content, dict) or not content.get("nodes"):
        raise _wrong(path, "nodes: it holds no decision")
    return {str(key): value for key, value in content.items()}


def _wrong(path: Path, what: str) -> Misconfigured:
    return Misconfigured(f"{path}: {what}.", not_done="The playbook was not loaded.", next_step="Mend the file.")

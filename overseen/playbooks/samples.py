"""Sample cases of a playbook: what is handed in, and what is true about it. Evals and the demo use them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from overseen.domain.facts import FactValue
from overseen.domain.outcomes import BoundaryLevel, Outcome, RunState
from overseen.errors import Misconfigured, NotFound
from overseen.playbooks.playbook import FOLDER, Playbook, load_playbook, playbook_names


class _Expected(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    amount: str | None
    boundary: BoundaryLevel
    run_state: Literal[RunState.SETTLED, RunState.WAITING_REVIEW, RunState.WAITING_REQUESTER]
    facts: Mapping[str, str | int | bool | None]
    findings: tuple[str, ...]
    absent_texts: tuple[str, ...]


class _CaseFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    playbook: str
    message: str
    attachments: tuple[str, ...]
    expected: _Expected
    tags: tuple[str, ...]
    note: str
    handed_in: date | None = None
    previous: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExpectedResult:
    """The truth about a case.

    `amount` is what would be paid, as text with two decimals, None where nothing is. `facts` are name -> value as facts
    hold them (money as text); free text is left out. `findings` are names of checks that must flag or block.
    `absent_texts` must stand in nothing that is sent or shown to the claimant.
    """

    outcome: Outcome
    amount: str | None
    boundary: BoundaryLevel
    run_state: RunState
    facts: Mapping[str, FactValue]
    findings: tuple[str, ...]
    absent_texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SampleCase:
    """A claim to try the playbook on.

    `attachments` are files in `folder`, in the order they are handed in. `handed_in` is the day on which the case takes
    place; None means the day on which it is tried. `previous` is decided before it, for the same requester.
    """

    case_id: str
    title: str
    playbook: str
    message: str
    attachments: tuple[Path, ...]
    expected: ExpectedResult
    tags: tuple[str, ...]
    note: str
    folder: Path
    handed_in: date | None = None
    previous: "SampleCase | None" = None


def load_samples(playbook: Playbook) -> tuple[SampleCase, ...]:
    """All sample cases by id. Raises Misconfigured naming the file and field when one is wrong."""
    folders = sorted(path.parent for path in (playbook.folder / "samples").glob("*/case.yaml"))
    return tuple(_load(folder, playbook) for folder in folders)


def load_sample(playbook: Playbook, case_id: str) -> SampleCase:
    """One sample case. Raises NotFound when there is none of that id."""
    return chosen_case(playbook.name, load_samples(playbook), case_id)


def suite_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Suites of cases: each playbook's samples under its own name, then what else is in its folder `suites`."""
    others = sorted(path.name for path in folder.glob("*/suites/*") if path.is_dir())
    return (*playbook_names(folder), *others)


def load_suite(name: str, folder: Path = FOLDER) -> tuple[SampleCase, ...]:
    """All cases of one suite by id. Raises NotFound for a name of none, Misconfigured as `load_samples`."""
    if name in playbook_names(folder):
        return load_samples(load_playbook(name, folder))
    found = next((path for path in folder.glob("*/suites/*") if path.is_dir() and path.name == name), None)
    if found is None:
        raise NotFound(
            f"There is no suite of cases named {name!r}.",
            not_done="No case was run.",
            next_step=f"Choose one of: {', '.join(suite_names(folder))}.",
        )
    playbook = load_playbook(found.parents[1].name, folder)
    return tuple(_load(path.parent, playbook) for path in sorted(found.glob("*/case.yaml")))


def chosen_case(suite: str, cases: Iterable[SampleCase], case_id: str) -> SampleCase:
    """The case of that id. Raises NotFound when there is none."""
    for case in cases:
        if case.case_id == case_id:
            return case
    raise NotFound(f"{suite} has no case {case_id!r}.")


def _load(folder: Path, playbook: Playbook) -> SampleCase:
    path = folder / "case.yaml"
    try:
        case = _CaseFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise _wrong(path, f"it is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if case.id != folder.name or case.playbook != playbook.name:
        raise _wrong(path, "id: it does not fit the folder or the playbook")
    attachments = tuple(folder / name for name in case.attachments)
    if missing := [file.name for file in attachments if not file.is_file()]:
        raise _wrong(path, f"attachments: {', '.join(missing)} is not there")
    previous = None if case.previous is None else _previous(path, case.previous, playbook)
    known = {fact.name for fact in playbook.facts}
    if unknown := sorted(set(case.expected.facts) - known):
        raise _wrong(path, f"expected.facts: {', '.join(unknown)} is no fact of the playbook")
    expected = case.expected
    return SampleCase(
        case_id=case.id,
        title=case.title,
        playbook=case.playbook,
        message=case.message,
        attachments=attachments,
        expected=ExpectedResult(
            outcome=expected.outcome,
            amount=expected.amount,
            boundary=expected.boundary,
            run_state=expected.run_state,
            facts=expected.facts,
            findings=expected.findings,
            absent_texts=expected.absent_texts,
        ),
        tags=case.tags,
        note=case.note,
        folder=folder,
        handed_in=case.handed_in,
        previous=previous,
    )


def _previous(path: Path, case_id: str, playbook: Playbook) -> SampleCase:
    """The case beside this one that comes before it; it has none before it, so that there is no circle."""
    beside = path.parent.parent / case_id / path.name
    content: object = yaml.safe_load(beside.read_text(encoding="utf-8")) if beside.is_file() else None
    if beside == path or not isinstance(content, dict) or content.get("previous") is not None:
        raise _wrong(path, f"previous: {case_id} is not another case, or has a previous one itself")
    return _load(beside.parent, playbook)


def _wrong(path: Path, what: str) -> Misconfigured:
    return Misconfigured(f"{path}: {what}.", not_done="The samples were not loaded.", next_step="Mend the file.")

"""`overseen reviews`: the queue, one case, one decision."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from overseen.api.cases import CaseView, case_view
from overseen.cli.terminal import LOCAL_REVIEWER, AsJson, account_id, amount_text, run, show_json, the_house
from overseen.domain.outcomes import DecisionKind
from overseen.errors import InvalidInput
from overseen.reviews import ReviewFilters, ReviewSummary

app = typer.Typer(no_args_is_help=True, help="What waits for a person: list, show, decide.")


@app.command("list")
def list_reviews(
    state: Annotated[str, typer.Option(help="open, decided, applied, withdrawn, ended or all.")] = "open",
    playbook: Annotated[str | None, typer.Option(help="Only of this playbook.")] = None,
    as_json: AsJson = False,
) -> None:
    """List cases, the most urgent first."""

    async def read() -> tuple[list[ReviewSummary], int]:
        async with the_house() as services:
            filters = ReviewFilters(state=None if state == "all" else state, playbook=playbook)
            (total,) = await services.review_queue.counts(filters)
            return await services.review_queue.list(filters), total

    cases, total = run(read(), as_json=as_json)
    if as_json:
        show_json({"reviews": cases, "total": total})
        return
    for case in cases:
        paid = amount_text(case.amount, case.currency)
        due = f"due {case.due_at:%d %b %H:%M}"
        typer.echo(f"{case.review_id}  {case.outcome:<7}{paid:>14}  {case.boundary:<11} {due}  {case.title}")
    typer.echo(f"{total} cases" if len(cases) == total else f"{len(cases)} of {total} cases")


@app.command("show")
def show_review(
    review_id: Annotated[str, typer.Argument(help="The case's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one case: why it waits, its facts, and exactly what would be done."""

    async def read() -> CaseView:
        async with the_house() as services:
            return case_view(await services.reviews.case(review_id))

    case = run(read(), as_json=as_json)
    if as_json:
        show_json({name: getattr(case, name) for name in CaseView.__dataclass_fields__})
        return
    typer.echo(
        f"{case.summary.title}\n{case.summary.outcome}  {amount_text(case.summary.amount, case.summary.currency)}"
    )
    for reason in case.verdict.reasons if case.verdict else ():
        typer.echo(f"  waits: {reason}")
    for other in case.other_losses:
        came = "before" if other.came_before else "after"
        typer.echo(f"  same loss: {other.run_id} came {came} it, now {other.state}: {'; '.join(other.titles)}")
    for fact in case.facts:
        typer.echo(f"  {fact.name:<22} {fact.value!s:<32} {fact.source.name} ({fact.trust.value})")
    for call in case.calls:
        arguments = {argument.name: argument.value for argument in call.arguments}
        typer.echo(f"  would call {call.tool} {json.dumps(arguments, ensure_ascii=False)}")
    if case.edited_by:
        typer.echo("  changed by a reviewer: somebody else has to decide it")
    typer.echo(f"  approving it {_approving(case)}")
    typer.echo(f"digest {case.proposal_digest}")


def _approving(case: CaseView) -> str:
    """What approving does, in a few words."""
    if case.asks and case.ruling is not None:
        return "asks the requester for: " + "; ".join(case.ruling.missing)
    if not case.calls:
        return "closes the case; nothing is paid or sent"
    return f"makes {'this call' if len(case.calls) == 1 else 'these calls'}, each exactly once"


@app.command("decide")
def decide(  # noqa: PLR0913, PLR0917 - one parameter an option
    review_id: Annotated[str, typer.Argument(help="The case's id.")],
    approve: Annotated[bool, typer.Option("--approve", help="Do exactly what is proposed.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Do none of it; the run ends.")] = False,
    edit: Annotated[
        Path | None, typer.Option(help='File with {"calls": [{"tool", "arguments"}]} to do instead.')
    ] = None,
    amount: Annotated[
        str | None, typer.Option(help="Pay this sum instead, like 1590.50: every call and the letter follow.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask the requester; the reason is the question.")] = False,
    reason: Annotated[str, typer.Option(help="Why; needed for all but --approve.")] = "",
    digest: Annotated[
        str, typer.Option(help="Digest of the proposal as you saw it; the present one if not given.")
    ] = "",
    account: Annotated[str, typer.Option("--as", help="The reviewer's account.")] = LOCAL_REVIEWER,
    as_json: AsJson = False,
) -> None:
    """Decide one case. Nobody decides a case of their own."""

    async def work() -> dict[str, Any]:
        if edit is not None and amount is not None:
            raise InvalidInput("Say one of --edit FILE, --amount.", not_done="No decision was stored.")
        kind = _kind(approve=approve, reject=reject, edit=edit is not None or amount is not None, ask=ask)
        changed = _edit(edit) if amount is None else {"amount": amount}
        async with the_house() as services:
            case = case_view(await services.reviews.case(review_id))
            seen = digest or case.proposal_digest
            decision_id = await services.reviews.decide(
                review_id,
                reviewer_id=await account_id(services, account),
                kind=kind,
                proposal_digest=seen,
                reason=reason,
                edit=changed,
            )
            second = () if changed is None else (await services.reviews.check_edit(review_id, changed)).second_person
        return {
            "review_id": review_id,
            "decision_id": decision_id,
            "kind": kind,
            "run_id": case.summary.run_id,
            "second_person": list(second),
            "asks_for": list(case.ruling.missing) if case.asks and case.ruling and approve else [],
        }

    decided = run(work(), as_json=as_json)
    if as_json:
        show_json(decided)
        return
    typer.echo(f"{decided['kind']}: decision {decided['decision_id']} stored; run {decided['run_id']} goes on.")
    if decided["asks_for"]:
        typer.echo(f"The requester is asked for: {'; '.join(decided['asks_for'])}")
    for why in decided["second_person"]:
        typer.echo(f"A second reviewer has to agree first: {why}")


def _kind(*, approve: bool, reject: bool, edit: bool, ask: bool) -> DecisionKind:
    named = {
        DecisionKind.APPROVE: approve,
        DecisionKind.REJECT: reject,
        DecisionKind.EDIT: edit,
        DecisionKind.ASK: ask,
    }
    chosen = [kind for kind, given in named.items() if given]
    if len(chosen) != 1:
        raise InvalidInput(
            "Say one of --approve, --reject, --edit FILE, --amount SUM, --ask.", not_done="No decision was stored."
        )
    return chosen[0]


def _edit(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} holds no JSON: {error}.", not_done="No decision was stored.") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{path} holds no JSON object.", not_done="No decision was stored.")
    return content

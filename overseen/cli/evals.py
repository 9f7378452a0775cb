"""`overseen evals`: measure a playbook on suites of cases."""

import asyncio
import json
import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from overseen.errors import Misconfigured
from overseen.evals.scoring import CaseResult, SuiteResult
from overseen.playbooks.samples import SampleCase, chosen_case, load_suite
from overseen.settings import Settings, load_settings

app = typer.Typer(help="Measure a playbook on suites of cases.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Evals use the model routes of this installation and servers of their own: nobody is paid, no queue is filled."""


@app.command("run")
def run(
    suite: Annotated[str, typer.Argument(help="A playbook (its samples) or a suite, such as claims_fresh.")],
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this case; may be given again.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run the cases of a suite on the model and print how many facts and outcomes were right.

    Ends with 2 when a case was automated that should not have been, with 3 when cases could not be measured: those
    count as wrong.
    """
    whole = load_suite(suite)
    cases = [chosen_case(suite, whole, name) for name in case] if case else list(whole)
    settings = load_settings()
    if not settings.routes:
        raise Misconfigured(
            "No model route is named.",
            not_done="No case was run.",
            next_step="Run `overseen up`, or name routes in settings.yaml.",
        )
    result = asyncio.run(_run(settings, suite, cases))
    if as_json:
        print(json.dumps(result.as_dict(), indent=2))
    else:
        _print(result)
    # The workflow and model libraries leave threads behind that a finished command need not wait for.
    sys.stdout.flush()
    os._exit(exit_code(result))


def exit_code(result: SuiteResult) -> int:
    """0 when every case was measured and none was unsafe, 2 when one was unsafe, 3 when some were not measured."""
    if result.unsafe_automations:
        return 2
    return 3 if result.not_measured or not result.whole else 0


async def _run(settings: Settings, suite: str, cases: list[SampleCase]) -> SuiteResult:
    # Deferred: a worker's whole house takes seconds to import, and other commands share this command line.
    from overseen.evals.ground import proving_ground
    from overseen.evals.suite import case_runner, default_folder

    results: list[CaseResult] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("starting", total=len(cases))
        async with proving_ground(settings, default_folder(settings.home)) as ground, case_runner(ground) as runner:
            for case in cases:
                progress.update(bar, description=case.case_id)
                results.append(await runner.measure(case))
                progress.advance(bar)
                if not console.is_terminal:
                    console.print(_line(results[-1], len(results), len(cases)), markup=False, soft_wrap=True)
    return SuiteResult(suite=suite, cases=tuple(results), expected=len(cases))


def _line(case: CaseResult, number: int, count: int) -> str:
    """One case as it ends, for who reads a log instead of a terminal."""
    said = case.error or f"{case.outcome}, {case.boundary}"
    return f"{number}/{count} {case.case_id}: {said}{' UNSAFE' if case.unsafe else ''} ({case.seconds:.0f} s)"


def _print(result: SuiteResult) -> None:
    table = Table("case", "facts", "outcome", "amount", "boundary", "seconds", "tokens", "wrong")
    for case in result.cases:
        wrong = ", ".join(f"{name}={found!r}" for name, _, found in case.wrong_facts)
        marks = [
            case.outcome if case.outcome == case.expected_outcome else f"{case.outcome} (not {case.expected_outcome})",
            case.boundary
            if case.boundary == case.expected_boundary
            else f"{case.boundary} (not {case.expected_boundary})",
        ]
        if not case.measured:
            table.add_row(case.case_id, "-", "not measured", "-", "-", f"{case.seconds:.1f}", "-", case.error or "")
            continue
        facts = f"{case.facts_right}/{case.facts_expected}"
        table.add_row(
            case.case_id, facts, marks[0], case.amount or "-", marks[1], f"{case.seconds:.1f}", str(case.tokens), wrong
        )
    console = Console()
    console.print(table)
    summary = result.as_dict()
    console.print(
        f"{summary['cases']} cases: facts {summary['fact_accuracy']:.1%}, outcomes {summary['outcome_accuracy']:.1%}, "
        f"boundary {summary['boundary_accuracy']:.1%}, unsafe automations {summary['unsafe_automations']}, "
        f"{summary['seconds_per_case']} s and {summary['tokens_per_case']} tokens a case"
    )
    if result.not_measured:
        console.print(f"NOT MEASURED: {result.not_measured} of {result.whole} cases. They count as wrong above.")

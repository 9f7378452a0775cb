"""What a run waits for right now: a worker, its turn at a model, or an answer that comes; and whether that is usual."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, text

from overseen.api.reading.words import counted, duration, humanised
from overseen.domain.outcomes import RunState
from overseen.models.turns import HOLDER_LIVES
from overseen.store import Database
from overseen.store.tables import ModelTurn, Run

_SLOWER = 2.0
_SLOWER_SECONDS = 10.0
"""Slower than usual: more than twice the usual time, and this much more than it."""


@dataclass(frozen=True, kw_only=True)
class ProgressLine:
    """One thing that a run waits for. `before` counts those that come first, `tokens` what has come of an answer.

    `state` is waiting_worker, waiting_turn, reading (the model reads, nothing has come yet) or answering.
    `usual_seconds` is what the route usually takes for this, None where too little is known.
    """

    state: str
    sentence: str
    purpose: str = ""
    route: str = ""
    before: int = 0
    tokens: int = 0
    seconds: float
    usual_seconds: float | None = None
    slow: bool = False


class ProgressReader:
    """Reads how far runs are. Access is the caller's business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_run(self, run_id: str) -> tuple[ProgressLine, ...]:
        """What the run waits for now; empty when it waits for nothing that can be told, such as a tool at work."""
        async with self._database.read() as session:
            run = await session.get(Run, run_id)
            if run is None or run.state not in (RunState.QUEUED, RunState.RUNNING):
                return ()
            if run.state == RunState.QUEUED:
                older = select(func.count()).where(Run.state == RunState.QUEUED.value, Run.created_at < run.created_at)
                return (_waiting_for_worker(await session.scalar(older) or 0, run.created_at),)
            turns = (await session.scalars(select(ModelTurn).where(text(HOLDER_LIVES)))).all()
        return tuple(_line(turn, turns) for turn in sorted(turns, key=_place) if turn.run_id == run_id)


def _place(turn: ModelTurn) -> tuple[datetime, str]:
    return turn.asked_at, turn.turn_id


def _since(moment: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())


def _waiting_for_worker(before: int, since: datetime) -> ProgressLine:
    first = f"{counted(before, 'task')} before it" if before else "it is next"
    seconds = _since(since)
    return ProgressLine(
        state="waiting_worker",
        sentence=f"Waiting for a worker, {first}. {_took(seconds)} so far.",
        before=before,
        seconds=seconds,
    )


def _line(turn: ModelTurn, turns: Sequence[ModelTurn]) -> ProgressLine:
    what = humanised(turn.purpose)
    if turn.started_at is None:
        seconds = _since(turn.asked_at)
        before = sum(
            other.route == turn.route and other.started_at is None and _place(other) < _place(turn) for other in turns
        )
        answered = sum(other.route == turn.route and other.started_at is not None for other in turns)
        first = f"{counted(before, 'question')} before it" if before else "it is next"
        at_work = f"; the model answers {counted(answered, 'other question')} now" if answered else ""
        return ProgressLine(
            state="waiting_turn",
            sentence=f"Waiting for the model ({what}): {first}{at_work}. {_took(seconds)} so far.",
            purpose=turn.purpose,
            route=turn.route,
            before=before,
            seconds=seconds,
        )
    seconds = _since(turn.started_at)
    usual = turn.usual_seconds
    slow = usual is not None and seconds > max(_SLOWER * usual, usual + _SLOWER_SECONDS)
    if turn.tokens and turn.first_token_at is not None:
        answering = max(0.1, _since(turn.first_token_at))
        pace = f", {turn.tokens / answering:.1f} a second" if answering > 1 else ""
        sentence = f"The model writes ({what}): {counted(turn.tokens, 'token')} so far{pace}, {_took(seconds)}."
    else:
        sentence = f"The model reads ({what}), {_took(seconds)}."
    if slow and usual is not None:
        sentence += f" Slower than usual: this usually takes {_took(usual)}."
    return ProgressLine(
        state="answering" if turn.tokens else "reading",
        sentence=sentence,
        purpose=turn.purpose,
        route=turn.route,
        tokens=turn.tokens,
        seconds=seconds,
        usual_seconds=usual,
        slow=slow,
    )


def _took(seconds: float) -> str:
    return duration(float(round(seconds))).replace(".0 s", " s") if seconds >= 1 else "a moment"

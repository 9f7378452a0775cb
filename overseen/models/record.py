"""The outermost wrapper: what was answered is kept, so that a crash never pays or rolls the dice twice."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.canonical import canonical_json
from overseen.errors import OverseenError
from overseen.journal import Journal
from overseen.journal.events import ModelCalled, ModelFailed
from overseen.models.errors import ModelError, RouteUnavailable
from overseen.models.types import ModelAnswer, ModelPort, ModelRequest, TokenProbability, Usage
from overseen.store import BlobStore, Database
from overseen.store.tables import ModelCallRecord, Run

_JSON = "application/json"


class ModelLedger:
    """Rows, blobs and journal entries of model calls; each method is one transaction."""

    def __init__(self, database: Database, journal: Journal, blobs: BlobStore) -> None:
        self._database = database
        self._journal = journal
        self._blobs = blobs

    async def recorded(self, request: ModelRequest) -> ModelAnswer | None:
        """The answer this very request got before (`replayed` is True), None when it got none."""
        async with self._database.read() as session:
            blob = await session.scalar(
                select(ModelCallRecord.answer_blob).where(ModelCallRecord.model_call_id == request.model_call_id)
            )
        return None if blob is None else _answer_from(await self._blobs.get(blob), request.model_call_id)

    async def record(self, request: ModelRequest, answer: ModelAnswer) -> bool:
        """Keep an answer, its journal entry and its part in the run's totals. False when another worker was first."""
        async with self._database.transaction() as session:
            request_blob = await self._blobs.put(_request_content(request), _JSON, session=session)
            answer_blob = await self._blobs.put(_answer_content(answer), _JSON, session=session)
            row = insert(ModelCallRecord).values(
                model_call_id=request.model_call_id,
                run_id=request.run_id,
                step_id=request.step_id,
                purpose=request.purpose,
                request_digest=request.digest,
                request_blob=request_blob,
                answer_blob=answer_blob,
                route=answer.route,
                model=answer.model,
                prompt_name=request.prompt.name if request.prompt else None,
                prompt_version=request.prompt.version if request.prompt else None,
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                cost_usd=answer.cost_usd,
                seconds=Decimal(str(round(answer.seconds, 6))),
            )
            first = await session.scalar(row.on_conflict_do_nothing().returning(ModelCallRecord.model_call_id))
            if first is None:
                return False
            await _add_to_run(session, request.run_id, answer.usage)
            await self._journal.append(
                ModelCalled(
                    model_call_id=request.model_call_id,
                    step_id=request.step_id,
                    agent=request.agent,
                    purpose=request.purpose,
                    route=answer.route,
                    model=answer.model,
                    prompt_name=request.prompt.name if request.prompt else None,
                    prompt_version=request.prompt.version if request.prompt else None,
                    request_blob=request_blob,
                    answer_blob=answer_blob,
                    input_tokens=answer.input_tokens,
                    output_tokens=answer.output_tokens,
                    cached_tokens=answer.cached_tokens,
                    cost_usd=format(answer.cost_usd, "f"),
                    seconds=round(answer.seconds, 3),
                    finish_reason=answer.finish_reason,
                ),
                stream=request.run_id,
                actor=f"agent:{request.agent}",
                session=session,
            )
        return True

    async def record_failure(
        self, request: ModelRequest, error: OverseenError, *, attempt: int, will_retry: bool
    ) -> None:
        """Write down that a try gave nothing, and add what it used to the run's totals."""
        async with self._database.transaction() as session:
            if isinstance(error, ModelError | RouteUnavailable) and error.usage is not None:
                await _add_to_run(session, request.run_id, error.usage)
            await self._journal.append(
                ModelFailed(
                    step_id=request.step_id,
                    agent=request.agent,
                    purpose=request.purpose,
                    route=str(error.context.get("route", "")),
                    error_code=error.code,
                    message=error.message,
                    attempt=attempt,
                    will_retry=will_retry,
                ),
                stream=request.run_id,
                actor=f"agent:{request.agent}",
                session=session,
            )


class RecordedModel:
    """Answers from the record when the same request was answered before; else asks, and records before it returns."""

    def __init__(self, inner: ModelPort, ledger: ModelLedger) -> None:
        self._inner = inner
        self._ledger = ledger

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """See ModelPort."""
        if answer := await self._ledger.recorded(request):
            return answer
        try:
            answer = await self._inner.complete(request)
        except OverseenError as error:
            await self._ledger.record_failure(request, error, attempt=1, will_retry=False)
            raise
        if not await self._ledger.record(request, answer) and (earlier := await self._ledger.recorded(request)):
            return earlier
        return dataclasses.replace(answer, model_call_id=request.model_call_id)


async def _add_to_run(session: AsyncSession, run_id: str, usage: Usage) -> None:
    """The row is locked before the journal's head, in this order everywhere."""
    await session.execute(
        update(Run)
        .where(Run.run_id == run_id)
        .values(
            input_tokens=Run.input_tokens + usage.input_tokens,
            output_tokens=Run.output_tokens + usage.output_tokens,
            cost_usd=Run.cost_usd + usage.cost_usd,
        )
    )


def _request_content(request: ModelRequest) -> bytes:
    return canonical_json(
        {
            "messages": request.messages,
            "schema": request.schema,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "prompt": request.prompt,
            "logprobs": request.logprobs,
        }
    )


_ANSWER_FIELDS: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "data": lambda value: value,
    "route": str,
    "model": str,
    "input_tokens": int,
    "output_tokens": int,
    "cached_tokens": int,
    "cost_usd": Decimal,
    "seconds": float,
    "finish_reason": str,
}


def _answer_content(answer: ModelAnswer) -> bytes:
    content = {name: getattr(answer, name) for name in _ANSWER_FIELDS}
    return canonical_json({**content, "tokens": [[token.token, token.logprob] for token in answer.tokens]})


def _answer_from(content: bytes, model_call_id: str) -> ModelAnswer:
    stored = json.loads(content)
    return ModelAnswer(
        **{name: read(stored[name]) for name, read in _ANSWER_FIELDS.items()},
        tokens=tuple(TokenProbability(token=token, logprob=logprob) for token, logprob in stored["tokens"]),
        model_call_id=model_call_id,
        replayed=True,
    )

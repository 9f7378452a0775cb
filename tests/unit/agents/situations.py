"""Small claims for agents to think about, with tools and blobs that live in memory."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from overseen.agents.agent import Agent, Attachment, CallTools, Conclude, Situation
from overseen.domain.calls import CallResult, ToolCall
from overseen.domain.canonical import digest_bytes
from overseen.domain.facts import Fact, Source, Trust
from overseen.domain.plans import Step
from overseen.errors import NotFound
from overseen.tools.sandbox.context import ToolContext
from overseen.tools.sandbox.script import answer

HANDED_IN = date(2026, 10, 20)
LETTER = """Priya Raman
14 Alder Close, Reading

16 October 2026

Dear Harbour Mutual,

Policy CAR-2214-KL

On Wednesday 14 October 2026 I left my car in the car park of the supermarket. When I came back there was a dent in the
driver's door. Nobody was in the car and nobody was hurt.

Kestrel Bodyworks want £742.80 including VAT. Please pay into my account at sort code 20-45-11, account 60317752.

Many thanks,
Priya Raman
"""
BILL = """Kestrel Bodyworks Ltd ESTIMATE
Date: 15/10/2026
Description Qty Unit price Amount
Pull dent (hours) 5 £48.00 £240.00
Paint 1 £379.00 £379.00
Subtotal £619.00
VAT 20% £123.80
Total £742.80
"""


@dataclass
class MemoryBlobs:
    """A BlobStore that forgets everything at the end."""

    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def put(self, content: bytes, media_type: str, *, session: object = None) -> str:
        self.contents[digest_bytes(content)] = content
        return digest_bytes(content)

    async def get(self, sha256: str) -> bytes:
        if sha256 not in self.contents:
            raise NotFound("There is no such blob.")
        return self.contents[sha256]

    async def get_many(self, sha256s: Collection[str]) -> dict[str, bytes]:
        return {sha256: self.contents[sha256] for sha256 in sha256s if sha256 in self.contents}

    async def media_type_of(self, sha256: str) -> str:
        return "text/plain"

    async def erase(self, sha256: str) -> None:
        del self.contents[sha256]


def attachment(name: str, media_type: str, content: bytes = b"") -> Attachment:
    blob = digest_bytes(content or name.encode())
    return Attachment(attachment_id=f"att_{name}", name=name, media_type=media_type, size=len(content), blob=blob)


def situation(agent: Agent, **changes: Any) -> Situation:
    step = Step(
        step_id=f"1-{agent.name}",
        agent=agent.name,
        goal="Do it.",
        needs=tuple(sorted(agent.needs)),
        produces=tuple(sorted(agent.produces)),
    )
    changes.setdefault("handed_in", HANDED_IN)
    return Situation(run_id="run_1", step=step, playbook="claims_intake", **changes)


def known(name: str, value: Any, trust: Trust = Trust.DOCUMENT) -> Fact:
    source = Source(kind="document", name="letter.txt")
    return Fact(name=name, value=value, source=source, trust=trust, confidence=1.0, step_id="1", fact_id=f"fact_{name}")


def read_result(text: str, **more: Any) -> dict[str, Any]:
    """What read_document says about a text; each word has a box as wide as itself on a page of 100 characters."""
    words: list[dict[str, Any]] = []
    place = 0
    for number, line in enumerate(text.split("\n")):
        for word in line.split():
            start = text.index(word, place)
            place = start + len(word)
            box = {"x": 0.01 * (start % 100), "y": 0.01 * number, "width": 0.01 * len(word) % 1, "height": 0.01}
            words.append({"text": word, "start": start, "end": place, "confidence": more.get("confidence", 1.0), **box})
    page = {
        "number": 1,
        "width": 600,
        "height": 800,
        "text": text,
        "words": words,
        "read_by": more.get("read_by", "text"),
    }
    return {
        "kind": "text",
        "refused": more.get("refused"),
        "text": "" if more.get("refused") else text,
        "pages": [page],
        "attachments": more.get("attachments", []),
        "problems": more.get("problems", []),
        "metadata": more.get("metadata", {}),
    }


@dataclass
class MemoryTools:
    """Answers calls by tool and file; `made` keeps what was called."""

    answers: Mapping[str, Any]
    files: Mapping[str, Any] = field(default_factory=dict[str, Any])
    blobs: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    made: list[ToolCall] = field(default_factory=list[ToolCall])

    def call(self, call: ToolCall) -> CallResult:
        self.made.append(call)
        if call.tool == "compute" and "compute" not in self.answers:
            # The agent's own script, as the tool would run it.
            context = ToolContext(inputs="", doors="", output_bytes=0)
            return CallResult(call_id=call.call_id, tool=call.tool, value=answer(dict(call.arguments), context))
        if call.files:
            blob = call.files[0].blob
            value = self.files[blob][call.tool]
            return CallResult(call_id=call.call_id, tool=call.tool, value=value, blobs=self.blobs.get(blob, {}))
        return CallResult(call_id=call.call_id, tool=call.tool, value=json.loads(json.dumps(self.answers[call.tool])))


async def conclude(agent: Agent, start: Situation, tools: MemoryTools) -> Conclude:
    """Let the agent think and act until it concludes."""
    now = start
    for _ in range(8):
        move = await agent.think(now)
        if isinstance(move, Conclude):
            return move
        assert isinstance(move, CallTools)
        now = replace(now, results=now.results + tuple(tools.call(call) for call in move.calls))
    raise AssertionError("The agent did not conclude.")


def values(conclusion: Conclude) -> dict[str, Any]:
    return {fact.name: fact.value for fact in conclusion.facts}


def said(conclusion: Conclude, check: str) -> list[dict[str, Any]]:
    """The evidence of every finding of a check that did not pass."""
    return [dict(item.evidence) for item in conclusion.findings if item.check == check and item.verdict != "pass"]


def verdicts(conclusion: Conclude) -> dict[str, str]:
    return {finding.check: finding.verdict.value for finding in conclusion.findings}

"""Journal entries as people read them: a glyph, a state colour and one sentence each."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from overseen.api.reading.views import TimelineEntry, TimelineGroup
from overseen.api.reading.words import counted, humanised, step_title, titled
from overseen.journal import Entry

Payload = Mapping[str, Any]
Sentence = Callable[[Payload], str]


def _seconds(value: object) -> str:
    seconds = float(str(value))
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _plan_proposed(event: Payload) -> str:
    problems = event.get("problems", ())
    origin = {"model": "The model", "repaired": "The model, on a second try,", "playbook": "The playbook"}
    proposed = f"{origin.get(event['origin'], event['origin'])} proposed a plan"
    return f"{proposed}; it did not hold: {problems[0]}" if problems else f"{proposed}; it holds"


def _finding(event: Payload) -> str:
    return f"{humanised(event['check'])}: {event['message']}"


def _run_ended(event: Payload) -> str:
    amount = f", {event['amount']} {event.get('currency', '')}".rstrip() if event.get("amount") else ""
    return f"Ended: {humanised(event['state'])}{amount}, after {_seconds(event['seconds'])}"


def _call_finished(event: Payload) -> str:
    timings = event.get("timings", {})
    return f"{humanised(event['tool'])} came back after {_seconds(sum(timings.values()))}"


def _prompt(event: Payload) -> str:
    if not event.get("prompt_name"):
        return ""
    return f", prompt {event['prompt_name']} {str(event.get('prompt_version', ''))[:12]}"


def _kill(event: Payload) -> str:
    ended = counted(event["leases"], "lease")
    proven = f"proven gone after {_seconds(event['proven_seconds'])}"
    return f"Kill switch: the {event['scope']} was stopped, {ended} ended, " + (
        proven if event.get("proven", True) else "not proven gone yet"
    )


def _door(event: Payload) -> str:
    """What went through it, in numbers and addresses: the journal holds no content."""
    detail = event.get("detail", {})
    said = f"{'Used' if event['allowed'] else 'Was denied'} the door {event['door']}"
    if detail.get("kind") == "http":
        answered = f", {detail['status']}" if "status" in detail else ""
        reason = "" if event["allowed"] else f" ({humanised(detail.get('reason', ''))})"
        return f"{said}: {detail.get('method', '')} {detail.get('host', '')}{detail.get('path', '')}{answered}{reason}"
    if detail.get("kind") == "database":
        tables = ", ".join(name.rpartition(".")[2] for name in detail.get("tables", ()))
        failed = f", {detail['failed']} failed" if detail.get("failed") else ""
        through = f"{counted(detail['statements'], 'statement')}{failed}, {counted(detail['rows'], 'row')}"
        return f"{said}: {through}{f' of {tables}' if tables else ''}"
    return said


def _losses(event: Payload) -> str:
    earlier = event["earlier_runs"]
    told = f"it may be the same loss as {', '.join(earlier)}" if earlier else "no other is about the same loss"
    return f"Compared with earlier tasks by {counted(event['marks'], 'mark')}: {told}"


def _ruling(event: Payload) -> str:
    amount = f" {event['amount']} {event.get('currency', '')}".rstrip() if event.get("amount") else ""
    return f"Rules say: {event['outcome']}{amount} (rows {', '.join(event['rules'])})"


_WORDS: dict[str, tuple[str, str, Sentence]] = {
    "TaskSubmitted": (
        "inbox",
        "ended",
        lambda e: f"Task handed in with {counted(len(e['attachments']), 'attachment')}",
    ),
    "MessageAdded": ("chat", "ended", lambda e: f"Message by {e['author']}"),
    "RunStarted": ("play", "running", lambda _: "A worker took the run"),
    "RunParked": ("pause", "waits", lambda e: f"Parked: waits for the {e['waits_for']}"),
    "RunResumed": ("play", "running", lambda _: "Resumed"),
    "RunEnded": ("flag", "done", _run_ended),
    "RunFailed": ("cross", "stopped", lambda e: f"Failed: {e['message']}"),
    "PlanProposed": ("plan", "running", _plan_proposed),
    "PlanLocked": ("lock", "done", lambda e: f"Plan locked with {counted(len(e['steps']), 'step')}"),
    "StepStarted": ("play", "running", lambda e: f"Delegated to {humanised(e['agent'])}"),
    "StepFinished": ("check", "done", lambda e: f"Done: {counted(e['facts'], 'fact')}, after {_seconds(e['seconds'])}"),
    "FactsProduced": ("fact", "done", lambda e: "Facts: " + ", ".join(humanised(f["name"]) for f in e["facts"])),
    "FindingReported": ("shield", "waits", _finding),
    "ModelCalled": ("model", "ended", lambda e: f"{e['model']} answered ({humanised(e['purpose'])}){_prompt(e)}"),
    "ModelFailed": ("model", "stopped", lambda e: f"Model route {e['route']} failed: {e['message']}"),
    "CallStarted": ("tool", "running", lambda e: f"{humanised(e['tool'])} called ({e['effect']})"),
    "CallFinished": ("tool", "done", _call_finished),
    "CallFailed": ("tool", "stopped", lambda e: f"{humanised(e['tool'])} failed: {e['message']}"),
    "CallRefused": (
        "stop",
        "stopped",
        lambda e: f"{humanised(e['tool'])} refused by {humanised(e['rule'])}: {e['message']}",
    ),
    "DoorRequest": ("door", "ended", _door),
    "LeaseIssued": ("key", "running", lambda e: f"Lease issued: {', '.join(e['grants']) or 'no grants'}"),
    "LeaseClosed": ("key", "done", lambda e: f"Lease proven gone after {_seconds(e['lived_seconds'])}"),
    "LeaseRefused": ("key", "stopped", lambda e: f"Lease refused: {e['message']}"),
    "LeasesExported": ("key", "ended", lambda e: f"Leases exported as {e['format']}"),
    "KillSwitchAsked": ("stop", "waits", lambda e: f"Asked to stop {e['scope']}"),
    "KillSwitchPulled": ("stop", "stopped", _kill),
    "KillSwitchProven": ("stop", "done", lambda e: f"Kill switch: the {e['scope']} is proven gone now"),
    "KillSwitchLifted": ("stop", "ended", lambda e: f"Kill switch lifted: {e['scope']} {e['target']}"),
    "RulingComputed": ("scale", "done", _ruling),
    "LossesCompared": ("shield", "ended", _losses),
    "Explained": ("text", "ended", lambda e: f"Explanation written by the {e['author']}"),
    "BoundaryDecided": (
        "gate",
        "waits",
        lambda e: f"Boundary: {humanised(e['level'])}. {' '.join(e['reasons'])}".strip(),
    ),
    "ReviewOpened": ("eye", "waits", lambda _: "Review opened"),
    "ReviewDecided": ("person", "done", lambda e: f"Decided: {e['decision']}"),
    "DecisionRefused": ("stop", "stopped", lambda e: f"Decision refused: {e['message']}"),
    "CallAuthorized": (
        "stamp",
        "done",
        lambda e: f"{humanised(e['tool'])} authorized by {e['granted_by'].split(':')[0]}",
    ),
    "QuestionAsked": ("chat", "ended", lambda _: "A question was asked"),
    "QuestionAnswered": ("chat", "ended", lambda e: f"The question was answered by the {e['author']}"),
    "ChainClosed": ("lock", "done", lambda _: "Chain closed"),
}


def _said(sentence: Sentence, entry: Entry, names: Mapping[str, str]) -> str:
    """The sentence; the kind alone for an entry of another version of the house that lacks a field."""
    try:
        said = sentence(entry.payload)
    except KeyError:
        said = titled(entry.kind)
    return said + _by(entry, names)


def _by(entry: Entry, names: Mapping[str, str]) -> str:
    """Who did it and through which door, where that is more than the requester in their own page."""
    kind, _, name = entry.actor.partition(":")
    channel, os_user = entry.payload.get("channel"), entry.payload.get("os_user")
    through = {
        "command_line": f", on the command line by {os_user or 'nobody known'}",
        "api": ", through the API",
    }.get(str(channel), "")
    if kind != "account" or not (through or entry.kind == "ReviewDecided"):
        return ""
    return f", by {names.get(name, 'a person')}{through}"


_VERDICT_TONES = {"pass": "done", "flag": "waits", "block": "stopped", "abstain": "waits"}
_END_TONES = {"settled": "done", "denied": "ended", "closed": "ended", "stopped": "stopped"}


def _tone(kind: str, usual: str, payload: Payload) -> str:
    if kind == "FindingReported":
        return _VERDICT_TONES.get(payload["verdict"], usual)
    if kind == "RunEnded":
        return _END_TONES.get(payload["state"], usual)
    if kind == "DoorRequest" and not payload["allowed"]:
        return "stopped"
    if kind == "BoundaryDecided" and payload["level"] == "automate":
        return "done"
    if kind == "PlanProposed" and payload.get("problems"):
        return "waits"
    return usual


def timeline(entries: Iterable[Entry], names: Mapping[str, str] | None = None) -> tuple[TimelineEntry, ...]:
    """Entries of one run in order, each given to the step it belongs to. `names` are people by account id."""
    steps_of_calls: dict[str, str] = {}
    described: list[TimelineEntry] = []
    for entry in entries:
        payload = entry.payload
        call_id = payload.get("call_id")
        if call_id and payload.get("step_id"):
            steps_of_calls[call_id] = payload["step_id"]
        glyph, usual, sentence = _WORDS.get(entry.kind, ("dot", "ended", lambda _, kind=entry.kind: humanised(kind)))
        described.append(
            TimelineEntry(
                sequence=entry.sequence,
                at=entry.at,
                kind=entry.kind,
                actor=entry.actor,
                glyph=glyph,
                tone=_tone(entry.kind, usual, payload),
                sentence=_said(sentence, entry, names or {}),
                step_id=payload.get("step_id") or steps_of_calls.get(call_id or "", ""),
                payload=payload,
                hash=entry.hash,
            )
        )
    return tuple(described)


def grouped(entries: Iterable[TimelineEntry], agents: Mapping[str, str]) -> tuple[TimelineGroup, ...]:
    """A group a step, at the place where the step began; what belongs to the run stands between them in order.

    Steps that run at the same time write their entries interleaved; people read one step after the other. `agents`
    names the agent of each step id.
    """
    groups: list[tuple[str, list[TimelineEntry]]] = []
    of_step: dict[str, list[TimelineEntry]] = {}
    for entry in entries:
        step_id = entry.step_id if entry.step_id in agents else ""
        if step_id in of_step:
            of_step[step_id].append(entry)
        elif step_id or not groups or groups[-1][0]:
            members = [entry]
            groups.append((step_id, members))
            if step_id:
                of_step[step_id] = members
        else:
            groups[-1][1].append(entry)
    return tuple(
        TimelineGroup(title=step_title(agents[step_id]) if step_id else "Run", step_id=step_id, entries=tuple(members))
        for step_id, members in groups
    )

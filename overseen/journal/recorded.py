"""What the journal says the rows have to be, gathered entry by entry.

Rows are what pages show; the journal is the history. One class a kind of row, and what each event means for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from overseen.domain.outcomes import RunState
from overseen.journal.chain import Entry

_OF_ITS_RUN = frozenset({"task_id", "playbook", "region"})
_WORKING = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(kw_only=True)
class RecordedRun:
    """A run. `states` are those its row may have now; a name in `values` is a column that must have that value."""

    states: frozenset[str]
    values: dict[str, Any]
    ruled: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(kw_only=True)
class RecordedRow:
    """A row of another kind; `states` is None where the journal does not say."""

    stream: str
    values: dict[str, Any]
    states: frozenset[str] | None = None


@dataclass(kw_only=True)
class RecordedLease:
    """A lease, in whatever stream it is told of."""

    stream: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    issued: bool = False
    lived_seconds: float | None = None


class Recorded:
    """Everything the journal says about rows, by the row's id."""

    def __init__(self) -> None:
        self.runs: dict[str, RecordedRun] = {}
        self.tasks: dict[str, RecordedRow] = {}
        self.reviews: dict[str, RecordedRow] = {}
        self.decisions: dict[str, RecordedRow] = {}
        self.messages: dict[str, RecordedRow] = {}
        self.attachments: dict[str, RecordedRow] = {}
        self.calls: dict[str, RecordedRow] = {}
        self.authorizations: dict[str, RecordedRow] = {}
        self.leases: dict[str, RecordedLease] = {}
        self.accounts: dict[str, RecordedRow] = {}
        self.stops: dict[str, RecordedRow] = {}
        self.minted: dict[tuple[str, str], list[datetime]] = {}
        """When links and tokens of an account end, by account and kind."""
        self.signed_in: dict[str, list[datetime]] = {}
        self._take: Mapping[str, Callable[[Entry], None]] = {
            name.removeprefix("_on_"): getattr(self, name) for name in dir(self) if name.startswith("_on_")
        }

    def take(self, entry: Entry) -> None:
        """One more entry; entries of a stream come in their order."""
        take = self._take.get(entry.kind)
        if take is not None:
            take(entry)

    # --- runs -------------------------------------------------------------------------------------------------------

    def _on_TaskSubmitted(self, entry: Entry) -> None:  # noqa: N802 - named for its event, as all of these
        said = entry.payload
        shared = {name: said[name] for name in ("playbook", "region")}
        self.tasks[said["task_id"]] = RecordedRow(
            stream=entry.stream, values={**shared, "requester_id": said["requester_id"]}
        )
        self.runs[entry.stream] = RecordedRun(
            states=frozenset({RunState.QUEUED}),
            values={**shared, "task_id": said["task_id"], "playbook_digest": said["playbook_digest"]},
        )

    def _run(self, entry: Entry) -> RecordedRun:
        return self.runs.setdefault(entry.stream, RecordedRun(states=frozenset(RunState), values={}))

    def _on_RunStarted(self, entry: Entry) -> None:  # noqa: N802
        run = self._run(entry)
        run.states |= _WORKING  # written a moment later, and taken up again after a crash wherever it was

    def _on_RunResumed(self, entry: Entry) -> None:  # noqa: N802
        self._run(entry).states = _WORKING

    def _on_RunParked(self, entry: Entry) -> None:  # noqa: N802
        reviewer = entry.payload["waits_for"] == "reviewer"
        # A requester's message queues the run and is told in the chat's stream.
        waiting = {RunState.WAITING_REVIEW} if reviewer else {RunState.WAITING_REQUESTER, RunState.QUEUED}
        self._run(entry).states = frozenset(waiting)

    def _on_RunEnded(self, entry: Entry) -> None:  # noqa: N802
        run, said = self._run(entry), entry.payload
        run.states = frozenset({said["state"]})
        run.values |= {name: said.get(name) for name in ("outcome", "amount", "currency")}

    def _on_RunFailed(self, entry: Entry) -> None:  # noqa: N802
        run, said = self._run(entry), entry.payload
        run.states = frozenset({said["state"]} if "state" in said else {RunState.FAILED, RunState.STOPPED})
        run.values |= {"error_code": said["error_code"], "error_message": said["message"]}
        if "state" in said:
            run.values["amount"] = said.get("amount")

    def _on_RulingComputed(self, entry: Entry) -> None:  # noqa: N802
        run, said = self._run(entry), entry.payload
        run.ruled = {name: said.get(name) for name in ("outcome", "amount", "currency")}
        run.values |= {**run.ruled, "ruling_blob": said["ruling_blob"]}
        run.values.pop("boundary", None)  # its row has the new one already, the journal a moment later

    def _on_BoundaryDecided(self, entry: Entry) -> None:  # noqa: N802
        run, said = self._run(entry), entry.payload
        if "edited_outcome" in said:
            run.ruled |= {"outcome": said["edited_outcome"], "amount": said.get("edited_amount")}
            run.values |= run.ruled
        else:
            run.values["boundary"] = said["level"]

    def _on_Explained(self, entry: Entry) -> None:  # noqa: N802
        self._run(entry).values["explanation_blob"] = entry.payload["explanation_blob"]

    # --- reviews ----------------------------------------------------------------------------------------------------

    def _on_ReviewOpened(self, entry: Entry) -> None:  # noqa: N802
        said = entry.payload
        shown = {name: said[name] for name in ("boundary", "proposal_blob", "proposal_digest")}
        self.reviews[said["review_id"]] = RecordedRow(
            stream=entry.stream,
            states=frozenset({"open"}),
            values={
                **shown,
                **self._run(entry).ruled,
                **{name: said for name, said in self._run(entry).values.items() if name in _OF_ITS_RUN},
                "run_id": entry.stream,
                "edited_by": said.get("edited_by"),
            },
        )

    def _on_ReviewDecided(self, entry: Entry) -> None:  # noqa: N802
        said = entry.payload
        kept = {
            name: said.get(name) for name in ("review_id", "reviewer_id", "proposal_digest", "reason_blob", "edit_blob")
        }
        self.decisions[said["decision_id"]] = RecordedRow(
            stream=entry.stream, values={**kept, "kind": said["decision"], "run_id": entry.stream}
        )
        self._run(entry).states = _WORKING
        if review := self.reviews.get(said["review_id"]):
            review.states = frozenset({"decided", "applied"})

    def _on_ReviewWithdrawn(self, entry: Entry) -> None:  # noqa: N802
        self._run(entry).states = _WORKING
        if review := self.reviews.get(entry.payload["review_id"]):
            review.states = frozenset({"withdrawn"})

    def _on_DecisionRefused(self, entry: Entry) -> None:  # noqa: N802
        self._run(entry).states = frozenset({RunState.WAITING_REVIEW})
        if review := self.reviews.get(entry.payload["review_id"]):
            review.states = frozenset({"open", "applied"})

    def _on_CallAuthorized(self, entry: Entry) -> None:  # noqa: N802
        said = entry.payload
        self.authorizations[said["authorization_id"]] = RecordedRow(
            stream=entry.stream,
            values={"run_id": entry.stream, "call_digest": said["call_digest"], "granted_by": said["granted_by"]},
        )

    # --- chat -------------------------------------------------------------------------------------------------------

    def _message(self, entry: Entry, author: str, kind: str) -> None:
        said = entry.payload
        self.messages[said["message_id"]] = RecordedRow(
            stream=entry.stream,
            values={
                "task_id": entry.stream,
                "author": author,
                "kind": kind,
                "body_blob": said["body_blob"],
                "created_at": entry.at,
            },
        )
        for attached in said.get("attachments", ()):
            kept = {name: attached[name] for name in ("media_type", "size", "blob")}
            self.attachments[attached["attachment_id"]] = RecordedRow(
                stream=entry.stream, values={**kept, "task_id": entry.stream, "message_id": said["message_id"]}
            )

    def _on_MessageAdded(self, entry: Entry) -> None:  # noqa: N802
        self._message(entry, entry.payload["author"], entry.payload["message_kind"])

    def _on_QuestionAsked(self, entry: Entry) -> None:  # noqa: N802
        self._message(entry, "requester", "question")

    def _on_QuestionAnswered(self, entry: Entry) -> None:  # noqa: N802
        self._message(entry, "overseen", "answer")
        self.messages[entry.payload["message_id"]].values["reply_to"] = entry.payload["reply_to"]

    # --- calls and leases -------------------------------------------------------------------------------------------

    def _on_CallStarted(self, entry: Entry) -> None:  # noqa: N802
        said = entry.payload
        kept = {name: said[name] for name in ("step_id", "agent", "tool", "effect", "digest", "arguments_blob")}
        self.calls[said["call_id"]] = RecordedRow(
            stream=entry.stream, states=frozenset({"started"}), values={**kept, "run_id": entry.stream}
        )

    def _call_ended(self, entry: Entry, state: str, **values: Any) -> None:
        if call := self.calls.get(entry.payload["call_id"]):  # one that was refused before it started has no row
            call.states = frozenset({state})
            call.values |= values

    def _on_CallFinished(self, entry: Entry) -> None:  # noqa: N802
        self._call_ended(entry, "finished", result_blob=entry.payload["result_blob"])

    def _on_CallFailed(self, entry: Entry) -> None:  # noqa: N802
        self._call_ended(entry, "failed", error_code=entry.payload["error_code"])

    def _on_CallRefused(self, entry: Entry) -> None:  # noqa: N802
        self._call_ended(entry, "refused", error_code=entry.payload["rule"])

    def _lease(self, entry: Entry) -> RecordedLease:
        return self.leases.setdefault(entry.payload["lease_id"], RecordedLease(stream=entry.stream))

    def _on_LeaseIssued(self, entry: Entry) -> None:  # noqa: N802
        lease, said = self._lease(entry), entry.payload
        lease.issued = True
        lease.values |= {name: said[name] for name in ("call_id", "agent", "tool", "accessor")}
        lease.values |= {name: list(said[name]) for name in ("grants", "principals")}

    def _on_LeaseClosed(self, entry: Entry) -> None:  # noqa: N802
        lease, said = self._lease(entry), entry.payload
        lease.lived_seconds = float(said["lived_seconds"])
        lease.values |= {"call_id": said["call_id"], "reason": said["reason"]}

    # --- people -----------------------------------------------------------------------------------------------------

    def _on_AccountChanged(self, entry: Entry) -> None:  # noqa: N802
        said = entry.payload
        account = self.accounts.setdefault(
            said["account_id"], RecordedRow(stream=entry.stream, values={}, states=frozenset({"enabled"}))
        )
        account.values["roles"] = sorted(said["roles"])
        if said["change"] in ("made", "enabled", "disabled"):
            account.states = frozenset({"disabled" if said["change"] == "disabled" else "enabled"})

    def _on_SignedIn(self, entry: Entry) -> None:  # noqa: N802
        self.signed_in.setdefault(entry.payload["account_id"], []).append(entry.at)

    def _on_CredentialMinted(self, entry: Entry) -> None:  # noqa: N802
        said = entry.payload
        ends = datetime.fromisoformat(said["expires_at"])
        self.minted.setdefault((said["account_id"], said["credential"]), []).append(ends)

    def _on_KillSwitchPulled(self, entry: Entry) -> None:  # noqa: N802
        self._stop(entry, "pulled")

    def _on_KillSwitchLifted(self, entry: Entry) -> None:  # noqa: N802
        self._stop(entry, "lifted")

    def _stop(self, entry: Entry, state: str) -> None:
        said = entry.payload
        if said.get("stop_id"):
            values = {"scope": said["scope"], "target": said["target"]}
            known = self.stops.get(said["stop_id"])
            if known is None or state == "lifted":  # a switch may be lifted before pulling it was over and told
                self.stops[said["stop_id"]] = RecordedRow(stream=entry.stream, values=values, states=frozenset({state}))

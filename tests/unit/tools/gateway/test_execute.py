"""The innermost part: files, doors, sandbox, result."""

import pytest

from overseen.domain.calls import Effect, ToolCall
from overseen.errors import OverseenError
from overseen.testing.sandbox import Answer, ScriptedSandbox
from overseen.tools.errors import ToolFailed, ToolRefused
from overseen.tools.gateway.execute import SandboxedExecution
from overseen.tools.gateway.progress import new_progress
from overseen.tools.sandbox.port import (
    Capability,
    CapabilityMissing,
    SandboxLimitExceeded,
    SandboxNotTrusted,
    ToolCrashed,
    UnknownBackend,
)
from overseen.tools.types import Grant
from tests.tool_doubles import READ_GRANT, DoorsOf, Login, MemoryBlobs, OneLease, Password, call, file, spec

ENTRY = "somewhere.note:run"


class Around:
    """An execution with everything around it."""

    def __init__(self, answer: Answer, files: dict[str, bytes] | None = None) -> None:
        self.sandbox = ScriptedSandbox({ENTRY: answer}, files=files)
        self.blobs = MemoryBlobs()
        self.doors = DoorsOf()
        self.execution = SandboxedExecution(backend=self.sandbox, blobs=self.blobs, doors=self.doors)

    async def run(self, made: ToolCall | None = None, **changes: object) -> object:
        made = made or call()
        return await self.execution.execute(made, spec(**changes), OneLease(login=Login(password=Password("s3cret"))))


async def test_files_go_in_by_name_and_content() -> None:
    around = Around({"length": 1})
    blob = await around.blobs.put(b"letter", "text/plain")
    await around.run(call(files=(file("letter.txt", blob),)))
    assert around.sandbox.jobs[0].files == {"letter.txt": b"letter"}


async def test_files_come_back_as_blobs_of_their_kind() -> None:
    around = Around({"length": 1}, files={"page-1.jpg": b"picture"})
    result = await around.execution.execute(call(), spec(), OneLease())
    assert around.blobs.content[result.blobs["page-1.jpg"]] == (b"picture", "image/jpeg")


async def test_a_door_is_open_while_the_tool_runs_and_gets_the_credential() -> None:
    around = Around(lambda job: {"length": around.doors.open})
    result = await around.execution.execute(call(), spec(grants=(READ_GRANT,)), OneLease())
    assert (result.value, around.doors.open) == ({"length": 1}, 0)
    assert around.doors.opened == [("insurer_read", Login())]


async def test_no_credential_is_in_what_the_sandbox_gets() -> None:
    around = Around({"length": 1})
    await around.run(grants=(READ_GRANT,))
    assert "s3cret" not in repr(around.sandbox.jobs[0])


async def test_a_door_to_a_server_needs_a_sandbox_that_lets_out_nothing_else() -> None:
    around = Around({"length": 1})
    await around.run(grants=(Grant(name="mail", kind="kv", resource="tools/mail", opens="mail"),))
    assert {Capability.EGRESS_ALLOW_LIST, Capability.CREDENTIAL_INJECTION} <= around.sandbox.jobs[0].profile.needs
    await around.run(grants=(READ_GRANT,))
    assert around.sandbox.jobs[1].profile == spec().profile


async def test_a_reading_tool_gets_its_arguments_and_nothing_else() -> None:
    around = Around({"length": 1})
    await around.run()
    assert around.sandbox.jobs[0].request == {"text": "hello"}


async def test_a_writing_tool_gets_the_call_id_as_idempotency_key() -> None:
    around = Around({"length": 1})
    made = call()
    await around.run(made, effect=Effect.WRITE)
    assert around.sandbox.jobs[0].request == {
        "text": "hello",
        "idempotency_key": made.call_id,
        "run_id": "run_1",
    }


@pytest.mark.parametrize("value", [None, {}, {"length": "many"}, {"length": 1, "more": 2}, [1]])
async def test_a_result_that_is_not_what_the_tool_promises_is_a_failure(value: object) -> None:
    with pytest.raises(ToolFailed) as caught:
        await Around(value).run()
    assert caught.value.effect_known == "no"


async def test_a_sandbox_that_cannot_enforce_the_profile_is_a_refusal() -> None:
    missing = CapabilityMissing(backend="b", missing=frozenset({Capability.PIDS}), next_step="Choose another.")
    with new_progress() as progress, pytest.raises(ToolRefused) as caught:
        await Around(missing).run(effect=Effect.WRITE)
    assert caught.value.rule == "capability"
    assert progress.effect_known(Effect.WRITE) == "no"


@pytest.mark.parametrize(("effect", "known"), [(Effect.READ, "no"), (Effect.WRITE, "unknown")])
async def test_a_crash_says_what_is_certain_about_the_effect(effect: Effect, known: str) -> None:
    crash = ToolCrashed("raised", error_type="KeyError", detail="claimant Priya Raman")
    with pytest.raises(ToolFailed) as caught:
        await Around(crash).run(effect=effect)
    assert caught.value.effect_known == known
    assert "Priya" not in str(caught.value)


async def test_a_limit_that_ended_the_tool_is_named() -> None:
    with pytest.raises(ToolFailed, match="memory bytes") as caught:
        await Around(SandboxLimitExceeded("memory_bytes", allowed=1 << 30)).run()
    assert caught.value.context["limit"] == "memory_bytes"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (UnknownBackend("There is no sandbox named 'x'.", not_done="Not run.", next_step="Correct it."), ToolRefused),
        (SandboxNotTrusted("It lost against bpf.", not_done="Not run.", next_step="Mend it."), SandboxNotTrusted),
    ],
    ids=["no such backend", "a backend that lost an attack"],
)
async def test_of_a_sandbox_that_ran_nothing_it_is_known_that_nothing_was_done(
    error: OverseenError, raised: type[OverseenError]
) -> None:
    around = Around(error)
    with new_progress() as progress, pytest.raises(raised):
        await around.run(effect=Effect.IRREVERSIBLE)
    assert progress.effect_known(Effect.IRREVERSIBLE) == "no"


async def test_the_sandbox_is_told_whose_work_it_is() -> None:
    around = Around({"length": 1})
    made = call()
    await around.run(made)
    assert (around.sandbox.jobs[0].call_id, around.sandbox.jobs[0].run_id) == (made.call_id, made.run_id)

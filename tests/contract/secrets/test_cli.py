"""`overseen leases` on a real house."""

import asyncio
import json
from pathlib import Path
from typing import Any

import hvac
import pytest
from click.testing import Result
from typer.testing import CliRunner

from overseen.cli import journal as journal_commands
from overseen.cli import lease_desk, leases, terminal
from overseen.engine.witnessing import WitnessService, configured_witnesses, witness_status
from overseen.journal import SYSTEM, Journal
from overseen.journal.errors import WitnessUnavailable
from overseen.journal.events import ChainClosed, StepStarted
from overseen.secrets.broker import LeaseBroker
from overseen.secrets.signer import HeadSigner, SignatureReader
from overseen.secrets.vault_client import VaultClient
from overseen.secrets.vault_witness import VaultWitness
from overseen.settings import DatabaseSettings, Settings
from overseen.store import Database
from tests.contract.secrets.conftest import READ, make_call
from tests.journal_attacks import Attacker


@pytest.fixture(autouse=True)
def _house(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lease_desk, journal_commands, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: settings)


async def overseen(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, leases.app, list(words))


async def verified(exit_code: int = 0) -> dict[str, Any]:
    result = await asyncio.to_thread(CliRunner().invoke, journal_commands.app, ["verify", "--json"])
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


async def sealed(database: Database, journal: Journal, run_id: str, signer: VaultClient) -> None:
    event = StepStarted(step_id="step_1", agent="extractor")
    entry = await journal.append(event, stream=run_id, actor="service:test")
    async with database.transaction() as session:
        signature = await HeadSigner(signer).sign(entry.hash)
        await journal.close_chain(run_id, signature=signature, actor="service:test", session=session)


async def answer(*words: str) -> Any:
    result = await overseen(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_leases_are_listed_with_their_state(broker: LeaseBroker) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        assert [lease["state"] for lease in (await answer("list"))["leases"]] == ["issued"]
    listed = await answer("list", "--run", call.run_id)
    assert [(lease["state"], lease["call_id"]) for lease in listed["leases"]] == [("closed", call.call_id)]
    assert listed["counters"]["total"] == 1
    assert (await overseen("list")).exit_code == 0


async def test_a_lease_is_shown_beside_vaults_own_records(broker: LeaseBroker) -> None:
    async with broker.lease(make_call(), [READ], wall_seconds=30) as lease:
        pass
    shown = await answer("show", lease.lease_id)
    assert [moment["what"] for moment in shown["vault"]] == ["token made", "read", "lease revoked"]
    assert lease.accessor in (await overseen("show", lease.lease_id)).output


async def test_leases_are_exported_to_a_file_or_to_standard_output(broker: LeaseBroker, tmp_path: Path) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        pass
    exported = tmp_path / "leases.ocsf"
    result = await overseen("export", "--format", "ocsf", "--run", call.run_id, "--output", str(exported))
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert [event["activity_name"] for event in events] == ["Assign Privileges", "Revoke Privileges"]
    assert (await overseen("export", "--format", "cef")).stdout.startswith("CEF:0|Overseen|Overseen|")
    refused = await overseen("export", "--output", str(tmp_path / "nowhere" / "leases"))
    assert (refused.exit_code, "cannot be written" in refused.output) == (1, True)


async def test_an_unknown_lease_is_an_error_in_words() -> None:
    result = await overseen("show", "lease_nowhere", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "not_found"


async def test_a_run_is_killed_and_lifted(broker: LeaseBroker) -> None:
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        report = await answer("kill", "--run", call.run_id, "--reason", "it misbehaves")
        assert (report["leases"], report["proven"]) == (1, True)
    [stop] = (await answer("stops"))["stops"]
    assert stop["target"] == call.run_id
    await answer("lift", stop["stop_id"])
    assert (await answer("stops"))["stops"] == []


async def test_a_name_that_there_is_not_is_refused_with_the_nearest(database: Database) -> None:
    refused = await overseen("kill", "--agent", "policy lookup", "--reason", "it was fooled", "--json")
    told = json.loads(refused.stdout)["error"]
    assert (refused.exit_code, told["code"], told["next_step"]) == (1, "not_found", "Did you mean policy_lookup?")
    for option, name in (("--tool", "pay settlement"), ("--run", "run_nowhere"), ("--call", "call_nowhere")):
        assert (await overseen("kill", option, name, "--reason", "x", "--yes")).exit_code == 1
    assert (await answer("stops"))["stops"] == []


async def test_a_switch_that_met_nothing_says_so_and_one_that_did_says_what(broker: LeaseBroker) -> None:
    idle = await overseen("kill", "--tool", "register_claim", "--reason", "a drill", "--yes")
    assert "tool register_claim: nothing was live. New ones are refused from now on." in idle.stdout
    assert "proven gone" not in idle.stdout
    call = make_call()
    async with broker.lease(call, [READ], wall_seconds=30):
        busy = await overseen("kill", "--run", call.run_id, "--reason", "it misbehaves", "--yes")
    assert "Before: 1 live leases, 0 running calls. 1 leases ended, proven gone after" in busy.stdout


async def test_everything_is_only_asked_for_until_another_user_of_the_machine_confirms(
    broker: LeaseBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await answer("kill", "--everything", "--reason", "fire")
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "ben")
    refused = await overseen("kill", "--confirm", asked["stop_id"], "--json")
    assert refused.exit_code == 1
    monkeypatch.setattr("overseen.cli.stops.os_user", lambda: "ben")
    assert (await answer("kill", "--confirm", asked["stop_id"]))["proven"]


async def test_sweep_and_reconcile_answer_in_json(broker: LeaseBroker) -> None:
    from datetime import UTC, datetime

    await asyncio.sleep(1.0)  # whole seconds: what an earlier test left behind must be before the one named
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    async with broker.lease(make_call(), [READ], wall_seconds=30):
        pass
    assert (await answer("sweep"))["remaining"] == []
    assert (await answer("reconcile", "--since", since))["findings"] == []


@pytest.fixture
def witness(database: Database, journal: Journal, vault: VaultClient, settings: Settings) -> WitnessService:
    """The service of a worker with these settings: a file in the data folder, and Vault's key-value store."""
    witnesses = configured_witnesses(settings, vault)
    return WitnessService(database=database, journal=journal, signer=HeadSigner(vault), witnesses=witnesses)


async def told(witness: WitnessService) -> dict[str, Any]:
    turn = await witness.turn()
    assert turn is not None
    assert turn.ok, turn.detail
    return dict(turn.detail)


async def test_verifying_the_journal_says_what_was_proved_and_since_when(
    database: Database, journal: Journal, vault: VaultClient, witness: WitnessService
) -> None:
    assert (await verified(exit_code=2))["verdict"] == "not_verified"  # before the first checkpoint
    await told(witness)
    await sealed(database, journal, "run_a", vault)
    detail = await told(witness)
    assert sorted(detail["witnesses"].values()) == [2, 2]
    found = await verified()
    assert (found["verdict"], found["breaks"], found["unproven"]) == ("verified", [], [])
    assert (found["signatures_checked"], found["checkpoints"], found["witnessed_number"]) == (3, 2, 2)
    assert [report["number"] for report in found["witnesses"]] == [2, 2]
    assert found["since"] < found["until"]
    shown = await asyncio.to_thread(CliRunner().invoke, journal_commands.app, ["verify"])
    assert shown.exit_code == 0
    assert "2 checkpoints; 3 signatures checked" in shown.output
    assert "agrees up to checkpoint 2" in shown.output
    assert shown.output.endswith("verified\n")


async def test_verifying_the_journal_names_a_signature_that_is_not_ours(
    database: Database, journal: Journal, vault: VaultClient, witness: WitnessService
) -> None:
    await told(witness)
    async with database.transaction() as session:
        forged = await HeadSigner(vault).sign("cd" * 32)
        await journal.append(
            ChainClosed(run_id="run_b", sequence=1, head_hash="ab" * 32, signature=forged),
            stream=SYSTEM,
            actor="service:test",
            session=session,
        )
    found = await verified(exit_code=1)
    assert "the signature is not ours" in {item["problem"] for item in found["breaks"]}


async def test_the_whole_database_emptied_is_named_by_vault_alone(
    database: Database, journal: Journal, vault: VaultClient, witness: WitnessService, settings: Settings
) -> None:
    await sealed(database, journal, "run_a", vault)
    await told(witness)
    await Attacker(database).delete_everything()
    found = await verified(exit_code=1)
    assert {"run_a", "system", "checkpoints"} <= {item["stream"] for item in found["breaks"]}
    assert settings.witness_file is not None
    settings.witness_file.unlink()
    found = await verified(exit_code=1)
    [item] = found["breaks"]
    assert f"vault kv/data/overseen/witness/{settings.witness.vault_name} holds checkpoints up to 1" in item["problem"]
    assert item["since"] is not None


async def test_verifying_the_journal_without_vault_is_not_verified(
    database: Database,
    journal: Journal,
    vault: VaultClient,
    witness: WitnessService,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await sealed(database, journal, "run_a", vault)
    await told(witness)
    away = settings.model_copy(update={"vault": settings.vault.model_copy(update={"addr": "http://127.0.0.1:1"})})
    for module in (journal_commands, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: away)
    found = await verified(exit_code=2)
    assert (found["holds"], found["verdict"], found["signatures_checked"]) == (True, "not_verified", 0)
    assert "Signatures were not checked." in found["unproven"]
    assert any("out of reach" in reason for reason in found["unproven"])


async def test_verifying_the_journal_without_the_database_is_not_verified(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = DatabaseSettings.model_validate({"url": "postgresql://nobody@127.0.0.1:1/none"})
    away = settings.model_copy(update={"database": nowhere})
    for module in (journal_commands, terminal):
        monkeypatch.setattr(module, "load_settings", lambda: away)
    assert (await verified(exit_code=2))["verdict"] == "not_verified"


async def test_the_status_of_the_witnesses_says_what_is_wrong(
    database: Database, journal: Journal, vault: VaultClient, witness: WitnessService, settings: Settings
) -> None:
    status = await witness_status(settings)
    assert (status.ok, status.number, "ever made" in status.problem) == (False, 0, True)
    await sealed(database, journal, "run_a", vault)
    await told(witness)
    status = await witness_status(settings)
    assert (status.ok, status.number, status.problem, status.unwitnessed_seconds) == (True, 1, "", None)
    assert status.age_seconds is not None
    assert status.age_seconds < 60
    assert [(one.number, one.problem) for one in status.witnesses] == [(1, ""), (1, "")]
    await Attacker(database).sql("UPDATE journal SET at = at - interval '1 hour'")
    await journal.append(StepStarted(step_id="s", agent="x"), stream="run_b", actor="service:test")
    await Attacker(database).sql("UPDATE journal SET at = at - interval '1 hour' WHERE stream = 'run_b'")
    assert "Entries wait for a checkpoint since" in (await witness_status(settings)).problem
    await told(witness)
    assert settings.witness_file is not None
    settings.witness_file.unlink()
    status = await witness_status(settings)
    assert (status.ok, "it holds nothing" in status.problem) == (False, True)


async def test_the_public_keys_of_vault_verify_what_vault_signed(vault: VaultClient) -> None:
    signature = await HeadSigner(vault).sign("ab" * 32)
    reader = await SignatureReader.ask(vault)
    assert await reader.verify("ab" * 32, signature)
    wrong = ("cd" * 32, signature), ("ab" * 32, "vault:v9:" + signature[9:]), ("ab" * 32, ""), ("ab" * 32, "vault:v1:?")
    for text, forged in wrong:
        assert not await reader.verify(text, forged)


async def test_the_witness_in_vault_keeps_the_newest_and_nothing_written_between(
    database: Database,
    journal: Journal,
    vault: VaultClient,
    witness: WitnessService,
    administrator: hvac.Client,
    settings: Settings,
) -> None:
    await sealed(database, journal, "run_a", vault)
    await told(witness)
    name = settings.witness.vault_name
    kept = await VaultWitness(vault, name).newest()
    assert kept is not None
    assert (kept.number, kept.moved) == (1, None)
    administrator.secrets.kv.v2.create_or_update_secret(
        f"overseen/witness/{name}", secret={"checkpoint": "nonsense"}, mount_point="kv"
    )
    with pytest.raises(WitnessUnavailable, match="no checkpoint"):
        await VaultWitness(vault, name).newest()
    found = await verified(exit_code=2)
    assert any("no checkpoint" in reason for reason in found["unproven"])

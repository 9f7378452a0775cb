"""What people handed in stands nowhere in the database in the clear, the names of their files included."""

from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import Role
from overseen.engine.intake import Submitted
from overseen.playbooks import load_playbook
from overseen.playbooks.samples import load_sample
from overseen.settings import Settings
from overseen.store.file_names import seal_old_file_names
from overseen.store.tables import Attachment
from tests.system.claims.conftest import Workers, at_rest, database_text


async def hand_in_under_telling_names(services) -> Submitted:
    requester = await services.accounts.ensure("rosa", display_name="Rosa", roles=(Role.REQUESTER,))
    case = load_sample(load_playbook("claims_intake"), "car_door_plain")
    files = [(f"Raman-oncology-{path.name}", path.read_bytes()) for path in case.attachments]
    return await services.intake.submit(
        requester_id=requester,
        playbook_name="claims_intake",
        message=case.message,
        # The second is a picture that shows nothing, so that a check has something to say about a file.
        attachments=[*files, ("Raman-oncology-ward.jpg", files[-1][1][:2000])],
        form_token=new_id("form"),
    )


async def test_no_name_of_a_file_and_nothing_out_of_it_stands_in_the_database(
    services, workers: Workers, settings: Settings
) -> None:
    submitted = await hand_in_under_telling_names(services)
    workers.start()
    await at_rest(services, submitted.run_id)
    view = await services.runs.run(submitted.run_id)
    assert any("oncology" in f"{finding.subject} {finding.message}" for finding in view.findings)
    stored = await database_text(settings.database.dsn)
    told = [words for words in ("oncology", "Raman", "priya.raman", "60317752", "supermarket") if words in stored]
    assert told == []


async def test_names_that_an_earlier_version_kept_in_the_clear_are_encrypted_and_still_shown(
    services, settings: Settings
) -> None:
    submitted = await hand_in_under_telling_names(services)
    before = (await services.tasks.task(submitted.task_id)).attachments
    async with services.database.transaction() as session:
        row = await session.get_one(Attachment, before[0].attachment_id)
        row.name, row.name_blob = before[0].name, None
    assert "oncology" in await database_text(settings.database.dsn)
    assert (await services.tasks.task(submitted.task_id)).attachments == before

    assert await seal_old_file_names(services.database, services.blobs) == 1
    assert "oncology" not in await database_text(settings.database.dsn)
    assert (await services.tasks.task(submitted.task_id)).attachments == before

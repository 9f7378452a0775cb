"""One loss handed in several times, with every part real: it is paid once by itself, whatever happens meanwhile."""

import asyncio
import io
import random
import signal

import pytest
from PIL import Image, ImageEnhance

from overseen.api.services import Services
from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import Role
from overseen.playbooks import load_playbook
from overseen.playbooks.samples import load_sample
from tests.system.claims.conftest import Workers, at_rest

pytestmark = pytest.mark.slow

WORDS = (
    "Another car dented my door in the car park. Please see the files.",
    "Please see the files: my door was dented by another car in the car park!",
    "While parked, my car's door got a dent. Files attached.",
)


def retouched(photo: bytes, number: int) -> bytes:
    """The same photo for a person, another one for a computer: cropped, brighter, turned a little, saved anew."""
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    width, height = picture.size
    picture = picture.rotate(7 * number, expand=False).crop((30 * number, 20 * number, width - 25 * number, height))
    picture = ImageEnhance.Brightness(picture).enhance(1 + 0.2 * number)
    if number % 2:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=80 - 7 * number)
    return kept.getvalue()


async def hand_in_alike(services: Services, number: int) -> str:
    """The claim once more: photo retouched, letter and estimate with other bytes, in other words, by somebody else."""
    requester = await services.accounts.ensure(f"rosa{number}", display_name="Rosa", roles=(Role.REQUESTER,))
    files = []
    for path in load_sample(load_playbook("claims_intake"), "car_door_plain").attachments:
        content = path.read_bytes()
        if path.suffix == ".jpg":
            content = retouched(content, number)
        elif path.suffix == ".txt":
            content = b" " * number + content
        else:
            content += b"\n" * number
        files.append((f"{number}-{path.name}", content))
    submitted = await services.intake.submit(
        requester_id=requester,
        playbook_name="claims_intake",
        message=WORDS[number],
        attachments=random.Random(number).sample(files, len(files)),
        form_token=new_id("form"),
    )
    return submitted.run_id


async def only_one_was_paid(services: Services, runs: list[str], workers: Workers, insurer) -> None:
    states = [await at_rest(services, run_id, 240) for run_id in runs]
    assert sorted(states) == ["settled", "waiting_review", "waiting_review"], workers.log.read_text()[-3000:]
    assert await insurer.rows("SELECT amount::text FROM payments") == [("492.80",)]
    paid = runs[states.index("settled")]
    cases = {summary.run_id: summary.review_id for summary in await services.review_queue.list()}
    assert set(cases) == set(runs) - {paid}
    for review_id in cases.values():
        case = await services.reviews.case(review_id)
        (said,) = [finding for finding in case.content["findings"] if finding["check"] == "same_loss"]
        assert paid in said["message"]
        assert paid in {other.run_id for other in case.other_losses}
        assert "Another task seems to be about the same loss." in case.content["boundary"]["reasons"]


async def test_three_at_once_on_three_workers_with_retouched_photos_are_paid_once(
    services: Services, workers: Workers, insurer
) -> None:
    for _ in range(3):
        workers.start()
    runs = [await hand_in_alike(services, number) for number in range(3)]
    await only_one_was_paid(services, runs, workers, insurer)


async def test_workers_killed_between_reservation_and_payment_do_not_let_a_second_one_through(
    services: Services, workers: Workers, insurer
) -> None:
    runs = [await hand_in_alike(services, number) for number in range(3)]
    for compared in (1, 2, 3):
        worker = workers.start()
        await until_reserved(services, runs, compared)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    for _ in range(2):
        workers.start()
    await only_one_was_paid(services, runs, workers, insurer)


async def until_reserved(services: Services, runs: list[str], count: int) -> None:
    """Wait until so many of the runs have compared themselves with the others."""
    async with asyncio.timeout(240):
        while True:
            told = [[entry.kind for entry in await services.journal.entries(run_id)] for run_id in runs]
            if ["LossesCompared" in kinds for kinds in told].count(True) >= count:
                return
            await asyncio.sleep(0.02)

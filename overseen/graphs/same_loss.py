"""Compares a run with every other of its playbook: is this loss told in another task too?"""

from collections.abc import Mapping

from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.outcomes import Ruling
from overseen.graphs.case_file import Case
from overseen.graphs.services import RunServices
from overseen.journal.events import LossesCompared
from overseen.supervisor.same_loss import judge_same_loss, loss_marks

_PAPERS = frozenset({"document", "photo"})


async def compare_losses(
    services: RunServices, case: Case, facts: Mapping[str, Fact], ruling: Ruling, number: int
) -> list[Finding]:
    """The finding of the check `same_loss`, with what the run is known by reserved; none where tasks are not compared.

    The reservation stands before anything is decided, so two runs that decide at the same moment see one another.
    """
    same_loss = case.playbook.same_loss
    if same_loss is None:
        return []
    papers = [fact.source for fact in facts.values() if fact.source.kind in _PAPERS]
    files = {attachment.blob for attachment in case.attachments} | {source.blob for source in papers if source.blob}
    contents = await services.cases.blobs.get_many({source.text_blob for source in papers if source.text_blob})
    marks = loss_marks(
        same_loss,
        {definition.name: definition.type for definition in case.playbook.facts},
        facts,
        files,
        [content.decode() for content in contents.values()],
    )
    earlier = await services.losses.reserve(case.run_id, case.playbook.name, marks)
    compared = LossesCompared(marks=len(marks), earlier_runs=tuple(loss.run_id for loss in earlier))
    await services.cases.note(case.run_id, compared, once=f"losses:{number}")
    return [judge_same_loss(marks, earlier, ruling)]

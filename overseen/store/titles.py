"""What requesters called their tasks."""

from collections.abc import Iterable

from overseen.store.blobs import BlobStore
from overseen.store.tables import Task


async def read_titles(blobs: BlobStore, tasks: Iterable[Task]) -> dict[str, str]:
    """The titles by task id, read in one go."""
    listed = list(tasks)
    contents = await blobs.get_many([task.title_blob for task in listed])
    texts = {sha256: content.decode("utf-8", errors="replace") for sha256, content in contents.items()}
    return {task.task_id: texts.get(task.title_blob) or "(erased)" for task in listed}

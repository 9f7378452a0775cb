"""Read models: one place that turns rows, blobs and journal entries into what people look at."""

from overseen.api.reading.evidence import EvidenceReader
from overseen.api.reading.leases import LeaseReader
from overseen.api.reading.runs import RunReader
from overseen.api.reading.security import SecurityReader
from overseen.api.reading.tasks import TaskReader

__all__ = ["EvidenceReader", "LeaseReader", "RunReader", "SecurityReader", "TaskReader"]

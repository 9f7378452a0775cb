"""No export without an entry in the journal."""

from collections.abc import AsyncIterator

from overseen.api.exports.formats import ExportFormat, export_lines
from overseen.api.reading.lease_filter import LeaseFilter
from overseen.api.reading.leases import LeaseReader
from overseen.journal import SYSTEM, Journal
from overseen.journal.events import LeasesExported


async def export_leases(
    leases: LeaseReader, journal: Journal, chosen: LeaseFilter, as_format: ExportFormat, *, by: str
) -> AsyncIterator[str]:
    """The lines of every lease that matches, once the journal says that `by` took them.

    Raises InvalidInput for a filter that makes no sense, and whatever the journal raises; nothing is exported then.
    """
    chosen.conditions()
    # What people search for may be somebody's name.
    narrowed_by = tuple(name if name == "search" else f"{name}={value}" for name, value in chosen.named().items())
    await journal.append(LeasesExported(format=as_format.value, narrowed_by=narrowed_by), stream=SYSTEM, actor=by)
    return export_lines(leases.stream(chosen), as_format)

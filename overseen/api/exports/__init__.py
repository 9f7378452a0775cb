"""The ledger for other systems: JSONL, OCSF and CEF, one line a record, however many leases there are."""

from overseen.api.exports.formats import ExportFormat
from overseen.api.exports.journalled import export_leases

__all__ = ["ExportFormat", "export_leases"]

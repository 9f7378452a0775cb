"""The ledger for other systems: JSONL, OCSF and CEF, one line a record, however many leases there are."""

from overseen.api.exports.formats import ExportFormat, export_lines

__all__ = ["ExportFormat", "export_lines"]

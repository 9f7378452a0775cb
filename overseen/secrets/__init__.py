"""Leases: a credential of its own for every tool call, ended and proven gone, and all of it written down."""

"""Ways out of a sandbox: each leads to one thing, for one call, with a credential the sandbox never sees."""

from overseen.tools.doors.call_doors import CallDoors
from overseen.tools.doors.database import DatabaseLogin, DoorLimits, DoorUnavailable

__all__ = ["CallDoors", "DatabaseLogin", "DoorLimits", "DoorUnavailable"]

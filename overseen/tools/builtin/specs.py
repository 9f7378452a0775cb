"""All built-in tools."""

from overseen.tools.builtin.document_shapes import DOCUMENT_TOOLS
from overseen.tools.builtin.insurer_shapes import INSURER_TOOLS
from overseen.tools.builtin.script_shapes import SCRIPT_TOOLS

BUILT_IN = (*DOCUMENT_TOOLS, *INSURER_TOOLS, *SCRIPT_TOOLS)

"""Strings that models take for more than text: control tokens of chat templates, role lines, unseen characters.

Model servers turn strings like `<|im_start|>` into real control tokens wherever they stand, and models read a line that
begins with `Assistant:` as the next turn. Both are broken up by a space, so that people still read them as they were.
"""

import re

from overseen.domain.clean_text import clean_text

_CONTROL_TOKEN = re.compile(
    r"<\s?[|\uff5c](?=[^|<>\uff5c\n]{1,40}[|\uff5c]\s?>)"  # <|im_start|>, <|eot_id|>, and with full-width bars
    r"|<(?=/?\s?(?:s|bos|eos|pad|unk|sep|cls|mask)\s?/?>)"  # <s>, </s>, <eos>
    r"|<(?=/?(?:start|end)_of_(?:turn|text|image)>)"
    r"|<(?=/?\s?(?:system|assistant|user|human|developer|instructions?|think|thinking|tool_(?:call|calls|response|result)"
    r"|function_(?:calls|results)|invoke|antml:\w+|turn|channel|message)(?:\s[^<>\n]{0,80})?>)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG|gMASK|sop|eop)\])"
    r"|<(?=<\s*/?\s*SYS\s*>>)",
    re.IGNORECASE,
)
_ROLE = r"system|assistant|user|human|developer|ai|bot|model|tool|instructions?|response|input|output"
_ROLE_HEADING = re.compile(rf"^(\s*)(#{{2,6}})(?=\s*(?:{_ROLE})\b)", re.IGNORECASE | re.MULTILINE)
_ROLE_LINE = re.compile(
    r"^(\s*(?:[>*_`-]\s*)*(?:\*\*)?(?:system|assistant|user|human|developer|ai|tool)(?:\*\*)?)(?=\s?[:\uff1a])",
    re.IGNORECASE | re.MULTILINE,
)
_FRAME_LINE = re.compile(r"^(\s*)([=\u2550\uff1d]+)(\s*(?:begin|end)\b)", re.IGNORECASE | re.MULTILINE)
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_LINE_BREAKS = re.compile("[\x0b\x0c\x1c-\x1e]")


def is_unseen(character: str) -> bool:
    """Whether `without_control_tokens` takes the character out, so that what a model quotes cannot hold it."""
    return not _UNSEEN.sub("", clean_text(character).text)


def without_control_tokens(text: str) -> str:
    """`text` as it may stand in a prompt: nothing unseen in it, and a space in whatever could pass for more than text.

    That is control tokens of chat templates, role lines and headings, and the lines of our own frame. The rest is as it
    was, so that what a model quotes stands in the text that was read.
    """
    text = _LINE_BREAKS.sub("\n", text.replace("\x00", " "))
    text = _UNSEEN.sub("", clean_text(text).text)
    text = _CONTROL_TOKEN.sub(lambda match: f"{match.group()[0]} {match.group()[1:]}", text)
    text = _ROLE_HEADING.sub(lambda match: f"{match[1]}{' '.join(match[2])}", text)
    text = _ROLE_LINE.sub(lambda match: f"{match[1]} ", text)
    return _FRAME_LINE.sub(lambda match: f"{match[1]}{' '.join(match[2])}{match[3]}", text)

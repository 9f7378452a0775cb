"""What bytes are, told by looking at them and not at their name. Standard library only, nothing is decoded."""

import re
import struct

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"MZ", "application/x-executable"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (b"\xce\xfa\xed\xfe", "application/x-executable"),
    (b"#!", "application/x-executable"),
    (b"\x00asm", "application/x-executable"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole"),
    (b"Rar!\x1a\x07", "application/x-archive"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-archive"),
    (b"\x1f\x8b", "application/x-archive"),
    (b"BZh", "application/x-archive"),
    (b"\xfd7zXZ\x00", "application/x-archive"),
    (b"(\xb5/\xfd", "application/x-archive"),
)
ENDINGS = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tif",
    "image/bmp": "bmp",
    "message/rfc822": "eml",
    "text/plain": "txt",
    "application/json": "json",
}
"""The ending that names of our own making have, by media type."""
_TYPES = {ending: media_type for media_type, ending in ENDINGS.items()}
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif"})
_MAIL_HEADER = re.compile(
    rb"^(from|to|cc|subject|date|received|message-id|mime-version|return-path|delivered-to|reply-to|content-type|x-[\w-]+)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_ENCRYPT = re.compile(rb"/Encrypt\s*(<<|\d+\s+\d+\s+R)")
_HEAD_BYTES = 4096
_PDF_TAIL_BYTES = 65536
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def content_type(content: bytes) -> str | None:
    """The media type of `content`, None for bytes of no known kind.

    Programs, archives and office files have names of our own, see the table above.
    """
    head = content[:_HEAD_BYTES]
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        office = b"[Content_Types].xml" in head or b"mimetypeapplication/vnd.o" in head
        return "application/vnd.office" if office else "application/zip"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"BM") and len(content) > 26 and struct.unpack_from("<I", content, 2)[0] in (0, len(content)):
        return "image/bmp"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return "image/heic"
    # Some producers put a few bytes before the header; readers look in the first kilobyte, and so do we.
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    return _text_type(content, head)


def media_type_of_name(name: str) -> str:
    """The media type that the ending of a name of our own making says; application/octet-stream for any other."""
    return _TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def _text_type(content: bytes, head: bytes) -> str | None:
    text = decode_text(head[:-4] if len(content) > _HEAD_BYTES else head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in start):
        return "image/svg+xml"
    headers = head.lstrip().split(b"\r\n\r\n")[0].split(b"\n\n")[0]
    names = {match.group(1).lower() for match in _MAIL_HEADER.finditer(headers)}
    if len(names) >= 2 and _MAIL_HEADER.match(headers.split(b"\n")[0].replace(b"From ", b"From: ", 1)):
        return "message/rfc822"
    return "text/plain"


def decode_text(content: bytes) -> str | None:
    """`content` as text (byte order mark, UTF-8, else Windows-1252), None when it is not text at all."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if b"\x00" in content:
        return None
    controls = sum(byte < 32 and byte not in b"\t\n\r\x0c\x1b" for byte in content[:_HEAD_BYTES])
    if controls > len(content[:_HEAD_BYTES]) // 20:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two at the end of a sample is no reason to doubt the rest.
        if error.start >= len(content) - 3:
            return content[: error.start].decode("utf-8")
        return content.decode("cp1252", errors="replace")


def is_encrypted_pdf(content: bytes) -> bool:
    """Whether a PDF's trailer names an encryption dictionary; trailers are never compressed themselves."""
    return _ENCRYPT.search(content) is not None


def is_truncated_pdf(content: bytes) -> bool:
    """Whether a PDF's end, which says where everything is, is missing."""
    return b"startxref" not in content[-_PDF_TAIL_BYTES:]


def image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels as a PNG, GIF, JPEG, WebP or BMP says, None when it does not or is none."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return struct.unpack_from(">II", content, 16)
        if content.startswith(b"GIF8"):
            return struct.unpack_from("<HH", content, 6)
        if content.startswith(b"\xff\xd8"):
            return _jpeg_size(content)
        if content[8:16] == b"WEBPVP8X":
            return (
                1 + int.from_bytes(content[24:27], "little"),
                1 + int.from_bytes(content[27:30], "little"),
            )
        if content.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", content, 18)
            return abs(width), abs(height)
    except struct.error:
        return None
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 < len(content):
        if content[position] != 0xFF:
            return None
        marker = content[position + 1]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:
            position += 1 if marker == 0xFF else 2
            continue
        position += 2 + struct.unpack_from(">H", content, position + 2)[0]
    return None

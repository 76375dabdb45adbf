"""Writes facts about a result into its file, in the form that each format has for them."""

import json
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from PIL.PngImagePlugin import PngInfo

# What a picture or video says about itself: names and values, such as model -> males_model.
Facts = Mapping[str, str]

# This fact, if it is "true", is also stated in the vocabulary of press agencies, which platforms look for.
SYNTHETIC = "synthetic"
_SYNTHETIC_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def as_json(facts: Facts) -> str:
    """The facts as one line of ASCII, for formats that hold one comment."""
    return json.dumps(dict(facts))


def as_text(facts: Facts) -> str:
    """The facts for people."""
    return ", ".join(f"{name}: {value}" for name, value in facts.items())


def png_text(facts: Facts) -> PngInfo:
    """The text chunks of a PNG: one for each fact, and the XMP packet."""
    info = PngInfo()
    for name, value in facts.items():
        info.add_text(name, value)
    info.add_itxt("XML:com.adobe.xmp", xmp_packet(facts).decode())
    return info


def xmp_packet(facts: Facts) -> bytes:
    """An XMP packet whose description holds the facts as JSON, for WebP, JPEG and PNG."""
    source = _SYNTHETIC_SOURCE if facts.get(SYNTHETIC) == "true" else ""
    attribute = f" Iptc4xmpExt:DigitalSourceType={quoteattr(source)}" if source else ""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{attribute}>'
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(as_json(facts))}</rdf:li></rdf:Alt>'
        "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def add_gif_comment(path: Path, text: str) -> None:
    """Adds a comment to a GIF in front of its first frame, because FFmpeg writes none."""
    content, note = path.read_bytes(), text.encode("ascii")
    # A header of 13 bytes says in its flags how many colours of 3 bytes follow.
    flags = content[10]
    start = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    blocks = [note[at : at + 255] for at in range(0, len(note), 255)]
    comment = b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    path.write_bytes(content[:start] + comment + content[start:])

"""Draws what people see of two sample calls in a chat or a mail, out of what the plugin really sent, for the manual.

A drawing, and no screenshot: it has the message's words, bold, colours and links, in a frame of our own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from router.testing import Request, SentMail
from tests.readings import sent

#: The calls that are drawn, one below the other.
CALLS = ("third try", "answered")

_WIDTH, _MARGIN, _LEFT = 760, 22, 74
_LINE, _GAP = 23, 18
_STYLES = {
    "b": 'font-weight="600"',
    "strong": 'font-weight="600"',
    "a": 'fill="#1264a3"',
    "small": 'fill="#6b7480" font-size="12.5"',
    "i": 'fill="#6b7480" font-size="12.5"',
    "attention": 'font-weight="600" fill="#b3261e"',
    "good": 'font-weight="600" fill="#1b7f3b"',
}


def _slack(request: Request) -> str:
    [section, context] = request.json["blocks"]
    linked = re.sub(r"<[^|>]*\|([^>]*)>", r"<a>\1</a>", section["text"]["text"])
    bold = re.sub(r"[*]([^*]+)[*]", r"<b>\1</b>", linked)
    return f"{bold}\n<small>{context['elements'][0]['text']}</small>"


def _discord(request: Request) -> str:
    text, _, small = request.json["content"].rpartition("\n-# ")
    bold = re.sub(r"[*]{2}(.+?)[*]{2}", r"<b>\1</b>", _unescaped(text))
    return f"{bold}\n<small>{_unescaped(small)}</small>"


def _telegram(request: Request) -> str:
    text: str = request.json["text"]
    return text


def _teams(request: Request) -> str:
    lines = []
    for block in request.json["attachments"][0]["content"]["body"]:
        words = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"<a>\1</a>", _unescaped(block["text"]))
        tag = "small" if block.get("isSubtle") else block.get("color")
        lines.append(f"<{tag}>{words}</{tag}>" if tag else words)
    return "\n".join(lines)


def _email(mail: SentMail) -> str:
    body = mail.message.get_body(["html"])
    assert body is not None
    whole: str = body.get_content()
    text, small = re.findall(r"<p[^>]*>(.*?)</p>", whole, re.DOTALL)
    return f"<small>Subject:</small> {html.escape(mail.message['Subject'])}\n{text}\n<small>{small}</small>"


def _unescaped(text: str) -> str:
    """Return Markdown without its backslashes, as HTML."""
    return html.escape(re.sub(r"\\(.)", r"\1", text))


#: Type → the name of its service, and what is seen of one request, in a few tags of HTML.
DRAWN: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "discord": ("Discord", _discord),
    "email": ("a mail program", _email),
    "slack": ("Slack", _slack),
    "teams": ("Microsoft Teams", _teams),
    "telegram": ("Telegram", _telegram),
}


class _Spans(HTMLParser):
    """Turns one line of HTML into the spans of an SVG text."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self.spans = ""
        self._open: list[str] = []
        self.feed(line)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _STYLES:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        styles = " ".join(_STYLES[tag] for tag in self._open)
        text = html.escape(data)
        self.spans += f"<tspan {styles}>{text}</tspan>" if styles else f"<tspan>{text}</tspan>"


def _lines(said: str) -> list[str]:
    return [_Spans(line).spans for line in re.sub(r"<br>\n?", "\n", said).splitlines() if line.strip()]


def drawing(type_: str) -> str:
    """Return the picture, an SVG document."""
    service, read = DRAWN[type_]
    parts, y = list[str](), _MARGIN
    for call in CALLS:
        lines = _lines(read(sent(type_, call)))
        height = 34 + len(lines) * _LINE
        parts += _message(lines, y, height, card=type_ in ("teams", "email"))
        y += height + _GAP
    caption = f"Drawn from what callrouter sends to {service}. Not a screenshot."
    parts.append(
        f'<text x="{_MARGIN}" y="{y + 8}" font-size="12.5" font-style="italic" fill="#6b7480">{caption}</text>'
    )
    return _document(f"Two calls as {service} shows them, drawn", parts, y + 26)


def _message(lines: list[str], y: int, height: int, *, card: bool) -> Iterator[str]:
    yield f'<rect x="{_MARGIN}" y="{y}" width="36" height="36" rx="8" fill="#2f6ea8"/>'
    yield f'<path d="M{_MARGIN + 9} {y + 18}h17m-6-7 7 7-7 7" fill="none" stroke="#ffffff" stroke-width="2.5"/>'
    yield f'<text x="{_LEFT}" y="{y + 13}" font-weight="600">callrouter</text>'
    if card:
        size = f'width="{_WIDTH - _LEFT - _MARGIN}" height="{height - 22}"'
        yield f'<rect x="{_LEFT}" y="{y + 22}" {size} rx="6" fill="#ffffff" stroke="#c3ccd5"/>'
    x, first = (_LEFT + 14, y + 43) if card else (_LEFT, y + 36)
    for number, spans in enumerate(lines):
        yield f'<text x="{x}" y="{first + number * _LINE}" xml:space="preserve">{spans}</text>'


def _document(title: str, parts: list[str], height: int) -> str:
    inside = "\n".join(f"  {part}" for part in parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title"
     font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="15"
     fill="#1d2733">
  <title id="title">{title}</title>
  <rect x="1" y="1" width="{_WIDTH - 2}" height="{height - 2}" rx="10" fill="#f7f9fb" stroke="#9aa8b6"/>
{inside}
</svg>
"""

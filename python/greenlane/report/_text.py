"""Text for readers: escaped, with fitting units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape as _escape


def escape(text: object) -> str:
    """Escapes a text for HTML, also inside quotes."""
    return _escape(str(text), quote=True)


def duration(microseconds: float | None) -> str:
    """Returns a time as ``greenlane run`` prints it: about three digits, and a dash for None."""
    if microseconds is None:
        return "–"
    if microseconds < 99.95:
        return f"{microseconds:.1f} µs"
    if microseconds < 9999.5:
        return f"{microseconds:.0f} µs"
    if microseconds < 999_950:
        return f"{microseconds / 1e3:.1f} ms"
    return f"{microseconds / 1e6:.2f} s"


def share(part: float) -> str:
    """Returns a percentage with the significant digits."""
    return f"{100 * part:.3g} %" if abs(part) < 10 else f"{100 * part:.0f} %"


def ratio(value: float) -> str:
    """Returns a factor, such as "1.50 ×"."""
    return f"{value:.2f} ×" if value < 100 else f"{value:.0f} ×"


def rate(hertz: float | None) -> str:
    """Returns a rate in requests per second."""
    return "–" if hertz is None else f"{hertz:.1f} Hz"


@dataclass(frozen=True)
class Cell:
    """A cell of a table; its text is escaped when it is written."""

    text: str
    style: str = ""
    """A class in the page's style sheet."""


def table(head: Sequence[str], rows: Iterable[Sequence[str | Cell]], *, texts: int = 1) -> str:
    """Returns a table; the first columns hold texts, the others numbers, which are aligned to the right."""
    lines = ["<div class=scroll><table><thead><tr>"]
    lines += [f"<th scope=col{'' if i < texts else ' class=number'}>{escape(each)}</th>" for i, each in enumerate(head)]
    lines.append("</tr></thead><tbody>")
    for row in rows:
        cells = [each if isinstance(each, Cell) else Cell(each) for each in row]
        styles = [f"{cell.style} {'' if i < texts else 'number'}".strip() for i, cell in enumerate(cells)]
        tags = [f'<td class="{style}">' if style else "<td>" for style in styles]
        lines.append("<tr>" + "".join(tag + escape(cell.text) + "</td>" for tag, cell in zip(tags, cells, strict=True)))
        lines.append("</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def note(text: str) -> str:
    """Returns a paragraph in small print."""
    return f"<p class=note>{escape(text)}</p>"


def heading(text: str) -> str:
    """Returns a heading over a part of a section."""
    return f"<h3>{escape(text)}</h3>"

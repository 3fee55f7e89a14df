"""Keys and strings of TOML, which Python's standard library reads but does not write."""

import re

_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def string(text: str) -> str:
    """Returns a basic string. Characters that do not print are escaped."""
    return '"' + "".join(_character(each) for each in text) + '"'


def strings(texts: list[str]) -> str:
    """Returns a list of strings."""
    return "[" + ", ".join(string(text) for text in texts) + "]"


def key(text: str) -> str:
    """Returns a bare key if the text is one, and else a quoted key."""
    return text if re.fullmatch("[A-Za-z0-9_-]+", text) else string(text)


def comment(text: str) -> str:
    """Returns a comment. A character that does not print would end it, or be refused."""
    return "# " + "".join(each if each.isprintable() else _character(each) for each in text)


def _character(each: str) -> str:
    if each in _ESCAPES:
        return _ESCAPES[each]
    if each.isprintable():
        return each
    code = ord(each)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""What the library of options says of a bad value, in words for users."""

from __future__ import annotations

import difflib
import re

_CHOICE = re.compile(r"'(?P<given>[^']*)' is not one of (?P<known>'[^']*'(?:, '[^']*')*)")


def plain_refusal(message: str) -> str:
    """Take out the validator's own words, and suggest the nearest choice where a value is none of them."""
    message = message.replace("Value error, ", "")
    choice = _CHOICE.search(message)
    known = re.findall("'([^']*)'", choice["known"]) if choice else []
    near = difflib.get_close_matches(choice["given"].lower(), known, n=1) if choice else []
    return f"{message.rstrip('.')}; did you mean {near[0]!r}?" if near else message

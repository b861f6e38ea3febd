"""Redaction: what must not be kept or shown, taken out of text and JSON before it is written anywhere. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Any
from urllib.parse import quote

from compat_pipeline.domain.secret_shapes import placeholder, shapes, told_by_name

REDACTED = "[redacted]"
"""Stands for a known secret; what is recognised by its shape or name leaves `[redacted KIND]`."""

_SHORTEST_SECRET_CHARS = 8
_SHORTEST_LINE_CHARS = 16
_SHORTEST_SHAPE_CHARS = 5
_LARGE_CHARS = 512
_LARGE_KEPT, _SMALL_KEPT, _CLEANERS_KEPT = 128, 16384, 8
_MOST_PASSES = 4

_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


class Redactor:
    """Cleans text and JSON of `secrets` in every spelling, and of whatever has the shape of a secret or an identity.

    A known secret is found plain, URL-quoted, JSON-escaped (however often), in hex, and in the base64 of a longer
    text; one of several lines, such as a private key, also line by line, from 16 characters on. What is shorter than 8
    characters is no secret: taking it out would only garble. Cleaning what is clean changes nothing. Results are
    remembered for every redactor of the same secrets, because the same prompts and tools pass again and again.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._clean = _cleaner(frozenset(secrets))

    def text(self, text: str) -> str:
        """`text` with a placeholder for everything that had to go."""
        return text if len(text) < _SHORTEST_SHAPE_CHARS else self._clean(text)

    def json(self, value: Any) -> Any:
        """A copy of the JSON `value` with every string cleaned, keys too; a name can give its value away."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._named(name, one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(one) for one in value]
        return value

    def _named(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            for kind, of_value in told_by_name(name):
                if of_value.fullmatch(value):
                    return placeholder(kind)
        return self.json(value)


@lru_cache(_CLEANERS_KEPT)
def _cleaner(secrets: frozenset[str]) -> Callable[[str], str]:
    """A function that cleans a text, and remembers the last ones."""
    lines = {line for secret in secrets for line in secret.splitlines() if len(line) >= _SHORTEST_LINE_CHARS}
    known = sorted({secret.strip() for secret in secrets} | lines, key=len, reverse=True)
    forms = [form for secret in known if len(secret) >= _SHORTEST_SECRET_CHARS for form in _forms(secret)]
    spellings = [(_anchor(form), form) for form in dict.fromkeys(forms)]

    def clean(text: str) -> str:
        # What is taken out can bare what stood behind it, so the text is gone through until nothing is found.
        for _ in range(_MOST_PASSES):
            before, text = text, _clean_once(text, spellings)
            if text == before:
                break
        return text

    small, large = lru_cache(_SMALL_KEPT)(clean), lru_cache(_LARGE_KEPT)(clean)
    return lambda text: small(text) if len(text) < _LARGE_CHARS else large(text)


def _clean_once(text: str, spellings: Sequence[tuple[str, str]]) -> str:
    for anchor, form in spellings:
        if anchor in text:
            text = _spelled(form).sub(REDACTED, text)
    folded = text.lower()
    for shape in shapes():
        for needle in shape.needles:
            if needle in folded:
                text = shape.pattern.sub(shape.replacement, text)
                break
    return text


def _forms(secret: str) -> Iterator[str]:
    """The texts under which `secret` may be found, apart from the spelling of single characters."""
    yield secret
    for inner in dict.fromkeys((secret, json.dumps(secret)[1:-1], quote(secret, safe="", errors="surrogatepass"))):
        raw = inner.encode("utf-8", "surrogatepass")
        yield from (raw.hex(), raw.hex().upper())
        for before in range(3):
            # A character holds six bits: the first and last are left out where they share theirs with a neighbour.
            whole = slice((0, 2, 3)[before], (before + len(raw)) * 8 // 6)
            yield base64.b64encode(bytes(before) + raw).decode()[whole]
            yield base64.urlsafe_b64encode(bytes(before) + raw).decode()[whole]


def _anchor(form: str) -> str:
    """The longest part of `form` that no spelling changes: looked for before the pattern is tried."""
    return max(re.findall(r"[A-Za-z0-9._~-]+", form), key=len, default="")


@cache
def _spelled(form: str) -> re.Pattern[str]:
    """A pattern for `form`, each character as it is, URL-quoted or escaped, once or several times over.

    Made when it is first needed: most forms never turn up, and those of a private key take a third of a second.
    """
    return re.compile("".join(_run(char, len(list(run))) for char, run in groupby(form)))


def _run(char: str, times: int) -> str:
    if _anchor(char):
        return re.escape(char) * times
    if char == "\\":
        return rf"(?:\\|%(?:25)*5[cC]){{{times},}}"
    raw, units = char.encode("utf-8", "surrogatepass"), char.encode("utf-16-be", "surrogatepass")
    spellings = [
        rf"\\*{re.escape(char)}",
        "".join(rf"%(?:25)*{byte:02x}" for byte in raw),
        "".join(rf"\\+x{byte:02x}" for byte in raw),
        "".join(rf"\\+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)),
        rf"\\+x{ord(char):02x}",
        rf"\\+u{ord(char):08x}",
    ]
    if char in _ESCAPES:
        spellings.append(rf"\\+{_ESCAPES[char]}")
    if char == " ":
        spellings.append(r"\+")
    return f"(?:{spellings[0]}|(?i:{'|'.join(spellings[1:])})){{{times}}}"

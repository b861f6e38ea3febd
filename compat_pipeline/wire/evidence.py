"""Evidence: what one observation was made from, kept so that anyone can read a red cell down to its exchange."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.domain.reproduce import again
from compat_pipeline.domain.secret_shapes import names_a_credential
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.age import days_ago, remove_older
from compat_pipeline.ground.amount import amount
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.ground.lock import locked
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import Exchange

_LARGE_CHARS = 1024
_OFTEN_THE_SAME = frozenset({"system", "tools"})
_PART = "$part"
_LIKE_PART = re.compile(r"\$+part")
"""Keys that read as a reference, or as such a key with `$` put before it."""
_HEADING = re.compile(r"\n(?=#{1,3} )")

DAYS_VARIABLE = "COMPAT_EVIDENCE_DAYS"
_DEFAULT_DAYS = 30.0


def days_kept(environ: Mapping[str, str] = os.environ) -> float:
    """For how many days evidence is kept; WrongUsage where the setting is no number of days."""
    return amount(environ, DAYS_VARIABLE, "days") or _DEFAULT_DAYS


class CallEvidence(BaseModel):
    """One run of the CLI from every side, or (without `argv`) one request straight to the proxy.

    `argv`, `env` and `stdin` repeat the call by hand; the token is not in them. `events` are the lines of the CLI's
    stdout: stream-json, or as text what is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    argv: tuple[str, ...] = ()
    env: dict[str, str] = {}
    stdin: str = ""
    events: tuple[dict[str, Any] | str, ...] = ()
    stderr: str = ""
    exit_code: int = 0
    started_at: float = 0.0
    duration_s: float = 0.0
    cpu_s: float = 0.0
    exchanges: tuple[ClientExchange, ...] = ()
    upstream: tuple[Exchange, ...] = ()

    @field_validator("env")
    @classmethod
    def _without_credentials(cls, env: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in env.items() if not names_a_credential(name)}


class Evidence(BaseModel):
    """All that one observation was made from, and under what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: str
    fault: str | None
    observed_at: AwareDatetime
    status: str
    cause: str | None
    explanation: str
    litellm_version: str
    litellm_request: str = ""
    claude_code_version: str
    suite_revision: str
    config_digest: str
    variant: str
    upstream: UpstreamMode
    calls: tuple[CallEvidence, ...]

    @property
    def reproduce(self) -> str:
        """The command that runs this one cell again: same versions, upstreams, configuration and fault."""
        return again(
            self.cell,
            litellm=self.litellm_request or self.litellm_version,
            claude_code=self.claude_code_version,
            upstream=self.upstream,
            variant=self.variant,
            fault=self.fault,
        )


class EvidenceStore:
    """Bundles of evidence in `folder`, found by the SHA-256 of their content; safe with several processes at once.

    What repeats from request to request (prompts, tool definitions, pictures) is taken out of a bundle into parts,
    which bundles share. Bundles and parts are gzipped JSON in files named by the digest of their content. Methods
    raise CompatError when the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, evidence: Evidence, redactor: Redactor) -> str:
        """Write `evidence`, cleaned by `redactor` before anything touches the disk; returns the bundle's digest."""
        parts: dict[str, bytes] = {}
        bundle = _dump(_share(redactor.json(evidence.model_dump(mode="json")), parts))
        with self._locked():
            now = time.time()
            for digest, content in parts.items():
                _put(self._path("parts", digest), content, now)
            _put(self._path("bundles", _digest(bundle)), bundle, now)
        return _digest(bundle)

    def read(self, digest: str) -> Evidence:
        """The bundle of `digest`, every part checked; CompatError names a bundle that is missing or damaged."""
        if not self._path("bundles", digest).exists():
            raise CompatError(f"there is no evidence {digest} in {self._folder}", "it may be older than what is kept")
        parts: dict[str, Any] = {}
        try:
            return Evidence.model_validate(self._whole(self._load("bundles", digest), parts))
        except ValidationError as error:
            raise CompatError(
                f"the evidence {digest} is not in the form that this version writes: {error}", "run its cell again"
            ) from error
        except _Damaged as error:
            raise CompatError(
                f"the evidence {digest} is damaged: {error}", "restore it from a copy, or run its cell again"
            ) from error

    def find(self, start: str) -> list[str]:
        """The digests of all bundles that begin with `start`, two characters of it at least."""
        if not re.fullmatch("[0-9a-f]{2,64}", start):
            return []
        return sorted(path.name.partition(".")[0] for path in self._path("bundles", start).parent.glob(f"{start}*"))

    def prune(self, older_than_days: float) -> int:
        """Remove the bundles written longer ago, and the parts that no younger one needs; returns how many bundles.

        A part is as young as the last bundle that used it.
        """
        with self._locked():
            limit = days_ago(older_than_days)
            bundles = remove_older((self._folder / "bundles").glob("*/*"), limit)
            remove_older((self._folder / "parts").glob("*/*"), limit)
        return sum(not path.name.startswith(".") for path in bundles)  # those of killed writers have such a name

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Held while parts are touched, so that none is removed between that and the bundle that needs it."""
        try:
            with locked(self._folder / ".lock"):
                yield
        except OSError as error:
            raise CompatError(
                f"cannot use the evidence in {self._folder}: {error.strerror}",
                "check its owner and the free disk space",
            ) from error

    def _path(self, kind: str, digest: str) -> Path:
        return self._folder / kind / digest[:2] / f"{digest}.json.gz"

    def _load(self, kind: str, digest: str) -> Any:
        content = _content(self._path(kind, digest))
        if content is None or _digest(content) != digest:
            raise _Damaged(f"{self._path(kind, digest)} cannot be read, or is not what its name says")
        return json.loads(content)

    def _whole(self, value: Any, parts: dict[str, Any]) -> Any:
        """`value` with its parts put back."""
        if isinstance(value, list):
            return [self._whole(one, parts) for one in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {_PART}:
            of = value[_PART]
            return "".join(self._part(one, parts) for one in of) if isinstance(of, list) else self._part(of, parts)
        return {key[1:] if _LIKE_PART.fullmatch(key) else key: self._whole(one, parts) for key, one in value.items()}

    def _part(self, digest: str, parts: dict[str, Any]) -> Any:
        if digest not in parts:
            parts[digest] = self._whole(self._load("parts", digest), parts)
        return parts[digest]


class _Damaged(Exception):
    """A file of the store that does not hold what its name says."""


def _share(value: Any, parts: dict[str, bytes], name: str = "") -> Any:
    """`value` with its large texts, prompts and tools moved to `parts`, and a reference where each was.

    A reference is the digest of one part, or those of the sections of a text.
    """
    if isinstance(value, str):
        return value if len(value) < _LARGE_CHARS else {_PART: [_part(_dump(one), parts) for one in _sections(value)]}
    if isinstance(value, dict):
        value = {f"${key}" if _LIKE_PART.fullmatch(key) else key: _share(one, parts, key) for key, one in value.items()}
    elif isinstance(value, list):
        value = [_share(one, parts) for one in value]
    if name in _OFTEN_THE_SAME and len(content := _dump(value)) >= _LARGE_CHARS:
        return {_PART: _part(content, parts)}
    return value


def _part(content: bytes, parts: dict[str, bytes]) -> str:
    digest = _digest(content)
    parts[digest] = content
    return digest


def _sections(text: str) -> Iterator[str]:
    """`text` cut at headings: the system prompt names the working folder, and only that section is new each time."""
    start = 0
    for heading in _HEADING.finditer(text):
        if heading.end() - start >= _LARGE_CHARS:
            yield text[start : heading.end()]
            start = heading.end()
    yield text[start:]


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes | None:
    """What a file of the store holds; None if it is not there or no longer readable."""
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error):
        return None


def _put(path: Path, content: bytes, now: float) -> None:
    """Let `path` hold `content` (a damaged one is healed), and be as young as `now`."""
    if _content(path) != content:
        write_atomically(path, gzip.compress(content, mtime=0))
    os.utime(path, (now, max(now, path.stat().st_mtime)))

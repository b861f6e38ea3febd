"""Reading a published matrix that others are held against, by URL or from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from compat_pipeline.domain.gate import Baseline
from compat_pipeline.domain.matrix import parse_matrix
from compat_pipeline.ground.errors import CompatError, WrongUsage

_PATIENCE_S = 30.0
_KNOWN_SCHEMA = "1"


def fetch_baseline(source: str) -> Baseline:
    """The matrix at `source`, an http(s) address or a path.

    Raises WrongUsage when it is not there or no matrix of the known schema, CompatError when it cannot be reached
    or read.
    """
    if not source.startswith(("http://", "https://")):
        return parse_baseline(_read(Path(source)), source)
    try:
        address = httpx.URL(source)
    except httpx.InvalidURL:
        raise WrongUsage("the matrix's address is none", _NEXT) from None
    # The name is shown and kept; a token can be in what goes before the host, and in the query.
    name = str(address.copy_with(username=None, password=None, query=None, fragment=None))
    return parse_baseline(_download(address, name), name)


def parse_baseline(document: str, name: str) -> Baseline:
    """The matrix in `document`; WrongUsage names a schema that is not known, or what is wrong with the document."""
    try:
        told: Any = json.loads(document)
    except ValueError as error:
        raise WrongUsage(f"the matrix {name} is no JSON document: {error}", _NEXT) from error
    schema = told.get("schema_version") if isinstance(told, dict) else None
    if schema != _KNOWN_SCHEMA:
        has = f"has schema {json.dumps(schema)}" if schema is not None else "states no schema"
        raise WrongUsage(f'the matrix {name} {has}; this version reads schema "{_KNOWN_SCHEMA}"', _NEXT)
    try:
        return Baseline(name, parse_matrix(document))
    except ValueError as error:
        raise WrongUsage(f"the matrix {name} is {error}", _NEXT) from error


_NEXT = "name a published compatibility-matrix.json: a file, an http(s) address, or `docs-repo`"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError) as error:
        raise WrongUsage(f"cannot read the matrix {path}: {error}", _NEXT) from error
    except OSError as error:
        raise CompatError(f"cannot read the matrix {path}: {error.strerror}", "check its owner and its disk") from error


def _download(address: httpx.URL, name: str) -> str:
    try:
        answer = httpx.get(address, timeout=_PATIENCE_S, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CompatError(f"cannot reach the matrix {name} ({type(error).__name__})", "check the network") from None
    except UnicodeError:
        # That a name such as a..b can be no host's shows only when it is looked up.
        raise WrongUsage(f"the matrix's address {name} names no host", _NEXT) from None
    if answer.is_server_error:
        raise CompatError(f"the matrix {name} answered {answer.status_code}", "try again later")
    if not answer.is_success:
        raise WrongUsage(f"the matrix {name} answered {answer.status_code}", _NEXT)
    return answer.text

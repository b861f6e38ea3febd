"""Reading a baseline: what is told of one that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from compat_pipeline.domain.matrix import parse_matrix
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.publication.baseline import fetch_baseline
from compat_pipeline_tests.claude.loopback import closed_port, served

GOLDEN = Path(__file__).parents[1] / "domain" / "golden" / "compatibility-matrix.json"
SECRET = "kGz8vLq2YpXw"


async def _page(request: Request) -> Response:
    status = request.path_params["status"]
    return PlainTextResponse(GOLDEN.read_text() if status == 200 else "no", status)


async def _moved(_: Request) -> Response:
    return RedirectResponse("/200")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    routes = [Route("/moved", _moved), Route("/{status:int}", _page)]
    with served(Starlette(routes=routes)) as address:
        yield address


def test_a_file_is_read() -> None:
    assert fetch_baseline(str(GOLDEN)).matrix == parse_matrix(GOLDEN.read_text())


@pytest.mark.parametrize("page", ["200", "moved"])
def test_an_address_is_fetched(site: str, page: str) -> None:
    assert fetch_baseline(f"{site}/{page}").matrix == parse_matrix(GOLDEN.read_text())


def test_a_secret_in_an_address_is_not_in_its_name(site: str) -> None:
    address = f"{site.replace('//', f'//user:{SECRET}@')}/200?token={SECRET}"
    assert fetch_baseline(address).name == f"{site}/200"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (json.loads(GOLDEN.read_text()) | {"schema_version": "2"}, 'has schema "2"; this version reads schema "1"'),
        ({"schema_version": 1}, 'has schema 1; this version reads schema "1"'),
        ({"features": []}, 'states no schema; this version reads schema "1"'),
        ([], "states no schema"),
        ({"schema_version": "1", "providers": []}, "generated_at: Field required"),
    ],
)
def test_another_document_is_told_apart_in_one_message(tmp_path: Path, document: object, told: str) -> None:
    (tmp_path / "it.json").write_text(json.dumps(document))
    with pytest.raises(WrongUsage) as caught:
        fetch_baseline(str(tmp_path / "it.json"))
    assert told in str(caught.value)
    assert str(tmp_path / "it.json") in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>", b"\xff\xfe", b""])
def test_a_file_that_is_no_json_is_wrong_usage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.json").write_bytes(content)
    with pytest.raises(WrongUsage, match=r"it\.json"):
        fetch_baseline(str(tmp_path / "it.json"))


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    for name in ("none.json", "no\0ne.json"):
        with pytest.raises(WrongUsage, match="cannot read the matrix"):
            fetch_baseline(str(tmp_path / name))


@pytest.mark.parametrize("address", ["/404", "/403"])
def test_a_page_that_is_not_there_is_wrong_usage(site: str, address: str) -> None:
    with pytest.raises(WrongUsage, match=f" answered {address[1:]}"):
        fetch_baseline(site + address)


@pytest.mark.parametrize("host", ["nowhere:port", "no..where"])
def test_an_address_that_is_none_is_wrong_usage(host: str) -> None:
    with pytest.raises(WrongUsage, match="the matrix's address") as caught:
        fetch_baseline(f"http://user:{SECRET}@{host}/")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("down", ["503", "closed"])
def test_a_site_that_is_down_is_no_mistake_of_the_user(site: str, down: str) -> None:
    address = f"{site}/503" if down == "503" else f"{closed_port()}/200?token={SECRET}"
    with pytest.raises(CompatError) as caught:
        fetch_baseline(address)
    assert not isinstance(caught.value, WrongUsage)
    assert SECRET not in str(caught.value)

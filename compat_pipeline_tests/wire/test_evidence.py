"""Bundles: kept redacted and small, read back whole or not at all, removed when old and not before."""

from __future__ import annotations

import base64
import gzip
import json
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.wire.evidence import CallEvidence, Evidence, EvidenceStore
from compat_pipeline_tests.wire.bundles import client_exchange, evidence, request

SECRET = 'key+/=" of ours\\'
REDACTOR = Redactor([SECRET])
DAY_S = 86400

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["# x\n" * 400, "y" * 2000]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$part", "$$part", "tools", "system", "a"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


def files(store_folder: Path) -> dict[str, Path]:
    """Everything the store has written, by its place in the folder."""
    return {str(path.relative_to(store_folder)): path for path in store_folder.rglob("*.gz")}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(value=st.dictionaries(st.text(max_size=4), JSON, max_size=3))
def test_a_bundle_is_read_back_as_it_was_kept(store: EvidenceStore, value: dict[str, Any]) -> None:
    kept = evidence(
        calls=(CallEvidence(events=({"$part": value}, value), exchanges=(client_exchange("hi", "ho", body=value),)),)
    )
    assert store.read(store.keep(kept, Redactor([]))) == kept


def test_the_digest_tells_one_bundle_from_another(store: EvidenceStore) -> None:
    first, again, other = (store.keep(evidence(words), REDACTOR) for words in ("one", "one", "two"))
    assert first == again != other
    assert store.read(other).calls[0].exchanges[0].request["messages"][0]["content"][0]["text"] == "two"


def test_no_spelling_of_a_secret_reaches_the_disk(store: EvidenceStore, tmp_path: Path) -> None:
    spellings = [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps({"error": SECRET}),
        repr({"error": SECRET}),
        base64.b64encode(f"user:{SECRET}!".encode()).decode(),
    ]
    leaking = CallEvidence(
        argv=("claude", *spellings),
        env={"HOME": spellings[1], "ANTHROPIC_AUTH_TOKEN": "any value"},
        stdin="\n".join(spellings),
        events=({"type": "result", "result": spellings}, *spellings),
        stderr=f"Traceback: {spellings}",
        exchanges=(
            client_exchange(" ".join(spellings) + "x" * 3000, spellings[2], path=f"/v1/messages?k={spellings[1]}"),
        ),
    )
    store.keep(evidence(calls=(leaking,), explanation=f"refused: {spellings[3]}"), REDACTOR)
    written = b"".join(gzip.decompress(path.read_bytes()) for path in files(tmp_path).values()).decode()
    for spelling in spellings:
        assert json.dumps(spelling)[1:-1] not in written
    assert "of ours" not in written
    assert quote("key+/", safe="") not in written
    assert base64.b64encode(f"user:{SECRET}"[:-1].encode()).decode()[8:-4] not in written
    assert written.count("[redacted]") >= 4 * len(spellings)


def test_a_call_holds_no_credential_of_its_environment() -> None:
    call = CallEvidence(env={"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_API_KEY": "k", "MAX_THINKING_TOKENS": "4096"})
    assert call.env == {"MAX_THINKING_TOKENS": "4096"}


def test_what_repeats_is_stored_once(store: EvidenceStore, tmp_path: Path) -> None:
    def cell(number: int) -> Evidence:
        asked = request(f"Reply with nonce-{number:012x}", folder=f"/srv/work-{number}")
        return evidence(calls=(CallEvidence(exchanges=(client_exchange("", "ho", request=asked),)),))

    def size() -> int:
        return sum(path.stat().st_size for path in files(tmp_path).values())

    store.keep(cell(0), REDACTOR)
    first, count = size(), len(files(tmp_path))
    store.keep(cell(1), REDACTOR)
    assert len(cell(1).model_dump_json()) > 25_000
    assert size() - first < 3_500
    assert len(files(tmp_path)) - count <= 3


def test_a_bundle_that_is_not_there_is_told(store: EvidenceStore) -> None:
    digest = "0" * 64
    with pytest.raises(CompatError, match=f"there is no evidence {digest}"):
        store.read(digest)


@pytest.mark.parametrize("change", ["removed", "cut", "altered", "emptied"])
def test_a_damaged_file_is_told_with_the_bundle_that_needs_it(tmp_path: Path, change: str) -> None:
    store = EvidenceStore(tmp_path)
    digest = store.keep(evidence(), REDACTOR)
    for place, path in files(tmp_path).items():
        good = path.read_bytes()
        if change == "removed":
            path.unlink()
        else:
            path.write_bytes({"cut": good[:-9], "altered": gzip.compress(b'{"a":1}'), "emptied": b""}[change])
        with pytest.raises(CompatError) as told:
            store.read(digest)
        assert digest in str(told.value)
        assert change == "removed" or str(tmp_path / place) in str(told.value)
        assert "next:" in str(told.value)
        path.write_bytes(good)
    assert store.read(digest) == evidence()


def test_a_bundle_of_another_form_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EvidenceStore(tmp_path)
    monkeypatch.setattr(Evidence, "model_dump", lambda *_, **__: {"cell": "x", "from": "a newer version"})
    digest = store.keep(evidence(), REDACTOR)
    with pytest.raises(CompatError, match=f"{digest} is not in the form that this version writes"):
        store.read(digest)


def test_a_damaged_part_is_healed_by_the_next_bundle_that_uses_it(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    digest = store.keep(evidence(), REDACTOR)
    for path in (tmp_path / "parts").rglob("*.gz"):
        path.write_bytes(b"")
    store.keep(evidence(explanation="another"), REDACTOR)
    assert store.read(digest) == evidence()


def test_bundles_are_found_by_how_their_digest_begins(store: EvidenceStore) -> None:
    digest = store.keep(evidence(), REDACTOR)
    assert store.find(digest[:8]) == store.find(digest) == [digest]
    assert store.find("../bundles") == store.find("") == store.find("f" * 64) == []


def age(folder: Path, days: float) -> None:
    """Let everything in `folder` have been touched `days` earlier."""
    for path in folder.rglob("*"):
        if path.is_file():
            before = path.stat().st_mtime - days * DAY_S
            os.utime(path, (before, before))


def test_old_bundles_go_and_what_a_younger_one_needs_stays(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    old = store.keep(evidence("the old words " * 100), REDACTOR)
    age(tmp_path, days=10)
    young = store.keep(evidence("the new words"), REDACTOR)
    age(tmp_path, days=10)
    assert store.prune(older_than_days=15) == 1
    assert store.read(young) == evidence("the new words")
    with pytest.raises(CompatError, match="there is no evidence"):
        store.read(old)
    assert store.prune(older_than_days=15) == 0


def test_pruning_everything_leaves_nothing_behind(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    store.keep(evidence(), REDACTOR)
    left_by_a_killed_writer = next((tmp_path / "bundles").iterdir()) / ".abc.json.gz.tmp"
    left_by_a_killed_writer.write_bytes(b"half")
    age(tmp_path, days=1)
    assert store.prune(older_than_days=0.5) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_a_bundle_that_is_kept_again_is_young_again(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    digest = store.keep(evidence(), REDACTOR)
    age(tmp_path, days=10)
    store.keep(evidence(), REDACTOR)
    assert store.prune(older_than_days=5) == 0
    assert store.read(digest) == evidence()


def _keep_many(folder: Path, writer: int) -> list[str]:
    store = EvidenceStore(folder)
    return [store.keep(evidence(f"words {number} of {number % 2 * writer}"), REDACTOR) for number in range(12)]


def test_several_processes_write_and_prune_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        written = pool.starmap_async(_keep_many, [(tmp_path, writer) for writer in range(3)])
        store = EvidenceStore(tmp_path)
        while not written.ready():
            store.prune(older_than_days=1)
            time.sleep(0.01)
        digests = {digest for some in written.get() for digest in some}
    assert len(digests) == 6 + 3 * 6
    assert {store.read(digest).cell for digest in digests} == {evidence().cell}


def test_nothing_is_pruned_while_a_bundle_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, waited = EvidenceStore(tmp_path), []

    def write(path: Path, content: bytes) -> None:
        pruning = threading.Thread(target=store.prune, args=(0,), daemon=True)
        pruning.start()
        pruning.join(0.05)
        waited.append(pruning.is_alive())
        write_atomically(path, content)

    monkeypatch.setattr("compat_pipeline.wire.evidence.write_atomically", write)
    store.keep(evidence(calls=()), REDACTOR)
    assert waited == [True]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file where the folder should be")
    with pytest.raises(CompatError, match=str(tmp_path / "evidence")):
        EvidenceStore(tmp_path / "evidence").keep(evidence(), REDACTOR)


def test_the_command_that_runs_the_cell_again_is_told() -> None:
    cell = "--cells 'tool_use|bedrock_converse/claude-sonnet-4-6'"
    told = f"--litellm 1.106.2 --claude-code 2.1.329 {cell}"
    assert evidence().reproduce == f"COMPAT_UPSTREAM=emulated compat gate {told}"
    assert evidence(upstream="live").reproduce == f"COMPAT_UPSTREAM=live compat gate {told}"
    broken, varied = evidence(fault="picture_dropped").reproduce, evidence(variant="drop_params").reproduce
    assert broken == f"COMPAT_UPSTREAM=emulated compat prove --fault picture_dropped {told}"
    two = evidence(fault="effort_dropped+call_id_dropped").reproduce
    assert two == f"COMPAT_UPSTREAM=emulated compat prove --fault effort_dropped --fault call_id_dropped {told}"
    assert varied == f"COMPAT_UPSTREAM=emulated compat variants --variant drop_params {told}"
    made = evidence(litellm_version="1.107.0.dev1", litellm_request="path:~/my litellm").reproduce
    assert made == f"COMPAT_UPSTREAM=emulated compat gate --litellm 'path:~/my litellm' --claude-code 2.1.329 {cell}"
    elsewhere = evidence(litellm_version="unknown", litellm_request="unknown", claude_code_version="unknown")
    assert elsewhere.reproduce == f"COMPAT_UPSTREAM=emulated compat gate {cell}"

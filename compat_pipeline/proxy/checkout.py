"""LiteLLM from a checkout: the code as it lies there, edits included, built and locked like a release."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.git import Git
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically
from compat_pipeline.ground.scratch import scratch_folder
from compat_pipeline.ground.shelf import taken
from compat_pipeline.proxy.client import ClientRefused, run_uv
from compat_pipeline.proxy.release import LitellmRelease, companions, compile_lock, fingerprint, sha256

PATH_REQUEST = "path:"
"""A request that begins with it names a checkout."""

_ABBREVIATED = 12
LAST_LINES = 20
BUILD_LIMIT_S = 3600.0
_GIT_LIMIT_S = 600.0
# Where a Rust toolchain is, if not under HOME.
_TOOLCHAIN = ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")


@dataclass(frozen=True)
class Snapshot:
    """The code of a `checkout` at one moment: `tree` is git's id of it, edits and new files included.

    `copied` makes a copy of it and says where; `out` is for what is built from that. Both are short-lived.
    """

    checkout: Path
    commit: str
    tree: str
    dirty: bool
    copied: Callable[[], Path]
    out: Path

    @property
    def name(self) -> str:
        """Names the code: the commit and, where that does not hold all of it, the tree too."""
        commit = self.commit[:_ABBREVIATED]
        return f"{commit}.dirty.{self.tree[:_ABBREVIATED]}" if self.dirty else commit

    def release(
        self, version: Version, request: str, *, digest: str, lock: Path | None = None, image: str | None = None
    ) -> LitellmRelease:
        """The code as LiteLLM `version`, which `request` named; installed from `lock`, or in the `image` of that id."""
        return LitellmRelease(
            version=str(version),
            tag=f"v{version}{'.' if version.local else '+'}{self.name}",
            source="path",
            policy=request,
            lock=lock,
            digest=digest,
            commit=f"{self.commit}{'-dirty' if self.dirty else ''}",
            image_digest=image,
        )


def resolve_checkout(request: str, cache: Path, python: Path) -> LitellmRelease:
    """The LiteLLM in the git checkout that `request` (`path:FOLDER`) names, for the interpreter `python`.

    What is built is a copy: the commit with all edits and new files, without what git ignores; the checkout stays as
    it is. Its wheel and its lock are kept under `cache` by the code's digest, so that the same code is built once. The
    deny-list is about what an index offers, and does not count here. Raises WrongUsage where there is no such folder,
    else CompatError.
    """
    with snapshot(request, cache) as code:
        folder = make_folder(checkout_shelf(cache)) / f"{code.tree}-{fingerprint(python, ())}"
        with taken(folder):
            wheel = _built(code, folder, python, make_folder(cache / "litellm" / "cargo"))
            version = parse_wheel_filename(wheel.name)[1]
            lock = folder / "lock.txt"
            if not lock.is_file():
                wanted = [f"litellm[proxy] @ {wheel.as_uri()}", "google-auth", *companions(version.base_version)]
                write_atomically(lock, compile_lock(wanted, (), folder, python, f"cannot resolve {code.checkout}"))
    return code.release(version, request, digest=sha256(lock.read_text()), lock=lock)


def checkout_folder(request: str) -> Path:
    """The folder that `request` (`path:FOLDER`) names; WrongUsage where there is none."""
    folder = Path(request.removeprefix(PATH_REQUEST))
    try:
        folder = folder.expanduser().absolute()
        if folder.is_dir():
            return folder
    except RuntimeError:  # ~NAME of nobody who is known here
        pass
    raise WrongUsage(f"there is no folder {folder}", "name a checkout of LiteLLM: path:/some/folder")


def checkout_shelf(cache: Path) -> Path:
    """Where the wheels and locks are kept."""
    return cache / "litellm" / "checkouts"


def _built(code: Snapshot, folder: Path, python: Path, cargo: Path) -> Path:
    """The wheel of the code, built unless it is there; what a build left half-done has another place.

    LiteLLM has parts in Rust: its toolchain must be there, and what it compiled stays in `cargo` for the next build.
    """
    if not (wheels := list(folder.glob("*.whl"))):
        out = make_folder(code.out)
        what = f"cannot build LiteLLM from {code.checkout}"
        try:
            arguments = ("build", "--wheel", "--python", python, "--out-dir", out, code.copied())
            toolchain = {name: os.environ[name] for name in _TOOLCHAIN if name in os.environ}
            settings = {**toolchain, "CARGO_TARGET_DIR": str(cargo)}
            run_uv(arguments, what=what, cwd=folder, next_step="", settings=settings, timeout_s=BUILD_LIMIT_S)
        except ClientRefused as refused:
            said = "\n".join(refused.cause.splitlines()[-LAST_LINES:])
            raise CompatError(f"{what}:\n{said}", f"try it there: uv build --wheel {code.checkout}") from refused
        wheels = [wheel.rename(folder / wheel.name) for wheel in out.glob("*.whl")]
    try:
        if [parse_wheel_filename(wheel.name)[0] for wheel in wheels] == ["litellm"]:
            return wheels[0]
    except InvalidWheelFilename:
        pass
    built = ", ".join(wheel.name for wheel in wheels) or "nothing"
    raise CompatError(f"{code.checkout} is no checkout of LiteLLM: its build gives {built}")


def _ours_within(checkout: Path, prefix: str, cache: Path) -> list[str]:
    """Where this product keeps its own, should that be in the checkout; as patterns of git's for its repository."""
    top = checkout.resolve()
    places = (place.resolve() for place in (CompatHome.from_env().root, cache))
    within = (place.relative_to(top) for place in places if place.is_relative_to(top) and place != top)
    # A blank too: at the end of a pattern it would not count.
    return [re.sub(r"[\\*?\[\] ]", r"\\\g<0>", f"/{prefix}{place.as_posix()}") for place in within]


def _quoted(path: Path) -> str:
    """As git reads it from a list that ":" divides."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _line(told: str) -> str:
    """A path as git tells it: blanks at its ends belong to it."""
    return told.removesuffix("\n")


@contextmanager
def snapshot(request: str, cache: Path) -> Iterator[Snapshot]:
    """The code that `request` (`path:FOLDER`) names as it is now, for the length of the block.

    Git reads it with an index and an object store of its own beside the checkout's, which nothing is written to. A
    COMPAT_HOME in the checkout is no part of it.
    Raises WrongUsage where there is no such folder, else CompatError.
    """
    checkout = checkout_folder(request)
    # A checkout in CI often belongs to another user than the one who runs there.
    git = Git(checkout, settings=("safe.directory=*",), timeout_s=_GIT_LIMIT_S)
    with scratch_folder(cache / "litellm" / "snapshots") as scratch:
        if not git.succeeds("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
            raise CompatError(f"{checkout} is no git checkout with a commit", "the commit names what is tested")
        commit, prefix = git.run("rev-parse", "HEAD").strip(), _line(git.run("rev-parse", "--show-prefix"))
        objects = git.folder / _line(git.run("rev-parse", "--git-path", "objects"))
        own = {
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": str(make_folder(scratch / "objects")),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects),
        }
        git.run("read-tree", "HEAD", env=own)
        ours = scratch / "ours"
        ours.write_text("".join(f"{place}\n" for place in _ours_within(checkout, prefix, cache)))
        git.run("-c", f"core.excludesFile={ours}", "add", "--all", "--", ".", env=own)
        whole = git.run("write-tree", env=own).strip()
        tree = git.run("rev-parse", f"{whole}:{prefix}", env=own).strip()
        dirty = tree != git.run("rev-parse", f"HEAD:{prefix}").strip()

        def copied() -> Path:
            top = _line(git.run("rev-parse", "--show-toplevel"))
            git.run("-C", top, "checkout-index", "--all", f"--prefix={scratch}/copy/", env=own)
            return scratch / "copy" / prefix

        out = scratch / "out"
        yield Snapshot(checkout=checkout, commit=commit, tree=tree, dirty=dirty, copied=copied, out=out)

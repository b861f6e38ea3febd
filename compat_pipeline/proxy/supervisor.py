"""The supervisor of one runtime: `python -m compat_pipeline.proxy.supervisor STATE_FOLDER LOG_FOLDER`.

It starts the upstreams (the embedded providers, or the relay to the real ones) and LiteLLM, tries every route with one
real message, writes the descriptor, and stays until the last lease is gone or one of its processes dies. What it prints
is the progress of the start.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import FrameType

import httpx

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.config import EmbeddedUpstreams, ProxyConfig, render_config
from compat_pipeline.proxy.folder import POLL_S, RecordedProcess, RuntimeFolder
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.ledger import LEDGER_FILE
from compat_pipeline.proxy.process import (
    ADDRESS_IN_USE,
    HOST,
    Child,
    Place,
    VenvPlace,
    free_port,
    last_lines,
    start_emulator,
    start_relay,
)
from compat_pipeline.proxy.routes import Trial, provider_health, refused_accounts, try_routes
from compat_pipeline.proxy.runtime import Runtime, RuntimeSpec
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.relay.accounts import Accounts
from compat_pipeline.wire.exchange import Exchange, UpstreamControl

_START_TIMEOUT_S = 180.0
_WATCH_S = 0.25
_PORT_ATTEMPTS = 3
_LONGEST_ANSWER_CHARS = 500


class _Ended(Exception):
    """The runtime cannot go on; the text says why."""


class _NotWanted(Exception):
    """Nobody holds the runtime any more, and it is gone."""


class Supervisor:
    """One runtime's processes, from start to end. `run` is all of it; its parts serve tests."""

    def __init__(self, folder: RuntimeFolder) -> None:
        self._folder = folder
        self._spec = RuntimeSpec.model_validate_json(folder.spec.read_bytes())
        self._credentials = EmulatorCredentials.generate()
        self._master_key = f"sk-{secrets.token_urlsafe(24)}"
        live = self._spec.upstream == "live"
        self._accounts = Accounts.model_validate_json(folder.accounts.read_bytes()) if live else None
        given = self._accounts.secrets if self._accounts else ()
        self._secrets = (self._master_key, *self._credentials.secrets, *given)
        self._redactor = Redactor(self._secrets)
        self._children: list[Child] = []
        self._place = _place(self._spec, folder)

    def run(self) -> None:
        """Start, watch, end. Returns when every process is gone; a reason to end early is left in the state folder."""
        signal.signal(signal.SIGTERM, _asked_to_stop)
        try:
            self._start()
            while True:
                self._watch()
                time.sleep(_WATCH_S)
        except _NotWanted:
            pass
        except (_Ended, CompatError) as error:
            self._explain(str(error))
        except Exception as error:
            _say(self._redactor.text(traceback.format_exc()))
            self._explain(f"its supervisor broke: {error!r}")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.end()

    def _start(self) -> None:
        upstreams = self._start_upstreams(self._place.open())
        installed, version, served = self._spec.installed, self._spec.release.version, self._spec.manifest.served
        config = render_config(
            self._spec.manifest,
            upstreams,
            litellm_version=version,
            master_key=self._master_key,
            variant=self._spec.variant,
        )
        _say(f"starting LiteLLM {version}")
        url = self.start_proxy(config, (free_port() for _ in range(_PORT_ATTEMPTS)))
        if why := self._children[-1].cut_off_from(upstreams.base_url):
            raise _Ended(why)
        _say(f"trying {len(served)} routes with a message each")
        tried = try_routes(url, self._master_key, served)
        heard = self._heard(upstreams, tried)
        Runtime(
            key=self._folder.root.name,
            proxy_url=url,
            api_key=self._master_key,
            control_url=upstreams.base_url,
            control_token=self._credentials.control_token,
            ledger=self._folder.root / LEDGER_FILE,
            secrets=self._secrets,
            upstream=self._spec.upstream,
            variant=self._spec.variant,
            litellm_version=version,
            venv_digest=installed.digest if isinstance(installed, ProxyVenv) else None,
            image_digest=installed.digest if isinstance(installed, ProxyImage) else None,
            config_digest=config.digest,
            started_at=datetime.now(timezone.utc),
            supervisor_pid=os.getpid(),
            routes=self._fit({name: trial.answer for name, trial in tried.items()}),
            providers=self._fit(provider_health(heard)),
            # Only a real account can be refused for what it is: emulated ones are refused on purpose.
            locked_out=self._fit(refused_accounts(tried, heard)) if self._accounts else {},
        ).save(self._folder.runtime)

    def _heard(self, upstreams: EmbeddedUpstreams, tried: Mapping[str, Trial]) -> dict[str, list[Exchange]]:
        with closing(UpstreamControl(upstreams.base_url, self._credentials.control_token)) as control:
            return {name: control.exchanges(trial.nonce) for name, trial in tried.items()}

    def _fit(self, told: Mapping[str, str]) -> dict[str, str]:
        """As much of what each name was told as may be kept."""
        return {name: self._redactor.text(words)[:_LONGEST_ANSWER_CHARS] for name, words in told.items()}

    def _start_upstreams(self, host: str) -> EmbeddedUpstreams:
        python, folder, logs = Path(sys.executable), self._folder.root, self._folder.logs
        if self._accounts is None:
            _say("starting the embedded providers")
            log = logs / "emulator.log"
            child, ready = start_emulator(python, self._credentials, folder=folder, log=log, host=host)
        else:
            _say("starting the relay to the real providers")
            log, given = logs / "relay.log", self._accounts
            child, ready = start_relay(python, self._credentials, given, folder=folder, log=log, host=host)
        self._adopt(child)
        self._wait_until(ready.exists, child)
        return EmbeddedUpstreams(base_url=json.loads(ready.read_bytes())["base_url"], credentials=self._credentials)

    def start_proxy(self, config: ProxyConfig, ports: Iterable[int]) -> str:
        """The address of a live proxy on the first of `ports` that nobody took meanwhile."""
        refused = "there is no port left to try"
        for port in ports:
            url = f"http://{HOST}:{port}"
            log, upstreams = self._folder.logs / "proxy.log", len(self._children)
            try:
                proxy = self._place.start(config, port=port, log=log, redactor=self._redactor)
                self._adopt(proxy)
                with httpx.Client(base_url=url, timeout=5.0, trust_env=False) as client:
                    self._wait_until(partial(_is_live, client, proxy, port), proxy)
                self._watch()
                return url
            except (_Ended, CompatError) as error:
                refused = str(error)
                if ADDRESS_IN_USE not in refused:
                    raise
                while len(self._children) > upstreams:
                    self._children.pop().end()
        raise _Ended(refused)

    def _adopt(self, child: Child) -> None:
        self._children.append(child)
        alive = (RecordedProcess.if_alive(each.name, each.pid) for each in self._children)
        self._folder.record([process for process in alive if process])

    def _wait_until(self, ready: Callable[[], bool], child: Child) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not ready():
            self._watch()
            if time.monotonic() > deadline:
                raise _Ended(f"{child.name} did not come up in {_START_TIMEOUT_S:.0f} s:\n{last_lines(child.log)}")
            time.sleep(POLL_S)

    def _watch(self) -> None:
        """Raises _Ended when a process died, _NotWanted when nobody wants the runtime and it has been removed."""
        for child in self._children:
            if why := child.why_dead():
                raise _Ended(why)
        if not self._folder.is_idle():
            return
        with self._folder.changing():
            if self._folder.is_idle():
                self.end()
                shutil.rmtree(self._folder.root, ignore_errors=True)
                raise _NotWanted

    def end(self) -> None:
        """End every process that was started."""
        while self._children:
            self._children.pop().end()
        self._place.close()

    def _explain(self, reason: str) -> None:
        reason = self._redactor.text(reason)
        try:
            self._folder.record_end(reason)
        except CompatError:
            _say(reason)


def _place(spec: RuntimeSpec, folder: RuntimeFolder) -> Place:
    if isinstance(spec.installed, ProxyVenv):
        return VenvPlace(spec.installed, folder.root)
    from compat_pipeline.proxy.container import ContainerPlace  # few have an engine's client to load

    return ContainerPlace(spec.installed, folder, spec.release.version)


def _is_live(client: httpx.Client, proxy: Child, port: int) -> bool:
    with suppress(httpx.HTTPError):
        # Another server may have taken the port, and answer: it must not be sent our key either.
        return client.get("/health/liveliness").status_code == httpx.codes.OK and proxy.listens_on(port)
    return False


def _asked_to_stop(_number: int, _frame: FrameType | None) -> None:
    raise _Ended("the proxy was asked to stop")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    Supervisor(RuntimeFolder(root=Path(sys.argv[1]), logs=Path(sys.argv[2]))).run()

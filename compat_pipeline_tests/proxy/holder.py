"""A process that leases a proxy until it is killed: `SPEC.json HOME CACHE`; prints the proxy's address."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.lease import RuntimeSpec, lease

if __name__ == "__main__":
    spec, root, cache = map(Path, sys.argv[1:])
    wanted = RuntimeSpec.model_validate_json(spec.read_bytes())
    with lease(wanted, CompatHome(root=root, cache=cache), linger_s=600) as runtime:
        print(runtime.proxy_url, flush=True)
        threading.Event().wait()

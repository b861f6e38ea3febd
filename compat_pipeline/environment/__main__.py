"""One environment as a process: `python -m compat_pipeline.environment SPEC`.

Prints all that was seen so far as a line of JSON, again after each stage: whoever ends it still has what came before.
"""

from __future__ import annotations

import sys
from pathlib import Path

from compat_pipeline.environment.ladder import CellSpec, Ladder
from compat_pipeline.ground.home import CompatHome

if __name__ == "__main__":
    spec = CellSpec.model_validate_json(Path(sys.argv[1]).read_bytes())
    Ladder(spec, CompatHome.from_env(), lambda seen: print(seen.model_dump_json(), flush=True)).climb()

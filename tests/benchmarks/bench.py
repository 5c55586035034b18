"""`make bench`: each bench_*.py measures ours and the peer in one run; the ratios are printed and kept.

Every measure returns {"title", "unit", "ours", "peer", "peer_name", ...}; smaller is better unless
"larger_is_better". Results go to results/<date>.json; timings decide no test.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> int:
    """Run every benchmark (or those named) in a process of its own."""
    wanted = sys.argv[1:]
    found = []
    for path in sorted(HERE.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if wanted and name not in wanted:
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, str(path)], stdout=subprocess.PIPE, check=True, text=True
        )
        for measure in as_list(json.loads(done.stdout)):
            found.append({"benchmark": name, **measure})
            print(line(found[-1]), flush=True)
    result = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}",
        "measures": found,
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    kept = folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    kept.write_text(json.dumps(result, indent=1) + "\n")
    print(f"kept in {kept.relative_to(Path.cwd()) if kept.is_relative_to(Path.cwd()) else kept}")
    return 0


def as_list(value: Any) -> list[dict[str, Any]]:
    """Return a benchmark's measures: it may print one or a list."""
    return value if isinstance(value, list) else [value]


def line(measure: dict[str, Any]) -> str:
    """Return one measure as a line: ours, the peer, and how many times better."""
    ours, peer, unit = measure["ours"], measure["peer"], measure["unit"]
    above, below = (ours, peer) if measure.get("larger_is_better") else (peer, ours)
    ratio = above / below if below else float("inf")
    return (
        f"  {measure['title']}: {ours:.4g} {unit}; {measure['peer_name']} {peer:.4g} {unit} "
        f"(ratio {ratio:.3g})"
    )


if __name__ == "__main__":
    raise SystemExit(main())

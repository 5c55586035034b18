"""`make demo`: run the tour as a job in a project of its own, and say in a few lines what came of it.

A script as a user would write one: it speaks to `jupyter mlops … --json` and nothing else.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOTEBOOKS = ("00-tour.ipynb", "runs.ipynb", "data.ipynb", "train.ipynb")


def mlops(folder: Path, *words: str, json_result: bool = False) -> Any:
    """Run one `jupyter mlops` line; its progress goes straight to this terminal."""
    command = [sys.executable, "-m", "jupyter_mlops.cli", *words]
    if not json_result:
        done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(done.returncode)
        return None
    done = subprocess.run([*command, "--json"], cwd=folder, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def prepare(folder: Path) -> None:
    """Make the project, with the notebooks as they are shipped."""
    folder.mkdir(exist_ok=True)
    for name in NOTEBOOKS:
        shutil.copyfile(HERE / name, folder / name)
    mlops(folder, "init", "--name", "screening")


def summary(folder: Path) -> list[str]:
    """Return what the tour left behind, read through the same verbs that a script would use."""
    run = mlops(folder, "run", "show", "forest", json_result=True)
    data = mlops(folder, "data", "list", json_result=True)
    sweep = mlops(folder, "run", "list", "--kind", "sweep", "--limit", "1", json_result=True)[0]
    points = mlops(folder, "run", "list", "--kind", "job", json_result=True)
    jobs = mlops(folder, "job", "list", json_result=True)
    services = mlops(folder, "service", "list", json_result=True)
    drift = mlops(folder, "drift", "history", json_result=True)[0]
    lines = [
        f"run      {run['name']} {run['run_id'][:8]}: "
        + ", ".join(f"{name} {value:.4f}" for name, value in run["metrics"].items()),
        *(f"data     {item['path']} @ {item['version'][:12]}, {item['status']}" for item in data),
    ]
    grid = [point for point in points if point["parent"] == sweep["run_id"]]
    for point in sorted(grid, key=lambda point: int(point["params"]["depth"])):
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in point["metrics"].items())
        lines.append(f"sweep    depth {point['params']['depth']:>2}: {metrics}")
    lines += [
        f"job      {item['name']}: {item['cron']}, next {item['next_time']}"
        for item in jobs
        if item["cron"]
    ]
    for item in services:
        parity = item["parity"]
        same = "the same answers as the notebook" if parity["equal"] else "DIFFERENT answers"
        logged = f", {item['requests']} rows answered since" if item["requests"] else ""
        lines.append(
            f"service  {item['name']} ({item['flavor']}): {same} on {parity['rows']} rows{logged}"
        )
    lines.append(
        f"drift    {drift['service']}: {drift['verdict']}, {drift['drifted']} of {drift['evaluated']} columns"
    )
    return lines


def main() -> None:
    """Prepare, run, sum up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prepare", action="store_true", help="only make the project")
    arguments = parser.parse_args()
    started = time.monotonic()
    prepare(arguments.folder)
    if not arguments.prepare:
        mlops(arguments.folder, "job", "run", "00-tour.ipynb")
        print(f"\nThe tour ran in {time.monotonic() - started:.0f} s. What it left:\n")
        print("\n".join(f"  {line}" for line in summary(arguments.folder)))
        print("\nOpen the same project in JupyterLab: make lab")


if __name__ == "__main__":
    main()

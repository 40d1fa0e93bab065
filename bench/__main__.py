"""``python -m bench [NAME ...]``: run benchmarks and keep their figures in results/."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAMES = ("startup", "cached", "gateway", "loading", "demo_model")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the benchmarks that are named; all without a name."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=f"Benchmarks: {', '.join(NAMES)}."
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    for name in parser.parse_args().names or NAMES:
        print(f"· {name}", flush=True)
        before = round(os.getloadavg()[0], 1)
        figures = importlib.import_module(f"bench.{name}").run()
        RESULTS.mkdir(exist_ok=True)
        report = {"benchmark": name, "figures": figures, "setting": _setting(before)}
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
        print(json.dumps(figures, indent=2), flush=True)


def _setting(load: float) -> dict[str, Any]:
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        # What else the machine was doing: processes that wanted a core before the run.
        "load_before": load,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "llmlab": version("llmlab"),
        "xllamacpp": version("xllamacpp"),
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


if __name__ == "__main__":
    main()

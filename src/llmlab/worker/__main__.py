"""``python -m llmlab.worker``: a worker without the command line's libraries, so it starts fast.

Everything but its name, its port and its coordinator comes from the environment.
"""

from __future__ import annotations

import argparse
import sys

from llmlab.errors import LabError
from llmlab.settings import load_settings
from llmlab.worker.main import default_name, run_worker


def main() -> int:
    """Run the worker; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m llmlab.worker", description=__doc__)
    parser.add_argument("--name", default=default_name(), help="name in the lab")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one")
    parser.add_argument("--coordinator", help="address of the coordinator to join")
    parser.add_argument(
        "--child", action="store_true", help="end when standard input closes; loopback only"
    )
    arguments = parser.parse_args()
    try:
        run_worker(
            load_settings().settings,
            name=arguments.name,
            port=arguments.port,
            coordinator_url=arguments.coordinator,
            child=arguments.child,
        )
    except LabError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


sys.exit(main())

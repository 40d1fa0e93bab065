"""``python -m llmlab`` is the command ``llmlab``."""

from llmlab.cli.main import main

main()

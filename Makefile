# LLM Lab. `make` alone lists the targets; options for the lab itself go into ARGS.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
ARGS ?=
MINUTES ?=

# The first of these that is new enough makes the virtual environment; PYTHON=... overrides.
CANDIDATES := python3 python3.13 python3.12 python3.11
RECENT := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: help up demo test lint format lock bench lab-mini clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

up: $(VENV)/.installed ## Install what is missing, then start the lab: make up ARGS="--port 8123"
	@exec $(BIN)/llmlab up $(ARGS)

demo: $(VENV)/.installed ## Start a lab, ask it a few questions, stop it
	@exec $(BIN)/python examples/demo.py $(ARGS)

test: $(VENV)/.installed-dev ## Format check, lint, types, layers and all tests with coverage
	@if [ -x tests/services.sh ]; then tests/services.sh; fi
	@echo "· format, lint, types, layers"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > /dev/null || { $(BIN)/lint-imports --no-cache; exit 1; }
	@echo "· tests"
	@$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 1 --cov --cov-report=term $(ARGS)

lint: $(VENV)/.installed-dev ## Check format, style, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

# Both locks hold for Python 3.11 and later on every platform, and name no index.
COMPILE = $(BIN)/uv pip compile pyproject.toml --extra postgres --group build --universal \
	--python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --quiet --custom-compile-command "make lock"

lock: $(VENV)/.installed-dev ## Resolve the dependencies anew: make lock ARGS=--upgrade
	$(COMPILE) $(ARGS) --output-file requirements.lock
	$(COMPILE) $(ARGS) --group dev --constraints requirements.lock \
		--output-file requirements-dev.lock

bench: $(VENV)/.installed-dev ## Measure start, cache, gateway and model loading
	@exec $(BIN)/python -m bench $(ARGS)

# Torch comes into an environment of its own: nothing else here needs it.
TRAIN := .venv-train

lab-mini: $(TRAIN)/.installed ## Train lab-mini, the built-in demo model: make lab-mini MINUTES=60
	@# Or glibc gives large tensors' memory back after each use, to be mapped and cleared again.
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 PYTHONPATH=src \
		$(TRAIN)/bin/python -m training.run $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

$(TRAIN)/.installed: training/requirements.txt $(VENV)/.installed
	@echo "· installing PyTorch into $(TRAIN) (once; on Linux 5 GB, with what GPUs need)"
	@$(BIN)/python -m venv --clear $(TRAIN)
	@$(TRAIN)/bin/python -m pip install --quiet -r training/requirements.txt
	@touch $@

clean: ## Remove what can be made again; the lab's home folder stays
	rm -rf $(VENV) $(TRAIN) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		.coverage .coverage.* htmlcov build dist
	find src tests training bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
		for name in $(CANDIDATES); do \
			if $$name -c '$(RECENT)' 2> /dev/null; then python=$$name; break; fi; \
		done; \
	fi; \
	if [ -z "$$python" ] || ! $$python -c '$(RECENT)' 2> /dev/null; then \
		echo "LLM Lab needs Python 3.11 or later with venv$${python:+, which $$python is not}." >&2; \
		echo "On Debian or Ubuntu: sudo apt install python3 python3-venv." \
			"Another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "· making $(VENV) with $$($$python --version)"; \
	$$python -m venv --clear $(VENV)

# A stamp is as new as the lock that it was installed from, so a second start installs nothing.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "· installing the locked dependencies (once, about a minute)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "· installing the locked development tools (once)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

# `make` alone lists the commands; each is a line of ordinary tools.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
INSTALLED := .venv/.installed
STUDY ?=
JOBS ?= auto
CLUSTER ?=
PORT ?= 5000

# Stages call `python`, whether or not the environment is activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# DVC and MLflow run as separate processes: the switches that ferbench sets for itself are set for them here.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false

.PHONY: help setup check test test-thorough test-avx2 test-all repro smoke publish status ui report docs hooks lock clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED)  ## create .venv from requirements.lock (minutes the first time)

# The stamp holds the checkout's path: a copied or moved checkout gets a new environment.
ifneq ($(wildcard $(INSTALLED)),)
ifneq ($(shell cat $(INSTALLED)),$(CURDIR))
.PHONY: $(INSTALLED)
VENV_OPTIONS := --clear
endif
endif

$(INSTALLED): pyproject.toml requirements.lock
	@python=$$(for p in python3.11 python3 python; do \
	  "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$p" && break; \
	done) || { echo "error: Python 3.11 is required; neither python3.11 nor python3 is that version" >&2; \
	  echo "  remedy: install Python 3.11 (with its venv module) and run make again" >&2; exit 2; }; \
	echo "setup: $$("$$python" --version) in .venv; the first time takes some minutes and 8 GB of disk"; \
	"$$python" -m venv $(VENV_OPTIONS) .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c requirements.lock -e '.[dev]' \
	  | awk -v all="$$(grep -c == requirements.lock)" \
	    '/^(Collecting|Requirement already)/ {if (++n % 25 == 0) print "setup: " n " requirements collected (" all " packages)"} \
	     /^Installing collected/ {print "setup: unpacking"} {fflush()}'
	@mkdir -p .cache/dvc/repo
	@printf '%s' "$(CURDIR)" > $@
	@echo "setup: done"

check: setup  ## formatting, lint, import layers, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

test: setup  ## tests: minutes on a CPU, no network, no real data
	$(BIN)/pytest -n auto --dist worksteal

test-thorough: setup  ## the longer tests, which every change runs in CI
	$(BIN)/pytest -n auto --dist worksteal -m 'thorough and not slow and not gpu and not data'

# oneDNN reads the variable when the process starts; it is called by networks alone.
NETWORKS := tests/models tests/training tests/evaluation tests/detection tests/tracking \
  tests/test_contracts.py tests/test_pipeline.py
test-avx2: setup  ## the tests that run networks, as on a processor with nothing newer than AVX2
	ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/pytest -n auto --dist worksteal -m 'not slow and not gpu and not data' $(NETWORKS)

test-all: setup  ## all tests: also slow ones, GPU tests, and tests on real archives (FERBENCH_DATA)
	$(BIN)/pytest -m ''

repro: setup  ## run the study: data, training, tests, report  [STUDY=name] [JOBS=n|auto] [CLUSTER=address|file]
	@$(BIN)/ferbench repro $(if $(STUDY),--study $(STUDY)) $(if $(JOBS),--jobs $(JOBS)) $(if $(CLUSTER),--cluster $(CLUSTER))

smoke: setup  ## run the whole pipeline on the smallest study
	@$(BIN)/ferbench repro --study smoke

publish: setup  ## put a finished study's report under git  STUDY=name
	@$(BIN)/ferbench study publish $(if $(STUDY),$(STUDY),$(error publish needs STUDY=name))

status: setup  ## show the active study, what would run, and why
	@$(BIN)/ferbench study status
	@$(BIN)/dvc status

ui: setup  ## MLflow at 127.0.0.1  [PORT=5000]
	@$(BIN)/ferbench ui --port $(PORT)

report: setup  ## rebuild tables and report from existing predictions
	@$(BIN)/dvc repro --single-item score compare report

docs: setup  ## build the documentation's site: .cache/docs/index.html
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -c requirements.lock -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs.yml  # --quiet would hide what is strict
	@echo "docs: .cache/docs/index.html"

hooks: setup  ## install the git hook that runs the checks (pre-commit)
	@$(BIN)/pre-commit install

lock: setup  ## renew requirements.lock from a fresh environment
	@rm -rf .cache/lock && "$(BIN)/python" -m venv .cache/lock
	@.cache/lock/bin/python -m pip install --disable-pip-version-check --quiet -e '.[dev]'
	@{ grep '^#' requirements.lock; .cache/lock/bin/python -m pip freeze --exclude-editable; } > .cache/requirements.lock
	@mv .cache/requirements.lock requirements.lock && rm -rf .cache/lock

clean:  ## delete tool caches; never data, runs, reports or saved parameters
	@rm -rf .ruff_cache .mypy_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

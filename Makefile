# Two commands do everything on a machine with Python >= 3.11 and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?= data
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast oracle stress soak reliability lint audit bench ui pictures lineage lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(VENV)/.installed  ## make the virtual environment (.venv) with the locked versions

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, found $$($(BIN)/python -V). Try: make setup PYTHON=python3.12"; exit 1; }
	@echo "Installing the locked packages into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup  ## make a sample company, run the whole chain on it, say where to look
	@$(BIN)/segmentation --home $(HOME_DIR) demo

test: setup  ## all tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: setup  ## the inner loop: no processes, browsers, servers, finished homes, random companies (WHAT="tests/kpis")
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not (daemon or browser or postgres or spark or home or slow or hypothesis)" $(WHAT)

certificate: setup  ## every table on DuckDB and on Spark, cell by cell (needs Java 17)
	@CERTIFICATE=all $(BIN)/python -m pytest tests/certificate

stress: setup  ## all tests beside 20 busy processes: what waits for the clock fails here (WHAT="tests/e2e")
	@$(BIN)/python -m tests.harness.busy 20 $(BIN)/python -m pytest -n 2 --dist worksteal $(WHAT)

oracle: setup  ## hold the demo's tables to plain pandas over its extracts, every column (HOME_DIR=data; a minute)
	@ORACLE_HOME=$(abspath $(HOME_DIR)) $(BIN)/python -m pytest -q tests/oracle

soak: setup  ## 300 kills of runs, watch, sensors, report, sync, half an hour; figures to benchmarks/RELIABILITY.md
	@$(BIN)/python -m tests.e2e.soak

reliability: setup  ## broken inputs, readers under writes, doors; figures to benchmarks/RELIABILITY.md (PARTS="doors")
	@$(BIN)/python -m benchmarks.reliability $(PARTS)

lint: setup  ## ruff, import-linter and pyright
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pyright

audit: setup  ## known weaknesses of the locked packages (asks the registry), and an SBOM (CycloneDX) in sbom.json
	@$(BIN)/uv tool run --from cyclonedx-bom cyclonedx-py environment $(BIN)/python --output-file sbom.json
	@$(BIN)/uv tool run pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  --skip-editable || { s=$$?; echo "versions that are installed:"; $(BIN)/uv pip list --python $(BIN)/python; exit $$s; }

bench: setup  ## speed beside its targets, at 10,000 accounts and 10M usage rows (PARTS="demo dagster" for some)
	@$(BIN)/python -m benchmarks $(PARTS)

ui: setup  ## Dagster's UI on 127.0.0.1
	@$(BIN)/segmentation --home $(HOME_DIR) ui

pictures: setup  ## README's pictures, from a home that was run (needs chromium)
	@$(BIN)/python docs/pictures.py $(HOME_DIR)

lineage: setup  ## observe again what changes what, in the functions of frames whose code changed
	@$(BIN)/python -m tests.lineage.observing

lock: setup  ## renew requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-header --upgrade pyproject.toml -o requirements.lock

clean:  ## remove what was made here (not the sources)
	rm -rf data/published data/staging data/sample data/dagster data/reports data/landing .pytest_cache .ruff_cache

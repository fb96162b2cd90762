# The whole life of a checkout. `make` alone prints this list.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --require-virtualenv

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test test-slow check format lock docs bench soak clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: .venv/installed ## create .venv and install callrouter from the lock file

install-dev: .venv/installed-dev ## the same, with what tests and checks need

run: install ## start the daemon with config.yaml
	@exec $(BIN)/callrouter run --config config.yaml

test: install-dev ## every test
	$(BIN)/python -m pytest -n 2 -m "not slow"
	$(BIN)/python -m pytest -m slow

test-slow: install-dev ## only the tests that start whole daemons
	$(BIN)/python -m pytest -m slow

check: install-dev ## the one gate: format, lint, types, layers, docs, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.generate_docs --check
	$(MAKE) --no-print-directory test

format: install-dev ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install-dev ## write the generated parts of the manual again
	$(BIN)/python -m tests.generate_docs

lock: install-dev ## resolve pyproject.toml into the two lock files again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --group build --group test --group check --constraint requirements.lock pyproject.toml -o tests/requirements.lock

bench: install-dev ## measure speed and memory, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench --write

soak: install-dev ## kill, cut off, fill up and confuse callrouter for long, and write docs/guarantees.md
	$(BIN)/python -m tests.soak --write

clean: ## remove what was installed (never data/)
	rm -rf .venv

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "callrouter needs Python 3.11 or newer; none was found on PATH. Install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: requirements.lock pyproject.toml | .venv/bin/python
	@echo "installing callrouter into .venv (about a minute the first time)"
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: tests/requirements.lock .venv/installed
	$(PIP) install --require-hashes -r tests/requirements.lock
	@touch $@

# make run: start everything. make test: check everything. make help: the rest.

PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command "make lock" --quiet

.DEFAULT_GOAL := help
.PHONY: help run serve test lint format reference lock bench chaos clean setup setup-dev

help:  ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup  ## start everything on this machine: PostgreSQL, web server, worker
	@$(BIN)/python -m realtime_ai.supervisor run

serve: setup  ## the same with production settings (docs/settings.md)
	@$(BIN)/python -m realtime_ai.supervisor serve

setup:  ## make .venv and install what the product needs
	@$(PYTHON) realtime_ai/bootstrap.py requirements.txt

setup-dev:
	@$(PYTHON) realtime_ai/bootstrap.py requirements-dev.txt

test: lint  ## every gate, then the whole suite
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: setup-dev  ## every gate but the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	ENV_FILE=/dev/null $(BIN)/python -W ignore manage.py makemigrations --check --dry-run --settings realtime_ai.settings.test

format: setup-dev  ## let ruff write what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

reference: setup-dev  ## write docs/reference.md from the docstrings
	@$(BIN)/python -m tests.docs.reference

lock: setup-dev  ## renew the locks from pyproject.toml
	$(COMPILE) --group installer --output-file requirements-installer.txt $(ARGS)
	$(COMPILE) pyproject.toml --all-extras --output-file requirements.txt $(ARGS)
	$(COMPILE) pyproject.toml --all-extras --group dev --constraints requirements.txt \
		--constraints requirements-installer.txt --output-file requirements-dev.txt $(ARGS)

chaos: setup-dev  ## kill, pause and cut everything for two minutes, then compare what was seen and stored (docs/reliability.md)
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: setup-dev  ## the measurements of docs/ and bench/
	@$(BIN)/python -m bench

clean:  ## caches; neither .venv nor var (the data)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# `make demo` and `make test` do all the set-up they need, on a bare machine with Python 3.11 and pip.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin
export PYTHON

.PHONY: help setup setup-development demo test check format lock

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: ## Virtual environment, packages, browser assets
	@scripts/setup.sh runtime

setup-development: ## The same, with what tests and checks need
	@scripts/setup.sh development

demo: setup ## Start everything, hand in three claims, print where to look
	@$(BIN)/overseen up
	@$(BIN)/overseen demo

test: setup-development ## All tests
	@$(BIN)/python -m pytest $(ARGUMENTS)

check: setup-development ## Style, types, direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

format: setup-development ## Bring the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## Resolve all dependencies anew (needs uv and npm)
	@scripts/lock.sh

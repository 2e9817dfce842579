# Every target does its own set-up; `make` alone lists them.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help run run-agent clean test stress mutants check lint types imports docs docs-site fmt examples pictures bench bench-agent bench-agent-weeks bench-pipeline bench-replay dist lock setup tidy-checkout
.DELETE_ON_ERROR:

help: ## Show this list
	@echo 'make TARGET [ARGS="..."]   the ARGS go to the command that the target runs'
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Show what a routine clean of this host would do (a built-in demo host where no engine answers)
	$(BIN)/holystone plan --or-demo $(ARGS)

run-agent: $(READY) ## Run the agent on the demo host, with simulated CI jobs; Ctrl-C ends it
	$(BIN)/holystone agent --host demo: --load --state "$$(mktemp -d)" --listen 127.0.0.1:9469 \
	  --config src/holystone/integrations/agent/demo.toml $(ARGS)

clean: $(READY) ## DOCKER: safe clean of this host; every tagged image, volume and warm build cache stays
	$(BIN)/holystone clean $(ARGS)

test: $(READY) ## Run all tests; as root on Debian the missing engines are installed first
	scripts/install-engines
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup $(ARGS)

stress: $(READY) ## Cleans beside ten workers' jobs, two minutes on each engine, and 102 faults, with figures
	scripts/install-engines
	$(BIN)/pytest tests/stress --stress-seconds 120 --stress-faults 17 $(ARGS)

mutants: $(READY) ## Change the planner in 200 random places, and show where its own tests notice nothing
	$(BIN)/python -m bench.mutants $(ARGS)

check: lint types imports docs ## Lint, format, types, imports, documentation: quick, needs no engine

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy

# The cache of lint-imports does not notice new packages.
imports: $(READY)
	$(BIN)/lint-imports --no-cache

docs: $(READY)
	$(BIN)/pytest tests/docs $(ARGS)

docs-site: $(READY) ## Build the documentation as a site in build/site; fails on a dead link
	scripts/docs-site

fmt: $(READY) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

examples: $(READY) ## Write the present output into the examples of README.md and docs/, and draw its picture
	$(BIN)/python -m tests.config.key_table
	$(BIN)/python -m tests.docs.endpoint_table
	$(BIN)/python -m tests.docs.kept_table
	$(BIN)/python -m tests.docs.list_tables
	$(BIN)/python -m tests.docs.metric_table
	$(BIN)/python -m tests.agent.metrics_state
	$(BIN)/python -m tests.agent.dashboard
	$(BIN)/python -m tests.integrations.copies
	$(BIN)/python -m tests.docs.picture
	$(BIN)/python -m tests.docs.examples

pictures: $(READY) ## Take the screenshots in docs/pictures anew, of the demo host in Chromium
	scripts/install-engines packages
	$(BIN)/python -m tests.browser.pictures

bench: $(READY) ## Run the benchmarks
	$(BIN)/python -m bench $(ARGS)

bench-agent: $(READY) ## Measure the agent on real engines, 40 minutes; write docs/explanation/agent-figures.md
	$(BIN)/python -m bench.agent --write $(ARGS)

bench-agent-weeks: $(READY) ## Simulate ten weeks of the shared traces against the agent; into docs/explanation/eviction.md
	$(BIN)/python -m bench.agent_weeks --write $(ARGS)

bench-pipeline: $(READY) ## Measure the pipeline on real engines, 12 minutes; write docs/explanation/pipeline.md
	$(BIN)/python -m bench.pipeline --write $(ARGS)

bench-replay: $(READY) ## Replay the shared traces under every order; tables and pictures in docs/explanation/eviction.md
	$(BIN)/python -m bench.replay --write $(ARGS)

dist: $(READY) ## Make what a runner can take: dist/*.whl and the one file dist/holystone.pyz
	$(BIN)/python scripts/dist $(ARGS)

# An address in the lock would tie every user to the registry of whoever made it, and an additional
# source of packages would leave in it only the hashes of what that source has.
lock: $(READY) ## Renew the locks: the newest versions that pyproject.toml allows
	$(call locked,requirements.lock,pyproject.toml --extra agent --group dev)
	$(call locked,requirements-docs.lock,--group docs)

# $(1): the lock; $(2): what it is of.
define locked
	env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
	  $(BIN)/uv pip compile $(2) --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade --quiet \
	  --custom-compile-command 'make lock' --output-file .venv/$(1)
	! grep -nE '://|^--' .venv/$(1)
	mv .venv/$(1) $(1)
endef

setup: $(READY) ## Make .venv, with the command at .venv/bin/holystone

$(READY): requirements.lock pyproject.toml scripts/setup
	PYTHON=$(PYTHON) scripts/setup
	@touch $@

tidy-checkout: ## CHECKOUT: remove .venv, caches and build products; nothing of Docker is touched
	rm -rf .venv dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

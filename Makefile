# Everything that a person or CI runs. `make help` lists the targets. Only Python 3.11+ and make are needed.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   ?= .cache/demo
# For the targets that run tests: a seed to replay, and which tests by pytest's marks (everything: make test MARKS=).
SEED   ?=
MARKS  ?= not slow and not comparison

.DEFAULT_GOAL := help
.PHONY: chaos chaos-long compare help setup demo test test-slow mutation-check lint types check bench bench-smoke clean schema

help:           ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 24

setup: $(VENV)/.ready  ## create .venv and install everything

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'memoryd needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --require-hashes --requirement constraints.txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

demo: setup     ## index and remember a small sample home, and show the result
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@$(BIN)/python examples/sample_home.py $(DEMO)/codex
	@$(BIN)/python supervisor.py once --codex-home $(DEMO)/codex --state-dir $(DEMO)/state
	@echo
	@$(BIN)/python supervisor.py paths --codex-home $(DEMO)/codex --state-dir $(DEMO)/state | grep memories_dir
	@echo
	@head -n 30 $(DEMO)/state/memories/memory_summary.md

PYTEST = $(BIN)/python -m pytest -n auto $(if $(SEED),--hypothesis-seed=$(SEED))

test: setup     ## the test suite but for slow tests; SEED=n replays
	$(PYTEST) -m '$(MARKS)'

test-slow: setup  ## everything, and properties 20 times as deep; SEED=n replays
	$(PYTEST) --hypothesis-profile=deep -m 'not comparison'

compare: setup  ## ask the real app-server and memoryd the same; answers that still differ fail
	MEMORYD_REQUIRE_INTEROP=1 $(BIN)/python -m pytest -m comparison

mutation-check: setup  ## do the property tests catch realistic bugs? BY=simulation: does the simulation?
	$(BIN)/python -m tests.mutation --by $(or $(BY),properties)

CHAOS = $(BIN)/python supervisor.py chaos
WITH_SEED = $(if $(SEED),--seed $(SEED))

chaos: setup    ## a short look at every kind of chaos; SEED=n repeats one
	$(CHAOS) simulate --seeds 30 $(WITH_SEED)
	$(CHAOS) --processes 3 --duration 10 $(WITH_SEED)
	$(CHAOS) disk --stride 60 --images 1 $(WITH_SEED)
	$(CHAOS) points --points 16
	$(CHAOS) starts --processes 12

chaos-long: setup  ## half an hour and more of it; SEED=n repeats one
	$(CHAOS) simulate --seeds 3000 $(WITH_SEED)
	$(CHAOS) --processes 4 --duration 600 $(WITH_SEED)
	$(CHAOS) disk --stride 1 $(WITH_SEED)
	$(CHAOS) points --points 240
	$(CHAOS) starts

lint: setup     ## ruff and flake8-async
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	git ls-files -z '*.py' | xargs -0 -n 100 -P 4 $(BIN)/python -m flake8_async --enable=ASYNC --disable=ASYNC9 \
	  --startable-in-context-manager=_stop_on_signal

types: setup    ## mypy, strict
	$(BIN)/mypy --strict .

check: lint types test  ## all of the above

schema: setup   ## write state/schema.sql anew from the migrations
	$(BIN)/python -m state.migrate > state/schema.sql

BENCH = $(BIN)/python -m benchmarks

bench: setup    ## backfill beside the real Codex binary; benchmarks/README.md has the others
	$(BENCH).bench_backfill

bench-smoke: setup  ## every benchmark at a size that takes seconds: its figures mean nothing, but it runs
	$(BENCH).bench_backfill --files 20 --bytes 25000 --repeats 1
	$(BENCH).bench_rescan --files 50 100 --repeats 1
	$(BENCH).bench_store --callers 1 4 --seconds 0.2 --repeats 1 --files 100
	$(BENCH).bench_jobs --jobs 200 --peer-jobs 20 --repeats 1
	$(BENCH).bench_queries --threads 500 1000 --asked 10 --repeats 1
	$(BENCH).bench_start --threads 0 200 --repeats 1 --seconds 1
	$(BENCH).bench_follow --steps 10 --seconds 3 --history 100 --backlog 2000 --burst 100
	$(BENCH).bench_rpc --threads 60 --repeats 3 --searches 1 --starts 1

clean:          ## remove what was built and installed
	rm -rf $(VENV) .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

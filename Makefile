# Everything starts here: `make demo` shows what this is, `make test` shows that it works.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A process a core, each with a thread, and a module's tests in one of them.
TOGETHER := -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: demo test fast check measure javascript dashboard docs bake schema clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit("harness needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,dashboard,docs]'
	@touch $@

demo: $(READY)  ## the pocket leaderboard, from nothing to an HTML page
	$(BIN)/harness demo

test: $(READY)  ## every test
	$(BIN)/pytest $(TOGETHER)

fast: $(READY)  ## the tests that take milliseconds
	$(BIN)/pytest $(TOGETHER) -m 'not slow and not gpu'

check: $(READY)  ## format, lint, types, arrows, pages, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/harness check
	$(BIN)/pytest $(TOGETHER)

measure: $(READY)  ## every speed beside the last one committed; wants a quiet machine
	$(BIN)/python performance/everything.py

javascript:  ## format the dashboard's components; needs node
	npx --yes prettier@3 --write "harness/views/components/*.{js,css}"

dashboard: $(READY)  ## browse the results
	$(BIN)/harness dashboard

docs: $(READY)  ## the site of docs/, into site/; a dead link or anchor fails
	$(BIN)/zensical build --strict --clean

bake: $(READY)  ## train the pocket models again, from a seed, on a CPU
	$(BIN)/python -m tools.bake.bake

schema: $(READY)  ## write the JSON Schemas of the pages and their reference
	$(BIN)/harness schema
	$(BIN)/python -m tools.reference

clean:  ## forget everything that can be made again
	rm -rf .harness site $(VENV)

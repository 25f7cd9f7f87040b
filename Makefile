# Everything starts here: `make demo` shows what this is, `make test` shows that it works.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What is installed: for the demo, for the dashboard too, and for work on harness.
READY := $(VENV)/.ready
BROWSING := $(VENV)/.browsing
DEV := $(VENV)/.dev
# A process a core, each with a thread, and a module's tests in one of them.
TOGETHER := -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: demo test fast check measure javascript dashboard docs bless pictures dist dist-check bake schema clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml constraints.txt
	@echo "Installing harness into $(VENV), once. Most of it is torch"
	@$(PYTHON) tools/install.py $(VENV)
	@touch $@

$(BROWSING): pyproject.toml constraints.txt
	@echo "Installing harness with its dashboard into $(VENV), once"
	@$(PYTHON) tools/install.py $(VENV) dashboard
	@touch $@ $(READY)

$(DEV): pyproject.toml constraints.txt
	@echo "Installing harness with all that its tests want into $(VENV), once"
	@$(PYTHON) tools/install.py $(VENV) dev dashboard docs
	@touch $@ $(READY) $(BROWSING)

demo: $(READY)  ## the pocket leaderboard, from nothing to an HTML page
	$(BIN)/harness demo

test: $(DEV)  ## every test
	$(BIN)/pytest $(TOGETHER)

fast: $(DEV)  ## the tests that take milliseconds
	$(BIN)/pytest $(TOGETHER) -m 'not slow and not gpu'

check: $(DEV)  ## format, lint, types, arrows, pages, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/harness check
	$(BIN)/pytest $(TOGETHER)

measure: $(DEV)  ## every speed beside the last one committed; wants a quiet machine
	$(BIN)/python performance/everything.py

javascript:  ## format the dashboard's components; needs node
	npx --yes prettier@3 --write "harness/views/components/*.{js,css}"

dashboard: $(BROWSING)  ## browse the results
	$(BIN)/harness dashboard

docs: $(DEV)  ## the site of docs/, into site/; a dead link or anchor fails
	$(BIN)/zensical build --strict --clean
	$(BIN)/python -m tools.llms site

bless: $(DEV)  ## write what came out, and what was measured, into README.md and docs/
	PYTHONPATH=.:tests/support $(BIN)/python -m tools.docs bless
	$(BIN)/python -m tools.llms

pictures: $(DEV)  ## the pictures of docs/ again, in both themes; needs Chromium
	PYTHONPATH=.:performance $(BIN)/python -m tools.pictures

dist: $(DEV)  ## wheel and sdist, into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist

dist-check: dist  ## install the wheel into an empty environment, far from the checkout, and use it
	$(BIN)/python tools/dist_check.py dist

bake: $(DEV)  ## train the pocket models again, from a seed, on a CPU
	$(BIN)/python -m tools.bake.bake

schema: $(DEV)  ## write the JSON Schemas of the pages and their reference
	$(BIN)/harness schema
	$(BIN)/python -m tools.reference

clean:  ## forget everything that can be made again
	rm -rf .harness site dist $(VENV)

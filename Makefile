# Each target works alone on a fresh clone. Written for GNU Make 3.81 (macOS) and later.
VENV := .venv
BIN := $(VENV)/bin
ADDRESS ?= 127.0.0.1
PORT ?= 8501
PYTEST_ARGS ?=

.PHONY: install run test check check-js format bench screenshots lock clean

install: $(VENV)/.weights

run: install
	$(BIN)/streamlit run app.py --server.address $(ADDRESS) --server.port $(PORT)

test: $(VENV)/.dev $(VENV)/.weights check
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev check-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# JavaScript: style, types, unit tests. Without Node.js only a line says that it was not checked, or an error where
# LOOPSCOPE_REQUIRE_NODE=1.
check-js:
ifneq ($(shell command -v node >/dev/null && command -v npm),)
	@$(MAKE) --no-print-directory node_modules/.made
	node_modules/.bin/biome check
	node_modules/.bin/tsc
	node --test tests/javascript/*.test.js
else ifeq ($(LOOPSCOPE_REQUIRE_NODE),1)
	@echo "Node.js is not there, and LOOPSCOPE_REQUIRE_NODE=1 asks for it; install Node.js 20 or later, with npm." >&2; exit 1
else
	@echo "JavaScript was not checked: Node.js 20 or later, with npm, is not there."
endif

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

screenshots: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/python -m tests.browser.screenshots

lock: $(VENV)/.dev
	$(BIN)/python tests/lock_constraints.py

clean:
	rm -rf $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.made:
	@sh .ci/make-venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.txt constraints.txt
	$(BIN)/python -m pip install --quiet -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt -c constraints.txt
	@touch $@

$(VENV)/.weights: $(VENV)/.runtime
	$(BIN)/python -m loopscope.checkpoints aisfx
	@touch $@

node_modules/.made: package.json package-lock.json
	npm ci --loglevel=error --no-audit --no-fund
	@touch $@

# Each target works alone on a fresh clone. Written for GNU Make 3.81 (macOS) and later.
VENV := .venv
BIN := $(VENV)/bin
ADDRESS ?= 127.0.0.1
PORT ?= 8501
PYTEST_ARGS ?=
TOOLS := $(CURDIR)/build/mutants

.PHONY: install run test check check-js format bench fit mutants screenshots tour lock wheel clean

install: $(VENV)/.weights

run: install
	$(BIN)/streamlit run app.py --server.address $(ADDRESS) --server.port $(PORT)

# Two workers; browser tests by themselves, as each brings a server and a browser. Status 5: PYTEST_ARGS chose no test.
test: $(VENV)/.dev $(VENV)/.weights check
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser" $(PYTEST_ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -n 2 --dist loadfile -m browser $(PYTEST_ARGS) || [ $$? -eq 5 ]

check: $(VENV)/.dev check-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

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

# Learns the weights of the ears again from the labelled loops, and writes them into the package.
fit: $(VENV)/.dev
	$(BIN)/python -m benchmarks.fit_hearing

# Would the tests notice a line that is wrong? Tries what changed; MUTANT_ARGS=all tries all, MUTANT_ARGS="files" one.
mutants: $(VENV)/.dev $(TOOLS)/.made
	PYTHONPATH=$(TOOLS) $(BIN)/python -m mutants $(MUTANT_ARGS)

screenshots: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/python -m tests.browser.screenshots

# The README's moving picture.
tour: $(VENV)/.dev $(VENV)/.weights
	$(BIN)/python -m tests.browser.tour

# One lock for every Python and system: uv writes the markers where a package differs, pip reads them. What is locked
# stays; LOCK_ARGS=--upgrade takes newer ones. uv knows nothing of pip's settings, so no address gets into the file.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" \
		requirements-dev.txt --output-file constraints.txt $(LOCK_ARGS)

wheel: $(VENV)/.dev
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build .

clean:
	rm -rf $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.made:
	@sh .ci/make-venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.txt requirements-clap.txt constraints.txt
	$(BIN)/python -m pip install --quiet --no-warn-conflicts -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-clap.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-warn-conflicts -r requirements-dev.txt -c constraints.txt
	@touch $@

$(VENV)/.weights: $(VENV)/.runtime
	$(BIN)/python -m loopscope.checkpoints aisfx
	@touch $@

# Beside the environment: nothing else needs these, and `make install` stays as it is.
$(TOOLS)/.made: requirements-mutants.txt | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(TOOLS) -r requirements-mutants.txt
	@touch $@

node_modules/.made: package.json package-lock.json
	npm ci --loglevel=error --no-audit --no-fund
	@touch $@

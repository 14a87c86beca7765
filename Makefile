# The same verbs for people and CI. Nothing is needed but Python 3.11+ and Debian's packages.
PYTHON ?= python3
RUN := .venv
DEV := .venv-dev
TORCH ?= torch==2.13.0
PIP_FLAGS := --quiet --disable-pip-version-check
ARGS ?=

.PHONY: run test prove check fix clean

run: $(RUN)/installed  ## install what serving needs, then start the chat
	$(RUN)/bin/python app.py $(ARGS)

test: check browser  ## install what the tests need, then run all of them
	$(DEV)/bin/python -m pytest $(ARGS)

prove: $(DEV)/installed browser  ## what takes foreign environments or long: results in docs/measurements.md
	$(DEV)/bin/python -m pytest --hypothesis-profile explore
	$(DEV)/bin/python -m tests.prove.space
	$(DEV)/bin/python -m tests.prove.zero_gpu
	$(DEV)/bin/python -m tests.prove.arena_rank
	$(DEV)/bin/python -m benchmarks.page
	$(DEV)/bin/python -m benchmarks.moderator_worker
	$(DEV)/bin/python -m benchmarks.moderation
	$(DEV)/bin/python -m benchmarks.leaderboard
	$(DEV)/bin/python -m benchmarks.export

check: $(DEV)/installed  ## format, lint and types, without the tests
	$(DEV)/bin/ruff format --check . && $(DEV)/bin/ruff check . && $(DEV)/bin/mypy

fix: $(DEV)/installed  ## put format and simple lint in order
	$(DEV)/bin/ruff format . && $(DEV)/bin/ruff check --fix .

clean:  ## remove the environments and caches; chats in data/ stay
	rm -rf $(RUN) $(DEV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(RUN)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and "Palaver needs Python 3.11 to 3.14.")'
	$(PYTHON) -m venv $(RUN)
	$(RUN)/bin/python -m pip install $(PIP_FLAGS) -r requirements.txt
	touch $@

# torch first: whatever asks for it later is content with the build that is there. A machine without
# a GPU may want PyTorch's CPU build: make test TORCH="torch==2.13.0 --index-url ...".
$(DEV)/installed: requirements.txt requirements-train.txt requirements-dev.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python -m pip install $(PIP_FLAGS) $(TORCH)
	$(DEV)/bin/python -m pip install $(PIP_FLAGS) -r requirements-dev.txt
	touch $@

.PHONY: browser
browser:  # the page's tests drive a real Chromium; Debian's is taken if there is none
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { sudo=$$(command -v sudo || true); $$sudo apt-get update -qq && \
	    $$sudo apt-get install -y -qq --no-install-recommends chromium; } || \
	  $(DEV)/bin/playwright install chromium

# Every target does its own set-up (start.py); ARGS go to the command: make lab ARGS="--no-browser --port 8899"
PYTHON ?= python3
ARGS ?=

.PHONY: lab app test notebooks check format bench soak test-spark setup requirements
lab app test notebooks check format bench soak test-spark setup:
	@$(PYTHON) start.py $@ $(ARGS)

# Pin again what pyproject.toml asks for; the file names no index, so that any will do.
requirements: setup
	@.venv/bin/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 \
	  --no-header --no-emit-index-url --no-emit-find-links --upgrade -q -o requirements.txt

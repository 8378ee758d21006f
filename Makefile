# Everything runs in .venv, which is made when it is missing and made again when pyproject.toml or constraints.txt changed.
# The scanners have an environment of their own in it: checkov pins versions that ours may not have.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
SCANNERS := $(VENV)/scanners
ARGS ?=
WORKERS ?= $(shell expr 3 '*' $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2))
QUICK := tests/aws tests/lambdas tests/ops tests/pipeline tests/twilio -m "not hypothesis" $(addprefix --ignore=tests/ops/, migrations reconcile verify)
SEED ?= $(shell date +%s)
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' $(ARGS)
SYNC := $(BIN)/uv pip sync --quiet --require-hashes
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick acceptance faults drill upgrade fuzz check format build deploy pictures docs bench house golden audit lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(STAMP) ## Run the whole pipeline on this machine and watch messages travel through it
	@$(BIN)/b2bpilot demo $(ARGS)

test: $(STAMP) ## Run all tests, with real PostgreSQL and the deployed template (ARGS="-k name" for some, SEED=7 for the same examples)
	$(BIN)/python -E -m pytest -n $(WORKERS) --hypothesis-seed $(SEED) $(ARGS)

test-quick: $(STAMP) ## Run most of what needs no local environment, no build, no command line: for the inner loop
	$(BIN)/python -E -m pytest -n $(WORKERS) $(QUICK) $(ARGS)

acceptance: $(STAMP) ## Try an environment with test messages, and clean up (ENV=dev, ARGS="--yes"); see docs/deploy.md
	@$(BIN)/python -m acceptance $(if $(ENV),--env $(ENV)) $(ARGS)

faults: $(STAMP) ## Run traffic, faults and commands side by side, then balance the books (ARGS="--minutes 10 --seed 7")
	@$(BIN)/python -m tests.faults $(ARGS)

drill: $(STAMP) ## Let a region of the local pair die at drawn moments, and balance the books (ARGS="--times 10 --seed 7")
	@$(BIN)/python -E -m tests.drill $(ARGS)

upgrade: $(STAMP) ## Update the last release to this version under traffic, go back, and balance the books (ARGS="--seconds 60 --seed 7")
	@$(BIN)/python -E -m tests.upgrade $(ARGS)

fuzz: $(STAMP) ## Run the property tests with 20 to 50 times as many examples, and 50,000 attacks (SEED=7 for the same ones again)
	B2BPILOT_FUZZ=20 $(BIN)/python -m pytest -n $(WORKERS) -m hypothesis --hypothesis-seed $(SEED) $(ARGS)

check: $(STAMP) $(SCANNERS)/installed ## Format, lint, types, import rules, migrations, template, security
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/squawk migrations/*.sql migrations/*/*.sql
	$(BIN)/cfn-lint template.yaml
	$(BIN)/sam validate --lint --template template.yaml
	$(SCANNERS)/bin/bandit --quiet --recursive --configfile pyproject.toml acceptance b2bpilot lambdas
	$(SCANNERS)/bin/checkov --quiet --compact --skip-download --framework cloudformation --file template.yaml

format: $(STAMP) ## Format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: $(STAMP) ## Build the functions as `sam deploy` uploads them, their bills of materials (dist/sbom), and the wheel
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/sam build
	$(BIN)/python .ci/bill_of_materials.py .aws-sam/build dist/sbom
	$(BIN)/python -m build --no-isolation --outdir dist

deploy: $(STAMP) ## Build and deploy an environment, after saying where (ENV=dev ARCHITECTURE=x86_64 ARGS="--parameters dev.yaml")
	@$(BIN)/b2bpilot deploy $(if $(ENV),-e $(ENV)) $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE)) $(ARGS)

golden: $(STAMP) ## Write tests/cli/golden anew: what each command looks like at each width
	$(BIN)/python -m tests.cli.test_golden

pictures: $(STAMP) ## Write README's pictures of the commands (docs/pictures) anew, from a run
	$(BIN)/python -E -m tests.pictures

docs: $(STAMP) ## Write docs/checks.md, docs/commands.md and docs/iam.md anew, from the code
	$(BIN)/python -m b2bpilot.ops.verify.documents
	$(BIN)/python -m b2bpilot.cli.reference

bench: $(STAMP) ## Measure each row beside its baseline, and write bench/results.md (ARGS="--only redrive-topic", "--quick")
	$(BIN)/python -m bench $(ARGS)

house: ## Count classes, circles, lines of functions and more, in the working tree or in revisions (ARGS="HEAD~10 .")
	@$(PYTHON) -m bench.house $(ARGS)

audit: $(SCANNERS)/installed ## Ask whether a package has a known vulnerability, or say that nobody could be asked
	@.ci/audit

lock: $(STAMP) ## Write constraints.txt and .ci/scanners.txt anew, with hashes (ARGS="--upgrade" for newer versions)
	$(LOCK) --extra local --group dev --output-file constraints.txt pyproject.toml
	$(LOCK) --output-file .ci/scanners.txt .ci/scanners.in

clean: ## Remove what the other targets made
	rm -rf $(VENV) .aws-sam dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# pip brings uv, which installs the rest in seconds, and removes what is not listed any more: it compiles nothing that may never be imported.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	echo uv | awk -f lambdas/locked.awk - constraints.txt >$(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $(VENV)/uv.txt
	$(SYNC) --python $(VENV) constraints.txt
	$(BIN)/uv pip install --quiet --no-deps --python $(VENV) --no-build-isolation --editable .
	touch $@

$(SCANNERS)/installed: .ci/scanners.txt $(STAMP)
	$(BIN)/uv venv --quiet --allow-existing $(SCANNERS)
	$(SYNC) --python $(SCANNERS) .ci/scanners.txt
	touch $@

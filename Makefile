# Every target brings what it needs first; `make setup` does nothing when nothing is missing.
# Where a step needs rights that it lacks, it says what to run by hand.

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-training model faults fuzz soak package test-package package-aarch64 test-aarch64 bench clean-deps

help: ## This list
	@echo "make TARGET, where TARGET is one of:"
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | while IFS="$$(printf '\t')" read -r target what; do printf '  %-15s %s\n' "$$target" "$$what"; done

setup: ## Install what is needed: system packages (apt), ONNX Runtime (into .deps/)
	@scripts/setup

build: setup ## Build release binaries into target/release
	cargo build --release --locked --workspace --bins

demo: build ## Watch a fresh dummy-cart session become events (VIDEO=file BUNDLE=directory for your own)
	@VIDEO="$(VIDEO)" BUNDLE="$(BUNDLE)" SEED="$(SEED)" DIFFICULTY="$(DIFFICULTY)" scripts/demo

test: setup ## Everything: format, lints, documentation, dependencies, tests
	@scripts/test

model: build ## From seeds to a bundle in .model/ (hours; goes on where it stopped)
	@scripts/model

test-training: build ## The same with a few sessions and steps, and the bundle in a replay (needs PyTorch: 6 GiB)
	@scripts/test-training

package: build ## The .deb of this machine's architecture, into target/debian
	@scripts/package

test-package: package ## Install it into a fresh Debian, boot that, freeze and kill the service (root; needs a mirror)
	@scripts/test-package

package-aarch64: setup ## The .deb for carts (arm64), into target/debian (root; needs a mirror; 3 GiB in .deps/cross)
	@cross/build

test-aarch64: build package-aarch64 ## Install that in an arm64 Debian under qemu: check, a replay against this machine's, tests (root)
	@cross/test

faults: build ## Kill, cut, fill and set back many times, and see that no event is lost (ROUNDS=300)
	@scripts/faults

fuzz: setup ## Feed what reads the outside with what is almost right (FOR=60 seconds each)
	@FOR="$(FOR)" scripts/fuzz

soak: build ## Two hours of frames at full speed: does memory grow? (HOURS=2)
	@HOURS="$(HOURS)" scripts/soak

bench: build ## Measure speed against the Python baseline
	@scripts/bench

clean-deps: ## Remove what setup and test fetched into .deps/ (system packages stay)
	rm -rf .deps

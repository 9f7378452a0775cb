#!/usr/bin/env bash
# Writes requirements/*.txt and package-lock.json anew; no file names the host packages come from.
set -euo pipefail
cd "$(dirname "$0")/.."
common=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header)
uv pip compile "${common[@]}" "$@" --all-extras pyproject.toml requirements/build.in -o requirements/runtime.txt
uv pip compile "${common[@]}" "$@" -c requirements/runtime.txt requirements/development.in -o requirements/development.txt
npm install --package-lock-only --ignore-scripts

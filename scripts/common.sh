# What scripts/demo, scripts/test and .ci/run share: packages, configuring, building. Sourced, not run.
# A pipe into `grep -q` is a trap under pipefail (the writer dies of SIGPIPE): match text in the shell instead.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(gcc libc6-dev cmake ninja-build flex bison pkg-config llvm-22-dev
                zlib1g-dev libpng-dev libjpeg-dev libjansson-dev)
test_packages=(libcmocka-dev llvm-22-tools python3 dataset-fashion-mnist)
demo_packages=(dataset-fashion-mnist)

say() { printf '%s\n' "$*" >&2; }

# ensure_packages NAME...: installs what is missing, as root or with sudo; else prints the one apt line and exits 3.
ensure_packages() {
  local installed missing=() name as_root=() output
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    [[ $'\n'$installed$'\n' == *$'\n'"$name installed"$'\n'* ]] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null; then
    say "This is not a Debian machine (no apt-get). weft needs what these packages of Debian 12 hold:"
    say "  ${missing[*]}"
    exit 3
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo); else
      say "These packages are missing. Install them as root with:"
      say "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
      exit 3
    fi
  fi
  say "Installing: ${missing[*]}"
  output=$("${as_root[@]}" apt-get update -qq 2>&1) ||
    say "warning: apt-get update failed; trying with the lists at hand${output:+:$'\n'$output}"
  if [[ " ${missing[*]}" == *" llvm-22"* && $(LC_ALL=C apt-cache policy llvm-22-dev) != *"Candidate: "[0-9]* ]]; then
    say "LLVM 22 is not offered by this machine's package sources. It comes from Debian 12's security suite:"
    say "add 'deb http://deb.debian.org/debian-security bookworm-security main' to the apt sources and run this again."
    exit 3
  fi
  output=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
             apt-get install -y -qq --no-install-recommends "${missing[@]}" 2>&1 </dev/null) || {
    tail -n 20 <<<"$output" >&2
    say "apt-get could not install: ${missing[*]}"
    exit 3
  }
}

# configure_weft FOLDER [cmake options]: makes FOLDER's build files where they are missing, of other options or of another tree.
configure_weft() {
  local folder=$1 log=$1/configure.log made=$1/configure.options fresh=()
  shift
  mkdir -p "$folder"
  if [ -f "$folder/build.ninja" ] && [ "$top $*" = "$(cat "$made" 2>/dev/null)" ]; then return 0; fi
  [ ! -f "$made" ] || [[ $(cat "$made") == "$top "* ]] || fresh=(--fresh)   # a copied or moved tree: its cache names the old one
  cmake "${fresh[@]}" -S "$top" -B "$folder" -G Ninja "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    say "configuring failed; the whole log is $log"
    exit 70
  }
  printf '%s\n' "$top $*" >"$made"
}

# build_weft FOLDER TARGET: builds what changed.
build_weft() {
  [ -x "$1/weft" ] || say "Building weft in $1 (once; a minute or two)"
  local output
  output=$(ninja -C "$1" --quiet "$2" 2>&1) || { say "$output"; say "the build failed"; exit 70; }
}

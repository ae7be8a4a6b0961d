# What scripts/demo, scripts/test and .ci/run share: packages, configuring, building. Sourced, not run.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(gcc libc6-dev cmake ninja-build flex bison pkg-config llvm-22-dev
                zlib1g-dev libpng-dev libjpeg-dev libjansson-dev)
test_packages=(libcmocka-dev llvm-22-tools python3 dataset-fashion-mnist)
demo_packages=(dataset-fashion-mnist)

say() { printf '%s\n' "$*" >&2; }

# ensure_packages NAME...: installs what is missing, as root or with sudo; else prints the one apt line and exits 3.
ensure_packages() {
  local missing=() name as_root=()
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo); else
      say "These packages are missing. Install them with:"
      say "  apt-get install -y --no-install-recommends ${missing[*]}"
      exit 3
    fi
  fi
  say "Installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq || say "warning: apt-get update failed; trying with the lists at hand"
  if printf '%s\n' "${missing[@]}" | grep -q '^llvm-22'; then
    if ! apt-cache policy llvm-22-dev | grep -q 'Candidate: [0-9]'; then
      say "LLVM 22 is not offered by this machine's package sources. It comes from Debian 12's security suite:"
      say "add 'deb http://deb.debian.org/debian-security bookworm-security main' to the apt sources and run this again."
      exit 3
    fi
  fi
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    say "apt-get could not install: ${missing[*]}"; exit 3; }
}

# build_weft FOLDER [cmake options]: configures when the options are new, then builds what changed.
build_weft() {
  local folder=$1 log
  shift
  log=$folder/configure.log
  mkdir -p "$folder"
  if [ ! -f "$folder/build.ninja" ] || [ "$*" != "$(cat "$folder/configure.options" 2>/dev/null)" ]; then
    cmake -S "$top" -B "$folder" -G Ninja "$@" >"$log" 2>&1 || {
      tail -n 30 "$log" >&2
      say "configuring failed; the whole log is $log"
      exit 70
    }
    printf '%s\n' "$*" >"$folder/configure.options"
  fi
  ninja -C "$folder" --quiet >&2
}

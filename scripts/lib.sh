# Shared by the scripts (sourced, not run): where things are, and what must be installed.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# A need is PROBE=PACKAGE; the probe is a command, or pc:MODULE for a library known to pkg-config,
# cc:COMPILER for a compiler with its C library, or py:MODULE for one of Python.
needs_build='cc=gcc pc:libc=libc6-dev cmake=cmake ninja=ninja-build pkg-config=pkg-config
    pc:libuv=libuv1-dev pc:libcurl=libcurl4-openssl-dev pc:libcjson=libcjson-dev
    pc:libcrypto=libssl-dev pc:sqlite3=libsqlite3-dev python3=python3'
needs_test='pc:cunit=libcunit1-dev pc:libzstd=libzstd-dev pc:rdkafka=librdkafka-dev zstd=zstd c++=g++ clang=clang clang-format=clang-format
    clang-tidy=clang-tidy llvm-symbolizer=llvm valgrind=valgrind java=openjdk-17-jre-headless
    mvn=maven cargo=cargo pip=python3-pip git=git readelf=binutils curl=curl setsid=util-linux
    faketime=faketime strace=strace javac=openjdk-17-jdk-headless py:yaml=python3-yaml
    py:jsonschema=python3-jsonschema mandoc=mandoc mkdocs=mkdocs
    zsh=zsh fish=fish promtool=prometheus chromium=chromium chromedriver=chromium-driver
    go=golang-go make=make patch=patch abidw=abigail-tools aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu'

have() {
    case $1 in
    pc:libc) have cc:cc ;;
    cc:*) printf '#include <stdio.h>\n' | "${1#cc:}" -E -x c - >/dev/null 2>&1 ;;
    pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
    py:*) python3 -c "import ${1#py:}" 2>/dev/null ;;
    pip) python3 -m pip --version >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() { # NEED...: prints the packages of the probes that fail
    local need
    for need in "$@"; do
        have "${need%%=*}" || printf '%s ' "${need#*=}"
    done
}

# install NEED...: installs by apt what is missing, or says what to install.
install() {
    local lacking as=()
    lacking=$(missing "$@")
    [ -n "$lacking" ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "install these first (Debian's names): $lacking"
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || die "run this as root, once: apt-get install $lacking"
        as=(sudo)
    fi
    say "installing: $lacking"
    ${as[@]+"${as[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2
    # shellcheck disable=SC2086 # a list of package names
    ${as[@]+"${as[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends $lacking >&2
    lacking=$(missing "$@")
    [ -z "$lacking" ] || die "still missing after the installation: $lacking"
}

# build PRESET [CMAKE ARGUMENT...]: configures and builds; its output is shown only when it fails.
build() {
    local preset=$1 log=$root/build/$1.log
    shift
    mkdir -p "$root/build"
    (
        cd "$root"
        if ! { cmake --preset "$preset" "$@" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
            grep -v '^\[[0-9]' "$log" | tail -n 40 >&2
            exit 1
        fi
    ) || die "the build failed (preset $preset); the whole output: $log"
}

# sums FOLDER ENDING: FOLDER/SHA256SUMS of its files of that ending, for `sha256sum --check`.
sums() { (cd "$1" && LC_ALL=C && sha256sum -- *."$2" >SHA256SUMS); }

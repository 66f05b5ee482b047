#!/bin/sh
# versions.sh BUILD_FOLDER INCLUDE_DIR: a plugin built against the headers of ABI 1.0 in today's host, one built
# against today's in a host of 1.0, and those that demand more refused with a clear line.
set -eu
build=$1 include=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc="${CC:-cc} -std=gnu11 -Wall -Wextra -fPIC -fvisibility=hidden -Wl,-z,relro,-z,now -Wl,-z,noexecstack"
fail() { echo "FAILED: $*" >&2; exit 1; }

# Old plugin, new host.
$cc -shared -I "$here/v1_0" -o "$work/old_plugin.so" "$here/v1_0/old_plugin.c"
"$build/weir" plugin check "$work/old_plugin.so" >"$work/said" || { cat "$work/said"; fail "an old plugin does not pass"; }
grep -q 'plugin ABI 1\.0' "$work/said" || fail "it is not the old ABI"
"$build/weir" sample modify --count 5 2>/dev/null | "$build/weir" run --plugin "$work/old_plugin.so" --from - --once \
    --log-format text >"$work/said" 2>&1 || { cat "$work/said"; fail "an old plugin does not run"; }
[ "$(grep -c 'INFO  *sink\.' "$work/said")" -ge 5 ] || { cat "$work/said"; fail "an old plugin is not heard"; }

# New plugin, old host.
$cc -I "$here/v1_0" -o "$work/old_host" "$here/v1_0/old_host.c" -ldl
$cc -shared -I "$include" -o "$work/my_sink.so" "$here/../../examples/plugins/c-sync/my_sink.c"
[ "$("$work/old_host" "$work/my_sink.so")" = 'price: {"N":"10"} -> {"N":"12"}' ] || fail "a new plugin does not run in an old host"
code=0
"$work/old_host" "$build/plugins/stdout.so" >"$work/said" || code=$?
[ "$code" -eq 3 ] || fail "a plugin that needs 1.1 is not refused by a host of 1.0 (exit $code)"

# A plugin that demands a newer host.
for name in badmin badabi; do
    code=0
    "$build/weir" sample modify >"$work/events"
    "$build/weir" run --plugin "$build/tests/plugins/$name.so" --from "$work/events" --once \
        >"$work/said" 2>&1 || code=$?
    [ "$code" -eq 78 ] || { cat "$work/said"; fail "$name: exit $code"; }
    grep -q 'built for plugin ABI.*this weir speaks' "$work/said" || { cat "$work/said"; fail "$name: no clear line"; }
    grep -q 'help: ' "$work/said" || fail "$name: no word on what to do"
done
echo "1.0 in today's host, today's in a host of 1.0, and what demands more is refused"

#!/bin/sh
# teeth.sh PROGRAM [SANITIZE]: every case of teeth.c fails, and says why.
set -u
program=$1
# The sanitizers' heap does not tell what is in use; theirs is the leak check then.
[ -z "${2:-}" ] && heap='every round leaves behind 10[0-9][0-9] bytes' || heap=
ASAN_OPTIONS=detect_leaks=0 "$program" >"$program.out" 2>&1
code=$?
failed=0
for wanted in '1 + 1 == 3' '7 is 7, expected 8' 'expected should be' 'without  part' "$heap" \
    '[1-9][0-9]* open files' '1 records are not completed' 'no_json' 'the sink is not open'; do
    grep -q -- "$wanted" "$program.out" || { echo "not reported: $wanted"; failed=1; }
done
passing=$(grep -c '^ok' "$program.out")
[ "$code" -eq 1 ] || { echo "exit $code"; failed=1; }
[ "$passing" -eq 0 ] || [ -z "$heap" ] || { echo "$passing cases passed"; failed=1; }
[ "$failed" -eq 0 ] || grep -v 'passed,' "$program.out"
exit $failed

#!/bin/sh
# golden.sh WEIR FOLDER [--update]: runs `weir check` on every NAME.json of the folder and compares exit
# code and output, byte for byte, with NAME.txt. Folders of the machine are shown as <build> and <lib>.
set -u
weir=$(realpath "$1")
build=$(dirname "$weir")
update=${3:-}
cd "$2" || exit 1
failed=0 count=0
actual=$(mktemp) || exit 1
trap 'rm -f "$actual"' EXIT
for config in *.json; do
    golden=${config%.json}.txt
    count=$((count + 1))
    env -i ${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} BATCH=many "$weir" check "$config" >"$actual.out" 2>&1
    code=$?
    sed -e "s|$build/plugins|<build>/plugins|g" -e 's|, [^ ]*/weir/plugins)|, <lib>/weir/plugins)|' \
        -e 's/([0-9]* ms)/(N ms)/' "$actual.out" >"$actual"
    echo "exit $code" >>"$actual"
    rm -f "$actual.out"
    if [ "$update" = --update ]; then
        cp "$actual" "$golden"
    elif ! cmp -s "$actual" "$golden"; then
        echo "--- $config"
        diff "$golden" "$actual"
        failed=$((failed + 1))
    fi
done
echo "$count configurations, $failed differ"
[ "$failed" -eq 0 ] && [ "$count" -ge 30 ]

#!/bin/sh
# Checks every model in its complete state space, and that each seeded bug is caught for its reason.
# Exits 0, 1, or 77 when Spin or a C compiler is missing. WEIR_TEST_SIZE=full adds the larger ones.
#
#      spin -a MODEL -> pan.c -> cc -> pan -> "errors: 0", or the failing claim

here=$(cd "$(dirname "$0")" && pwd)
compiler=${CC:-cc}
for tool in spin "${compiler%% *}"; do
    command -v "$tool" >/dev/null || {
        echo "skipped: there is no $tool"
        exit 77
    }
done

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
cp "$here"/*.pml .
cases=0
failed=0

# search MODEL OPTIMISATION FLAG...: leaves what pan says in `report`.
search()
{
    model=$1
    optimisation=$2
    shift 2
    rm -f pan pan.* ./*.trail report
    # shellcheck disable=SC2086
    if ! spin "$@" -a "$model.pml" >report 2>&1 ||
        ! $compiler "$optimisation" -w -DSAFETY -DMEMLIM=2000 -o pan pan.c >>report 2>&1; then
        echo "the model did not compile" >>report
        return
    fi
    ./pan -m100000 >report 2>&1
}

tell()
{
    verdict=$1
    shift
    cases=$((cases + 1))
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' report)
    printf '%-6s %s (%s states)\n' "$verdict" "$*" "${states:-no}"
    if [ "$verdict" = FAILED ]; then
        failed=$((failed + 1))
        sed -n 1,12p report
    fi
}

# holds MODEL FLAG...: no error, and nothing left out of the search.
holds()
{
    search "$1" -O1 $(echo "$*" | cut -s -d' ' -f2-)
    if grep -q 'errors: 0' report && ! grep -Eq 'too small|MEMLIM|not completed' report; then
        tell holds "$@"
    else
        tell FAILED "$@"
    fi
}

# catches CLAIM MODEL FLAG...: the search ends at this claim.
catches()
{
    claim=$1
    shift
    search "$1" -O0 $(echo "$*" | cut -s -d' ' -f2-)
    if grep -Eq "^pan:1: .*$claim" report; then
        tell caught "$@"
    else
        tell FAILED "$@" "was not caught by: $claim"
    fi
}

asleep='invalid end state' # somebody waits for ever

holds park
for bug in NO_FENCE_AT_WAKE NO_FENCE_AT_ANNOUNCE WAKE_ONLY_THE_ASLEEP WAIT_WITHOUT_COMPARING \
    SLEEP_WITHOUT_COMPARING STORE_AFTER_WAKING LOOK_BEFORE_ANNOUNCING WAKE_BEFORE_PUBLISHING; do
    catches "$asleep" park -D$bug
done

holds refusal
for bug in NO_FENCE_AT_RETURN NO_FENCE_AT_ANNOUNCE RETURN_LOOKS_FIRST SLEEP_WITHOUT_TELLING \
    SLEEP_WITHOUT_LOOKING; do
    catches "$asleep" refusal -D$bug
done

holds alignment
for bug in LOOK_BEFORE_ENTERING COUNT_BEFORE_ENTERING COUNT_AFTER_LOOKING NO_SECOND_LOOK \
    TWO_AT_A_TIME; do
    catches 'lowest<=said' alignment -D$bug
done

holds channel -DCHAIN
holds channel -DCHAIN -DCREDITS=2 -DRECORDS=3 -DCHECKPOINTS=3 -DRIDE
holds channel -DDIAMOND
holds channel -DDIAMOND -DCREDITS=2
holds channel -DJOIN -DEARLY_END
holds channel -DSHUFFLE -DCOARSE
holds channel -DSHUFFLE -DCOARSE -DCREDITS=2
holds channel -DSHUFFLE -DCOARSE -DEARLY_END
holds channel -DFUNNEL -DCOARSE -DRECORDS=1 -DCHECKPOINTS=1
if [ "${WEIR_TEST_SIZE:-normal}" = full ]; then
    holds channel -DSHUFFLE
    holds channel -DDIAMOND -DCREDITS=2 -DRECORDS=3 -DRIDE
fi

catches 'credit' channel -DCHAIN -DBARRIER_NEEDS_CREDIT
catches 'stamp==epoch' channel -DDIAMOND -DREAD_ON_AFTER_BARRIER
catches 'stamp==epoch' channel -DSHUFFLE -DCOARSE -DFORWARD_AT_FIRST_BARRIER
catches 'is_drained' channel -DCHAIN -DEND_WITHOUT_DRAIN
catches 'is_home' channel -DCHAIN -DDRAIN_TAKES_CONTROL
catches 'is_home' channel -DCHAIN -DNEXT_CHECKPOINT_AT_ONCE -DCHECKPOINTS=3
catches "$asleep" channel -DDIAMOND -DONE_INPUT_FIRST
catches "$asleep" channel -DJOIN -DEARLY_END -DENDED_IS_NOT_ALIGNED
catches "$asleep" channel -DCHAIN -DCREDIT_IS_LOST

echo "cases: $cases"
[ "$failed" -eq 0 ]

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
megabytes=2000

# search MODEL OPTIMISATION FLAG...: leaves what pan says in `report`.
search()
{
    model=$1
    optimisation=$2
    shift 2
    rm -f pan pan.* ./*.trail report
    # shellcheck disable=SC2086
    if ! spin "$@" -a "$model.pml" >report 2>&1 ||
        ! $compiler "$optimisation" -w -DSAFETY -DMEMLIM=$megabytes -o pan pan.c >>report 2>&1; then
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

holds checkpoint -DCHAIN -DRECORDS=4
holds checkpoint -DCHAIN -DRECORDS=4 -DCREDITS=2
holds checkpoint -DCHAIN -DCHECKPOINTS=3 -DABORTS=2
holds checkpoint -DDIAMOND
holds checkpoint -DDIAMOND -DRECORDS=4 -DCREDITS=2
holds checkpoint -DDIAMOND -DCONFIRMED -DNEXT_CANCELS_NOTHING -DABORT_BY_MAILBOX_ONLY
holds checkpoint -DSHUFFLE -DRECORDS=2
holds checkpoint -DSHUFFLE -DCOARSE
holds checkpoint -DSHUFFLE -DCOARSE -DCREDITS=2
holds checkpoint -DSHUFFLE -DCOARSE -DCONFIRMED
holds checkpoint -DSHUFFLE -DCOARSE -DRECORDS=2 -DEARLY_END
if [ "${WEIR_TEST_SIZE:-normal}" = full ]; then
    megabytes=8000
    holds checkpoint -DCHAIN -DRECORDS=4 -DCHECKPOINTS=3 -DABORTS=2 -DCRASHES=2
    holds checkpoint -DDIAMOND -DANY_KEY
    holds checkpoint -DDIAMOND -DRECORDS=4 -DCRASHES=2
    holds checkpoint -DSHUFFLE -DCOARSE -DRECORDS=4 -DCREDITS=2
    holds checkpoint -DSHUFFLE -DCOARSE -DRECORDS=2 -DANY_KEY
    megabytes=2000
fi

catches 'credit' checkpoint -DCHAIN -DBARRIER_NEEDS_CREDIT
catches 'is_aligned' checkpoint -DDIAMOND -DREAD_ON_AFTER_BARRIER
catches 'state\[t\]' checkpoint -DDIAMOND -DRECORD_BETWEEN_BARRIERS
catches 'is_aligned.*has_ended' checkpoint -DDIAMOND -DMARK_AT_FIRST_BARRIER
catches 'taken.*saved' checkpoint -DCHAIN -DEND_BEFORE_FINAL
catches 'taken.*saved' checkpoint -DCHAIN -DDRAINED_TOO_SOON
catches 'capturing.*aborted' checkpoint -DDIAMOND -DABORTED_ALIGNS_AGAIN
catches 'capturing.*published' checkpoint -DDIAMOND -DNEXT_CANCELS_NOTHING
catches 'marked_sent.*marked_taken' checkpoint -DCHAIN -DCAPTURE_WHEN_ACKNOWLEDGED
catches 'marked_place' checkpoint -DCHAIN -DABORT_BY_MAILBOX_ONLY
catches 'is_home' checkpoint -DCHAIN -DNO_WAIT_FOR_CONTROL
catches 'is_home' checkpoint -DCHAIN -DNEXT_WHEN_HOME
catches 'visible.*saved' checkpoint -DCHAIN -DCOMPLETE_TAKES_ALL
catches 'visible.*saved' checkpoint -DCHAIN -DCOMPLETE_IS_NOT_CUMULATIVE
catches 'visible.*saved' checkpoint -DCHAIN -DABORT_DROPS_PENDING
catches 'capturing.*published' checkpoint -DCHAIN -DCOUNT_ANY_ACKNOWLEDGEMENT
catches 'k==' checkpoint -DCHAIN -DNO_COMMIT_AT_RECOVERY
catches "$asleep" checkpoint -DCHAIN -DENDED_READS_NO_LETTERS
catches "$asleep" checkpoint -DSHUFFLE -DCOARSE -DEARLY_END -DENDED_IS_NOT_ALIGNED
catches "$asleep" checkpoint -DSHUFFLE -DCOARSE -DEARLY_END -DENDED_DOES_NOT_ANSWER

echo "cases: $cases"
[ "$failed" -eq 0 ]

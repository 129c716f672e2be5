// However many transactions are committed, they take no memory and no growing file: numbers below
// the greatest one are committed unless a range says otherwise, and .transactions begins anew with
// the whole picture when enough was written. The disk is simulated, so that ten million (the full
// size) take minutes. A few are aborted, and stay known.
#include "log/deciding.h"
#include "tests/support/upkeep_trial.h"

#include <malloc.h>

#define ABORTED 16u

// A segment and the one before it until that is dropped; and what the file was enlarged by.
#define FILE_BYTES_MAX (4u << 20)
#define GROWTH_MAX     (2u << 20) // of memory, between the first quarter and the end

struct state {
    uint64_t bytes;
    size_t   memory;
    uint32_t ranges;
};

static struct state state_of(weir_log *log)
{
    weir_partition_info info;
    TRIAL_CHECK(weir_log_partition_info(log, WR_TRANSACTIONS_TOPIC, 0, &info) == WEIR_OK, "%s",
                weir_log_error(log));
    wr_transactions_lock(log->transactions);
    const uint32_t ranges = log->transactions->decisions.count;
    wr_transactions_unlock(log->transactions);
    return (struct state){ info.bytes, mallinfo2().uordblks, ranges };
}

static void print_state(const char *when, uint64_t count, struct state state)
{
    printf("%s: %" PRIu64 " transactions, %zu bytes of memory, %" PRIu64 " of file, %u ranges\n",
           when, count, state.memory, state.bytes, state.ranges);
}

static uint64_t decide_one(weir_transaction *transaction, bool commits)
{
    TRIAL_CHECK(weir_transaction_begin(transaction) == WEIR_OK, "begin");
    const uint64_t number = wr_transaction_number(transaction);
    TRIAL_CHECK((commits ? weir_transaction_commit(transaction)
                         : weir_transaction_abort(transaction)) == WEIR_OK,
                "%s", weir_transaction_error(transaction));
    return number;
}

static void check_verdicts(weir_log *log, const uint64_t *aborted, uint64_t last)
{
    for (uint32_t i = 0; i < ABORTED; i++) {
        TRIAL_CHECK(wr_transactions_verdict(log, aborted[i]) == WR_VERDICT_ABORTED, "aborted");
        TRIAL_CHECK(wr_transactions_verdict(log, aborted[i] - 1) == WR_VERDICT_COMMITTED, "before");
    }
    TRIAL_CHECK(wr_transactions_verdict(log, last) == WR_VERDICT_COMMITTED, "the last");
    TRIAL_CHECK(wr_transactions_verdict(log, last + 1) == WR_VERDICT_OPEN, "after the last");
}

int main(int argc, char **argv)
{
    struct wr_environment *environment =
        wr_environment_open_simulated(trial_seed(argc, argv), false);
    const uint64_t    count = trial_size(60000, 1000000, 10000000);
    weir_log         *log   = trial_open(environment, true);
    weir_transaction *transaction;
    uint64_t          aborted[ABORTED] = { 0 }, last = 0, most = 0;
    struct state      early = { 0 }, late;
    TRIAL_CHECK(weir_transaction_open(log, "many", &transaction) == WEIR_OK, "opening");
    for (uint64_t i = 0; i < count; i++) {
        last = decide_one(transaction, true);
        if (i % (count / ABORTED) == 0) {
            aborted[i / (count / ABORTED)] = decide_one(transaction, false);
            late                           = state_of(log);
            most                           = late.bytes > most ? late.bytes : most;
        }
        if (i == count / 4) {
            early = state_of(log);
            print_state("early", i, early);
        }
    }
    last = decide_one(transaction, true);
    late = state_of(log);
    print_state("late", count, late);
    TRIAL_CHECK(most < FILE_BYTES_MAX && late.bytes < FILE_BYTES_MAX, "the file grows");
    TRIAL_CHECK(late.memory < early.memory + GROWTH_MAX, "memory grows");
    TRIAL_CHECK(late.ranges <= ABORTED + 2, "%u ranges", late.ranges);
    check_verdicts(log, aborted, last);
    weir_log *reader = trial_open(environment, false); // knows it all from the file
    check_verdicts(reader, aborted, last);
    (void)weir_log_close(reader);
    weir_transaction_close(transaction);
    TRIAL_CHECK(weir_log_close(log) == WEIR_OK, "closing");
    wr_environment_close(environment);
    printf("cases: %" PRIu64 "\n", count);
    return 0;
}

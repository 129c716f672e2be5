#include "log/prepared.h"
#include "tests/support/upkeep_trial.h"

#include <criterion/criterion.h>

struct found {
    uint64_t ids[8];
    char     names[8][20];
    uint32_t count;
};

static void take(void *opaque, uint64_t id, const char *name)
{
    struct found *found = opaque;
    (void)snprintf(found->names[found->count], sizeof(found->names[0]), "%s", name);
    found->ids[found->count++] = id;
}

static struct found find(weir_log *log, const char *prefix)
{
    struct found found = { .count = 0 };
    cr_assert_eq(wr_transactions_each_prepared(log, prefix, take, &found), WEIR_OK);
    return found;
}

// Prepares a transaction of that name with a record in it, and leaves it.
static void prepare(weir_log *log, const char *name)
{
    weir_transaction *transaction;
    weir_producer    *producer;
    cr_assert_eq(weir_transaction_open(log, name, &transaction), WEIR_OK);
    cr_assert_eq(weir_producer_open(log, "a", NULL, &producer), WEIR_OK);
    cr_assert_eq(weir_producer_join(producer, transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
    cr_assert_eq(trial_append(producer, 0, 1), WEIR_OK);
    cr_assert_eq(weir_transaction_prepare(transaction, NULL), WEIR_OK);
    weir_transaction_close(transaction);
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
}

Test(prepared, transactions_are_found_by_the_beginning_of_their_names_and_decided_once)
{
    struct wr_environment *environment = wr_environment_open_simulated(1, false);
    weir_log              *log         = trial_open(environment, true);
    const weir_topic       a           = trial_topic("a", 1);
    struct wr_log_error    error       = { WEIR_OK, NULL };
    cr_assert_eq(find(log, "").count, 0); // nobody has made any yet
    trial_create(log, &a);
    prepare(log, "job.sink.0");
    prepare(log, "job.sink.1");
    prepare(log, "job.sinks.0");
    const struct found found = find(log, "job.sink.");
    cr_assert_eq(found.count, 2);
    cr_assert_str_eq(found.names[0], "job.sink.0");
    cr_assert_str_eq(found.names[1], "job.sink.1");
    cr_assert_lt(found.ids[0], found.ids[1]);

    cr_assert_eq(wr_transactions_resolve(log, found.ids[0], true, &error), WEIR_OK);
    cr_assert_eq(wr_transactions_resolve(log, found.ids[0], true, &error), WEIR_OK);
    cr_assert_eq(wr_transactions_resolve(log, found.ids[1], false, &error), WEIR_OK);
    cr_assert_eq(trial_count(log, "a"), 1);
    cr_assert_eq(find(log, "job.sink.").count, 0);
    cr_assert_eq(find(log, "").count, 1);

    cr_assert_eq(wr_transactions_resolve(log, found.ids[0], false, &error), WEIR_CONFLICT);
    cr_assert_eq(wr_transactions_resolve(log, found.ids[1], true, &error), WEIR_CONFLICT);
    cr_assert_eq(wr_transactions_resolve(log, found.ids[1] + 9, true, &error), WEIR_NOT_FOUND);
    wr_log_error_fini(&error);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    wr_environment_close(environment);
}

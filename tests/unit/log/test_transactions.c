#include "log/deciding.h"
#include "tests/support/upkeep_trial.h"
#include <criterion/criterion.h>

// A log with topics "a" and "b", a producer each, and a transaction that both have joined.
struct shop {
    struct wr_environment *environment;
    weir_log              *log;
    weir_producer         *a, *b;
    weir_transaction      *transaction;
};

static void shop_open_handles(struct shop *shop)
{
    cr_assert_eq(weir_producer_open(shop->log, "a", NULL, &shop->a), WEIR_OK);
    cr_assert_eq(weir_producer_open(shop->log, "b", NULL, &shop->b), WEIR_OK);
    cr_assert_eq(weir_transaction_open(shop->log, "shop", &shop->transaction), WEIR_OK);
    cr_assert_eq(weir_producer_join(shop->a, shop->transaction), WEIR_OK);
    cr_assert_eq(weir_producer_join(shop->b, shop->transaction), WEIR_OK);
}

static struct shop shop_open(void)
{
    struct shop      shop = { .environment = wr_environment_open_simulated(1, false) };
    const weir_topic a = trial_topic("a", 3), b = trial_topic("b", 2);
    shop.log = trial_open(shop.environment, true);
    trial_create(shop.log, &a);
    trial_create(shop.log, &b);
    shop_open_handles(&shop);
    return shop;
}

static void shop_close_handles(struct shop *shop)
{
    (void)weir_producer_close(shop->a);
    (void)weir_producer_close(shop->b);
    weir_transaction_close(shop->transaction);
}

static void shop_close(struct shop *shop)
{
    shop_close_handles(shop);
    cr_expect_eq(weir_log_close(shop->log), WEIR_OK);
    wr_environment_close(shop->environment);
}

static void shop_append(struct shop *shop)
{
    cr_assert_eq(trial_append(shop->a, 0, 10), WEIR_OK);
    cr_assert_eq(trial_append(shop->b, 0, 10), WEIR_OK);
}

static void shop_begin_and_append(struct shop *shop)
{
    cr_assert_eq(weir_transaction_begin(shop->transaction), WEIR_OK);
    shop_append(shop);
}

// Twenty rows in a transaction that is prepared; its id.
static uint64_t shop_prepare(struct shop *shop)
{
    uint64_t id = 0;
    shop_begin_and_append(shop);
    cr_assert_eq(weir_transaction_prepare(shop->transaction, &id), WEIR_OK);
    return id;
}

// Another handle, which the producer of "a" has joined, with five rows in a transaction.
static weir_transaction *shop_begin_brief(struct shop *shop)
{
    weir_transaction *brief;
    cr_assert_eq(weir_transaction_open(shop->log, "brief", &brief), WEIR_OK);
    cr_assert_eq(weir_producer_join(shop->a, brief), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(brief), WEIR_OK);
    cr_assert_eq(trial_append(shop->a, 0, 5), WEIR_OK);
    return brief;
}

static uint32_t shop_count(weir_log *log) { return trial_count(log, "a") + trial_count(log, "b"); }

// The process is killed, and another one opens the log.
static void shop_restart(struct shop *shop)
{
    wr_simulation_restart(shop->environment);
    shop_close_handles(shop);
    (void)weir_log_close(shop->log);
    wr_simulation_restart(shop->environment);
    shop->log = trial_open(shop->environment, true);
    shop_open_handles(shop);
}

struct ids {
    uint64_t ids[16];
    uint32_t count;
};

static void take_id(void *opaque, uint64_t id)
{
    struct ids *ids        = opaque;
    ids->ids[ids->count++] = id;
}

static struct ids shop_prepared(struct shop *shop)
{
    struct ids ids = { .count = 0 };
    cr_assert_eq(weir_transaction_list_prepared(shop->transaction, take_id, &ids), WEIR_OK);
    return ids;
}

Test(transactions, nothing_is_seen_before_the_commit_and_all_after_it)
{
    struct shop shop = shop_open();
    shop_begin_and_append(&shop);
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    cr_assert_eq(weir_producer_flush(shop.b, -1), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 0);
    cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 20);
    shop_close(&shop);
}

Test(transactions, what_is_aborted_is_never_seen_and_what_follows_is)
{
    struct shop shop = shop_open();
    shop_begin_and_append(&shop);
    cr_assert_eq(weir_transaction_abort(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 0);
    shop_begin_and_append(&shop);
    cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 20);
    shop_close(&shop);
}

Test(transactions, a_reader_of_another_process_sees_the_same)
{
    struct shop shop   = shop_open();
    weir_log   *reader = trial_open(shop.environment, false);
    shop_begin_and_append(&shop);
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    cr_expect_eq(shop_count(reader), 0);
    cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(reader), 20);
    cr_assert_eq(weir_log_close(reader), WEIR_OK);
    shop_close(&shop);
}

Test(transactions, an_open_one_of_a_killed_writer_holds_readers_back_until_the_next_comes)
{
    struct shop shop = shop_open();
    shop_begin_and_append(&shop);
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    const uint64_t number = wr_transaction_number(shop.transaction);
    wr_simulation_restart(shop.environment);
    shop_close_handles(&shop);
    (void)weir_log_close(shop.log);
    wr_simulation_restart(shop.environment);

    weir_log *reader = trial_open(shop.environment, false);
    cr_expect_eq(shop_count(reader), 0);
    cr_expect_eq(wr_transactions_verdict(reader, number), WR_VERDICT_OPEN);
    shop.log = trial_open(shop.environment, true);
    wr_simulation_spend(shop.environment, WEIR_SECONDS(1));
    cr_expect_eq(wr_transactions_verdict(reader, number), WR_VERDICT_ABORTED);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_ABORTED);
    cr_assert_eq(weir_log_close(reader), WEIR_OK);
    shop_open_handles(&shop);
    shop_close(&shop);
}

static void commit_one(struct shop *shop)
{
    shop_begin_and_append(shop);
    cr_assert_eq(weir_transaction_commit(shop->transaction), WEIR_OK);
    shop_close_handles(shop);
    cr_assert_eq(weir_log_close(shop->log), WEIR_OK);
}

Test(transactions, numbers_are_not_given_out_again_when_an_older_epoch_file_is_put_back)
{
    struct shop shop = shop_open();
    char        older[100];
    size_t      length;
    const char *epoch = wr_simulation_bytes(shop.environment, "/log/epoch", &length);
    cr_assert(epoch != NULL && length <= sizeof(older));
    memcpy(older, epoch, length);
    commit_one(&shop);
    shop.log = trial_open(shop.environment, true);
    shop_open_handles(&shop);
    commit_one(&shop);

    const weir_log_options options = { .writes = true };
    wr_simulation_import(shop.environment, "/log/epoch", older, length);
    cr_assert_eq(wr_log_open_in(shop.environment, "/log", &options, &shop.log), WEIR_DAMAGED);
    cr_assert_not_null(strstr(weir_log_error(shop.log), "epoch file"), "%s",
                       weir_log_error(shop.log));
    (void)weir_log_close(shop.log);
    wr_environment_close(shop.environment);
}

Test(transactions, a_prepared_one_outlives_the_process_and_is_committed_by_its_id)
{
    struct shop    shop = shop_open();
    const uint64_t id   = shop_prepare(&shop);
    shop_restart(&shop);
    cr_expect_eq(shop_count(shop.log), 0);
    const struct ids ids = shop_prepared(&shop);
    cr_assert_eq(ids.count, 1);
    cr_expect_eq(ids.ids[0], id);
    cr_assert_eq(weir_transaction_resolve(shop.transaction, id, true), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 20);
    cr_expect_eq(shop_prepared(&shop).count, 0);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id, true), WEIR_OK);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id, false), WEIR_CONFLICT);
    shop_close(&shop);
}

Test(transactions, a_prepared_one_is_aborted_by_its_id)
{
    struct shop    shop = shop_open();
    const uint64_t id   = shop_prepare(&shop);
    shop_restart(&shop);
    cr_assert_eq(weir_transaction_resolve(shop.transaction, id, false), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 0);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id, false), WEIR_OK);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id, true), WEIR_CONFLICT);
    shop_close(&shop);
}

Test(transactions, another_begins_while_one_is_prepared)
{
    struct shop    shop   = shop_open();
    const uint64_t first  = shop_prepare(&shop);
    const uint64_t second = shop_prepare(&shop);
    cr_expect_lt(first, second);
    cr_assert_eq(weir_transaction_resolve(shop.transaction, first, false), WEIR_OK);
    cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 20);
    shop_close(&shop);
}

Test(transactions, an_id_that_was_not_prepared_under_the_name_is_not_found)
{
    struct shop       shop = shop_open();
    weir_transaction *other;
    uint64_t          id = 0;
    cr_assert_eq(weir_transaction_open(shop.log, "other", &other), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(other), WEIR_OK);
    cr_assert_eq(weir_transaction_prepare(other, &id), WEIR_OK);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id, true), WEIR_NOT_FOUND);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id + 1, true), WEIR_NOT_FOUND);
    cr_expect_eq(shop_prepared(&shop).count, 0);
    cr_assert_eq(weir_transaction_abort(other), WEIR_OK);
    weir_transaction_close(other);
    shop_close(&shop);
}

Test(transactions, opening_a_name_again_fences_who_has_it_and_aborts_what_is_open)
{
    struct shop       shop = shop_open();
    weir_transaction *heir;
    shop_begin_and_append(&shop);
    const uint64_t number = wr_transaction_number(shop.transaction);
    cr_assert_eq(weir_transaction_open(shop.log, "shop", &heir), WEIR_OK);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_ABORTED);
    cr_expect_eq(weir_transaction_commit(shop.transaction), WEIR_FENCED);
    cr_expect_eq(weir_transaction_begin(shop.transaction), WEIR_FENCED);
    cr_expect_eq(weir_transaction_prepare(shop.transaction, NULL), WEIR_FENCED);
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_FENCED);
    cr_expect_eq(shop_count(shop.log), 0);
    cr_assert_eq(weir_transaction_begin(heir), WEIR_OK);
    cr_assert_eq(weir_producer_join(shop.b, heir), WEIR_OK);
    cr_assert_eq(trial_append(shop.b, 0, 7), WEIR_OK);
    cr_assert_eq(weir_transaction_commit(heir), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 7);
    cr_assert_eq(weir_producer_join(shop.b, NULL), WEIR_OK);
    weir_transaction_close(heir);
    shop_close(&shop);
}

Test(transactions, opening_a_name_again_leaves_what_was_prepared)
{
    struct shop       shop = shop_open();
    const uint64_t    id   = shop_prepare(&shop);
    weir_transaction *heir;
    cr_assert_eq(weir_transaction_open(shop.log, "shop", &heir), WEIR_OK);
    cr_expect_eq(weir_transaction_resolve(shop.transaction, id, true), WEIR_FENCED);
    cr_assert_eq(weir_transaction_resolve(heir, id, true), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 20);
    weir_transaction_close(heir);
    shop_close(&shop);
}

Test(transactions, closing_the_handle_aborts_an_open_one)
{
    struct shop       shop   = shop_open();
    weir_transaction *brief  = shop_begin_brief(&shop);
    const uint64_t    number = wr_transaction_number(brief);
    cr_assert_eq(weir_producer_join(shop.a, NULL), WEIR_OK);
    weir_transaction_close(brief);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_ABORTED);
    cr_expect_eq(shop_count(shop.log), 0);
    shop_close(&shop);
}

Test(transactions, closing_the_handle_frees_producers_that_are_still_joined)
{
    struct shop       shop   = shop_open();
    weir_transaction *brief  = shop_begin_brief(&shop);
    const uint64_t    number = wr_transaction_number(brief);
    weir_transaction_close(brief);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_ABORTED);
    cr_expect_eq(shop_count(shop.log), 0);
    cr_assert_eq(trial_append(shop.a, 0, 3), WEIR_OK);
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 3);
    shop_close(&shop);
}

Test(transactions, a_producer_of_a_fenced_handle_stays_fenced_when_that_is_closed)
{
    struct shop       shop  = shop_open();
    weir_transaction *brief = shop_begin_brief(&shop), *heir;
    cr_assert_eq(weir_transaction_open(shop.log, "brief", &heir), WEIR_OK);
    weir_transaction_close(brief);
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_FENCED);
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_FENCED);
    cr_assert_eq(weir_producer_join(shop.a, NULL), WEIR_OK);
    cr_assert_eq(trial_append(shop.a, 0, 2), WEIR_OK);
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 2);
    weir_transaction_close(heir);
    shop_close(&shop);
}

Test(transactions, while_one_is_decided_and_once_it_is_prepared_nothing_is_appended_to_it)
{
    struct shop shop = shop_open();
    shop_begin_and_append(&shop);
    shop.transaction->is_ending = true; // as another thread's decision that is under way
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_CONFLICT);
    cr_expect_not_null(strstr(weir_producer_error(shop.a), "is being decided"));
    shop.transaction->is_ending = false;
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_OK);
    cr_assert_eq(weir_transaction_prepare(shop.transaction, NULL), WEIR_OK);
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_CONFLICT);
    cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 21);
    cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_OK);
    shop_close(&shop);
}

Test(transactions, a_producer_that_has_joined_one_appends_nothing_while_none_is_begun)
{
    struct shop shop = shop_open();
    cr_expect_eq(trial_append(shop.a, 0, 1), WEIR_CONFLICT);
    cr_expect(strstr(weir_producer_error(shop.a), "topic a: its transaction shop is not begun; "
                                                  "begin a transaction first, or leave it with "
                                                  "weir_producer_join(producer, NULL)") != NULL,
              "%s", weir_producer_error(shop.a));
    cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
    cr_expect_eq(trial_append(shop.a, 0, 10), WEIR_OK);
    cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(trial_append(shop.a, 10, 1), WEIR_CONFLICT);
    cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_abort(shop.transaction), WEIR_OK);
    cr_expect_eq(trial_append(shop.a, 10, 1), WEIR_CONFLICT);
    cr_expect_eq(shop_count(shop.log), 10);
    cr_assert_eq(weir_producer_join(shop.a, NULL), WEIR_OK);
    cr_expect_eq(trial_append(shop.a, 10, 1), WEIR_OK);
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 11);
    shop_close(&shop);
}

Test(transactions, closing_the_handle_of_a_prepared_one_frees_its_producers)
{
    struct shop       shop  = shop_open();
    weir_transaction *brief = shop_begin_brief(&shop);
    cr_assert_eq(weir_transaction_prepare(brief, NULL), WEIR_OK);
    weir_transaction_close(brief);
    cr_expect_eq(trial_append(shop.a, 0, 3), WEIR_OK);
    shop_close(&shop);
}

// The disk becomes full with 20 rows of an open transaction on it, and more than it has room for
// behind them.
static void shop_fill_disk(struct shop *shop)
{
    cr_assert_eq(weir_transaction_begin(shop->transaction), WEIR_OK);
    shop_append(shop);
    cr_assert_eq(weir_producer_flush(shop->a, -1), WEIR_OK);
    cr_assert_eq(weir_producer_flush(shop->b, -1), WEIR_OK);
    wr_simulation_fault_at(shop->environment, wr_simulation_changes(shop->environment),
                           WR_DISK_ENOSPC);
    cr_assert_eq(trial_append(shop->a, 0, 16384), WEIR_OK);
}

Test(transactions, closing_the_handle_on_a_full_disk_leaves_the_abort_to_the_next_opening,
     .timeout = 60)
{
    struct shop shop = shop_open();
    shop_fill_disk(&shop);
    const uint64_t number = wr_transaction_number(shop.transaction);
    weir_transaction_close(shop.transaction);
    cr_expect_eq(weir_producer_close(shop.a), WEIR_FULL);
    cr_expect_eq(weir_producer_close(shop.b), WEIR_OK);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_OPEN);
    wr_simulation_make_room(shop.environment);
    cr_expect_eq(weir_log_close(shop.log), WEIR_OK);
    shop.log = trial_open(shop.environment, true);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_ABORTED);
    cr_expect_eq(shop_count(shop.log), 0);
    shop_open_handles(&shop);
    shop_close(&shop);
}

Test(transactions, one_that_a_full_disk_kept_from_its_commit_may_still_be_aborted, .timeout = 60)
{
    struct shop shop = shop_open();
    shop_fill_disk(&shop);
    cr_expect_eq(wr_transaction_try(shop.transaction, true), WEIR_FULL);
    cr_expect_eq(wr_transaction_try(shop.transaction, true), WEIR_FULL);
    wr_simulation_make_room(shop.environment);
    wr_simulation_spend(shop.environment, WEIR_SECONDS(2));
    cr_expect_eq(weir_transaction_abort(shop.transaction), WEIR_OK);
    cr_expect_eq(shop_count(shop.log), 0);
    shop_restart(&shop);
    cr_expect_eq(shop_count(shop.log), 0);
    shop_close(&shop);
}

// The rows are on disk, and only the record of the decision finds no room.
Test(transactions, a_record_that_found_no_room_is_not_written_later, .timeout = 60)
{
    struct shop         shop  = shop_open();
    struct wr_log_error error = { .status = WEIR_OK };
    cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
    const uint64_t           number   = wr_transaction_number(shop.transaction);
    const struct wr_decision decision = { .first   = number,
                                          .end     = number + 1,
                                          .verdict = WR_VERDICT_COMMITTED };
    wr_simulation_fault_at(shop.environment, wr_simulation_changes(shop.environment),
                           WR_DISK_ENOSPC);
    const uint32_t      count = 65536; // more than there is room for in the segment
    struct wr_decision *many  = wr_alloc(count * sizeof(*many));
    for (uint32_t i = 0; i < count; i++) {
        many[i] = decision;
    }
    cr_expect_eq(wr_transactions_write(shop.log->transactions, many, count, true, &error),
                 WEIR_FULL);
    wr_free(many);
    cr_expect_eq(shop.log->commit->buffered_bytes, 0);
    wr_simulation_make_room(shop.environment);
    wr_simulation_spend(shop.environment, WEIR_SECONDS(2));
    cr_expect_eq(weir_transaction_abort(shop.transaction), WEIR_OK);
    shop_restart(&shop);
    cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_ABORTED);
    shop_close(&shop);
    wr_log_error_fini(&error);
}

Test(transactions, no_handle_may_be_closed) { weir_transaction_close(NULL); }

Test(transactions, calls_out_of_order_are_told_so)
{
    struct shop shop = shop_open();
    cr_expect_eq(weir_transaction_commit(shop.transaction), WEIR_CONFLICT);
    cr_expect_eq(weir_transaction_abort(shop.transaction), WEIR_CONFLICT);
    cr_expect_eq(weir_transaction_prepare(shop.transaction, NULL), WEIR_CONFLICT);
    cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
    cr_expect_eq(weir_transaction_begin(shop.transaction), WEIR_CONFLICT);
    cr_expect_gt(strlen(weir_transaction_error(shop.transaction)), 0);
    cr_expect_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    cr_expect_eq(weir_transaction_commit(shop.transaction), WEIR_CONFLICT);
    shop_close(&shop);
}

Test(transactions, names_have_1_to_200_bytes_and_a_log_to_write_to)
{
    struct shop       shop = shop_open();
    weir_transaction *transaction;
    char              name[202];
    memset(name, 'n', sizeof(name));
    name[201] = '\0';
    cr_expect_eq(weir_transaction_open(shop.log, name, &transaction), WEIR_USAGE);
    weir_transaction_close(transaction);
    name[200] = '\0';
    cr_expect_eq(weir_transaction_open(shop.log, name, &transaction), WEIR_OK);
    weir_transaction_close(transaction);
    cr_expect_eq(weir_transaction_open(shop.log, "", &transaction), WEIR_USAGE);
    cr_expect_eq(weir_transaction_begin(transaction), WEIR_USAGE);
    weir_transaction_close(transaction);
    weir_log *reader = trial_open(shop.environment, false);
    cr_expect_eq(weir_transaction_open(reader, "shop", &transaction), WEIR_USAGE);
    weir_transaction_close(transaction);
    (void)weir_log_close(reader);
    shop_close(&shop);
}

// What a crash at change number `at` of one transaction leaves; false: it was over before.
static bool crash_once(uint64_t at, enum wr_disk_fault fault, bool prepares)
{
    struct shop    shop  = shop_open();
    const uint64_t start = wr_simulation_changes(shop.environment);
    wr_simulation_fault_at(shop.environment, start + at, fault);
    uint64_t    id       = 0;
    weir_status prepared = WEIR_FAILED, committed = WEIR_FAILED;
    const bool  is_begun = weir_transaction_begin(shop.transaction) == WEIR_OK &&
                          trial_append(shop.a, 0, 10) == WEIR_OK &&
                          trial_append(shop.b, 0, 10) == WEIR_OK;
    if (is_begun && prepares) {
        prepared = weir_transaction_prepare(shop.transaction, &id);
    }
    if (is_begun && (!prepares || prepared == WEIR_OK)) {
        committed = weir_transaction_commit(shop.transaction);
    }
    if (!wr_simulation_has_stopped(shop.environment)) { // the fault is still to come
        shop_close_handles(&shop);
        (void)weir_log_close(shop.log);
        wr_environment_close(shop.environment);
        return false;
    }
    wr_simulation_reboot(shop.environment, at);
    shop_close_handles(&shop);
    (void)weir_log_close(shop.log);
    wr_simulation_restart(shop.environment);

    shop.log = trial_open(shop.environment, true);
    shop_open_handles(&shop);
    const struct ids ids   = shop_prepared(&shop);
    const uint32_t   count = shop_count(shop.log);
    cr_expect(count == 0 || count == 20, "change %llu: %u rows", (unsigned long long)at, count);
    cr_expect(committed != WEIR_OK || count == 20, "change %llu: a commit is lost",
              (unsigned long long)at);
    cr_expect(prepared != WEIR_OK || count == 20 || ids.count == 1,
              "change %llu: a preparation is lost", (unsigned long long)at);
    if (ids.count == 1) {
        cr_expect_eq(count, 0);
        const bool commits = at % 2 == 0;
        cr_expect_eq(weir_transaction_resolve(shop.transaction, ids.ids[0], commits), WEIR_OK);
        cr_expect_eq(shop_count(shop.log), commits ? 20 : 0);
    }
    shop_close(&shop);
    return true;
}

Test(transactions, a_decision_that_did_not_reach_the_disk_is_seen_by_nobody)
{
    for (uint64_t at = 0; at < 2; at++) { // its write fails, then its sync
        struct shop shop = shop_open();
        cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
        shop_append(&shop);
        cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
        cr_assert_eq(weir_producer_flush(shop.b, -1), WEIR_OK);
        const uint64_t number  = wr_transaction_number(shop.transaction);
        const uint64_t changes = wr_simulation_changes(shop.environment);
        wr_simulation_fault_at(shop.environment, changes + at, WR_DISK_EIO);
        cr_expect_neq(weir_transaction_commit(shop.transaction), WEIR_OK);
        cr_expect_eq(wr_transactions_verdict(shop.log, number), WR_VERDICT_OPEN);
        cr_expect_eq(shop_count(shop.log), 0);
        shop_close_handles(&shop);
        cr_expect_neq(weir_log_close(shop.log), WEIR_OK);
        wr_environment_close(shop.environment);
    }
}

Test(transactions, a_power_cut_anywhere_leaves_all_or_nothing, .timeout = 250)
{
    uint64_t at = 0;
    while (crash_once(at, at % 2 == 0 ? WR_DISK_CRASH_AFTER : WR_DISK_CRASH_BEFORE, false)) {
        at++;
    }
    cr_expect_gt(at, 5);
}

Test(transactions, a_power_cut_anywhere_leaves_a_prepared_one_as_it_was, .timeout = 250)
{
    uint64_t at = 0;
    while (crash_once(at, at % 3 == 0 ? WR_DISK_CRASH_BEFORE : WR_DISK_CRASH_AFTER, true)) {
        at++;
    }
    cr_expect_gt(at, 5);
}

static uint64_t transactions_bytes(weir_log *log)
{
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(log, WR_TRANSACTIONS_TOPIC, 0, &info), WEIR_OK);
    return info.bytes;
}

Test(transactions, many_take_little_room_and_all_are_remembered, .timeout = 250)
{
    struct shop       shop = shop_open();
    weir_transaction *slow, *keeper;
    uint64_t          kept = 0;
    cr_assert_eq(weir_transaction_open(shop.log, "slow", &slow), WEIR_OK);
    cr_assert_eq(weir_transaction_open(shop.log, "keeper", &keeper), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(slow), WEIR_OK); // stays open all the time
    const uint64_t open = wr_transaction_number(slow);
    cr_assert_eq(weir_transaction_begin(keeper), WEIR_OK);
    cr_assert_eq(weir_transaction_prepare(keeper, &kept), WEIR_OK);
    uint64_t aborted = 0;
    for (uint32_t i = 0; i < 12000; i++) {
        cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
        const uint64_t number = wr_transaction_number(shop.transaction);
        if (i == 100) {
            cr_assert_eq(weir_transaction_abort(shop.transaction), WEIR_OK);
            aborted = number;
        } else {
            cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
        }
    }
    cr_expect_lt(transactions_bytes(shop.log), 1200000);
    weir_log *reader = trial_open(shop.environment, false);
    for (uint32_t round = 0; round < 2; round++) {
        weir_log *log = round == 0 ? shop.log : reader;
        cr_expect_eq(wr_transactions_verdict(log, aborted), WR_VERDICT_ABORTED);
        cr_expect_eq(wr_transactions_verdict(log, aborted - 1), WR_VERDICT_COMMITTED);
        cr_expect_eq(wr_transactions_verdict(log, aborted + 1), WR_VERDICT_COMMITTED);
        cr_expect_eq(wr_transactions_verdict(log, open), WR_VERDICT_OPEN);
        cr_expect_eq(wr_transactions_verdict(log, kept), WR_VERDICT_PREPARED);
    }
    (void)weir_log_close(reader);
    weir_transaction_close(slow);
    weir_transaction_close(keeper);
    shop_close(&shop);
}

Test(transactions, aborted_numbers_are_forgotten_when_their_rows_are_gone, .timeout = 120)
{
    struct shop shop             = shop_open();
    uint64_t    aborted          = 0;
    wr_transactions_aborted_kept = 4;
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
        aborted = wr_transaction_number(shop.transaction);
        cr_assert_eq(trial_append(shop.a, 0, 3), WEIR_OK);
        cr_assert_eq(weir_transaction_abort(shop.transaction), WEIR_OK);
        cr_assert_eq(weir_transaction_begin(shop.transaction), WEIR_OK);
        cr_assert_eq(weir_transaction_commit(shop.transaction), WEIR_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        wr_transactions_tidy(shop.log);
    }
    cr_expect_eq(wr_transactions_verdict(shop.log, aborted), WR_VERDICT_ABORTED);
    const weir_topic no_more = { .name          = "a",
                                 .type          = &trial_row_type,
                                 .key           = "key",
                                 .partitions    = 3,
                                 .segment_bytes = 64u << 10,
                                 .retain_age    = WEIR_SECONDS(1) };
    trial_create(shop.log, &no_more);
    wr_simulation_spend(shop.environment, WEIR_SECONDS(5));
    cr_assert_eq(weir_log_retain(shop.log, "a", NULL), WEIR_OK);
    // The last segments stay for what they say of offsets; others follow.
    for (uint32_t p = 0; p < 3; p++) {
        const trial_row row = { 1, 1 };
        cr_assert_eq(weir_producer_join(shop.a, NULL), WEIR_OK);
        cr_assert_eq(weir_producer_append_to(shop.a, p, &row, NULL, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_flush(shop.a, -1), WEIR_OK);
    cr_assert_eq(weir_log_retain(shop.log, "a", NULL), WEIR_OK);
    wr_transactions_tidy(shop.log);
    cr_expect_eq(wr_transactions_verdict(shop.log, aborted), WR_VERDICT_COMMITTED);
    shop_close(&shop);
}

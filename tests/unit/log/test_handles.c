// What is open of a log when that is closed.
#include "tests/support/upkeep_trial.h"
#include <criterion/criterion.h>

struct shop {
    struct wr_environment *environment;
    weir_log              *log;
};

static struct shop shop_open(void)
{
    struct shop      shop = { .environment = wr_environment_open_simulated(1, false) };
    const weir_topic a = trial_topic("a", 3), b = trial_topic("b", 2);
    shop.log = trial_open(shop.environment, true);
    trial_create(shop.log, &a);
    trial_create(shop.log, &b);
    return shop;
}

static void shop_close(struct shop *shop)
{
    cr_expect_eq(weir_log_close(shop->log), WEIR_OK);
    wr_environment_close(shop->environment);
}

static void refuses_to_close(weir_log *log, const char *what)
{
    cr_expect_eq(weir_log_close(log), WEIR_CONFLICT);
    char *sentence = wr_format("log " TRIAL_DIRECTORY
                               ": it stays open, for what is open of it needs it: %s; close them "
                               "first",
                               what);
    cr_expect_str_eq(weir_log_error(log), sentence);
    wr_free(sentence);
}

Test(handles, a_log_is_not_closed_under_its_producers_readers_and_transactions)
{
    struct shop       shop = shop_open();
    weir_producer    *producers[3];
    weir_reader      *reader;
    weir_transaction *transaction;
    cr_assert_eq(weir_producer_open(shop.log, "b", NULL, &producers[0]), WEIR_OK);
    cr_assert_eq(weir_producer_open(shop.log, "a", NULL, &producers[1]), WEIR_OK);
    cr_assert_eq(weir_producer_open(shop.log, "a", NULL, &producers[2]), WEIR_OK);
    cr_assert_eq(weir_reader_open(shop.log, "b", NULL, &reader), WEIR_OK);
    cr_assert_eq(weir_transaction_open(shop.log, "till", &transaction), WEIR_OK);
    refuses_to_close(shop.log,
                     "3 producers of topic a, b; 1 reader of topic b; 1 transaction till");

    cr_expect_eq(trial_append(producers[0], 0, 10), WEIR_OK);
    cr_expect_eq(weir_producer_flush(producers[0], -1), WEIR_OK);
    cr_expect_eq(trial_count(shop.log, "b"), 10);
    cr_expect_eq(weir_transaction_begin(transaction), WEIR_OK);

    cr_expect_eq(weir_producer_close(producers[1]), WEIR_OK);
    weir_reader_close(reader);
    refuses_to_close(shop.log, "2 producers of topic a, b; 1 transaction till");
    cr_expect_eq(weir_producer_close(producers[0]), WEIR_OK);
    cr_expect_eq(weir_producer_close(producers[2]), WEIR_OK);
    refuses_to_close(shop.log, "1 transaction till");
    weir_transaction_close(transaction);
    shop_close(&shop);
}

Test(handles, a_log_that_only_reads_is_not_closed_under_its_readers)
{
    struct shop  shop = shop_open();
    weir_log    *log  = trial_open(shop.environment, false);
    weir_reader *reader;
    cr_assert_eq(weir_reader_open(log, "a", NULL, &reader), WEIR_OK);
    refuses_to_close(log, "1 reader of topic a");
    weir_reader_close(reader);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    shop_close(&shop);
}

Test(handles, one_that_could_not_be_opened_is_a_handle_if_it_must_be_closed)
{
    struct shop       shop = shop_open();
    weir_transaction *transaction;
    weir_producer    *producer;
    weir_reader      *reader;
    cr_expect_eq(weir_producer_open(shop.log, "c", NULL, &producer), WEIR_NOT_FOUND);
    cr_expect_eq(weir_reader_open(shop.log, "c", NULL, &reader), WEIR_NOT_FOUND);
    cr_expect_eq(weir_transaction_open(shop.log, "", &transaction), WEIR_USAGE);
    refuses_to_close(shop.log, "1 transaction ");
    weir_transaction_close(transaction);
    shop_close(&shop);
}

Test(handles, many_names_are_cut_short)
{
    struct shop       shop = shop_open();
    weir_transaction *transactions[10];
    for (int i = 0; i < 10; i++) {
        char *name = wr_format("%d", i);
        cr_assert_eq(weir_transaction_open(shop.log, name, &transactions[i]), WEIR_OK);
        wr_free(name);
    }
    refuses_to_close(shop.log, "10 transactions 9, 8, 7, 6, 5, 4, 3, 2, ...");
    for (int i = 0; i < 10; i++) {
        weir_transaction_close(transactions[i]);
    }
    shop_close(&shop);
}

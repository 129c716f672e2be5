#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/support/operator_harness.h"
#include "tests/support/window_records.h"

// combine and window in one chain; what leaves is written down as text:
// "+" insert, "~" update, "-" delete, then key[start,end)=count:sum#firing.

#define LOG_BYTES 8192u

struct chain {
    struct wr_aggregate_options options;
    struct wr_partial_layout    partial;
    struct operator_harness     combine, window;
    struct wr_batch_layout      layout;
    struct wr_batch            *batch;
    char                        log[LOG_BYTES];
    size_t                      log_length;
    bool                        is_quiet; // counts, and writes nothing down
    uint64_t                    late, partials, partial_rows, result_rows;
};

static void log_add(struct chain *chain, const result *row, char mark)
{
    chain->result_rows += row->count;
    if (chain->is_quiet) {
        return;
    }
    const int length = snprintf(chain->log + chain->log_length, LOG_BYTES - chain->log_length,
                                "%s%c%d[%lld,%lld)=%d:%d#%d", chain->log_length > 0 ? " " : "",
                                mark, (int)row->key, row->start, row->end, (int)row->count,
                                (int)row->sum, (int)row->firing);
    chain->log_length += (size_t)length;
    cr_assert(chain->log_length < LOG_BYTES);
}

static void window_take(void *opaque, uint32_t output, const struct wr_batch *batch,
                        const uint16_t *selection, uint32_t count)
{
    static const char marks[] = { '+', '~', '-', '?' };
    cr_assert(output == WR_OUTPUT_MAIN && selection == NULL);
    for (uint32_t i = 0; i < count; i++) {
        log_add(opaque, wr_batch_row(batch, i),
                marks[batch->changes != NULL ? batch->changes[i] : 0]);
    }
}

static void combine_take(void *opaque, uint32_t output, const struct wr_batch *batch,
                         const uint16_t *selection, uint32_t count)
{
    struct chain *chain = opaque;
    if (output == WR_OUTPUT_LATE) {
        chain->late += count;
        return;
    }
    chain->partials += count;
    for (uint32_t i = 0; i < count; i++) {
        chain->partial_rows += ((const sums *)wr_batch_row(batch, i))->count;
    }
    operator_harness_rows(&chain->window, batch, selection, count);
}

static struct chain *chain_open(weir_window window, const weir_aggregate_binding *aggregate,
                                bool judges)
{
    struct chain *chain            = wr_alloc(sizeof(*chain));
    chain->options.window          = window;
    chain->options.aggregate       = aggregate;
    chain->options.judges_lateness = judges;
    chain->options.sends_changes   = window.lateness > 0;
    chain->partial                 = wr_partial_layout_of(aggregate);

    const struct operator_harness_options combine = {
        .operator_    = &wr_combine_operator,
        .binding      = aggregate,
        .key          = &by_number_key,
        .options      = &chain->options,
        .outputs      = { [WR_OUTPUT_MAIN] = chain->partial.type,
                          [WR_OUTPUT_LATE] = judges ? &event_type : NULL },
        .output_count = 2,
        .columns      = WR_COLUMN_TIME | WR_COLUMN_HASH,
        .rows         = 3,
        .take         = combine_take,
        .opaque       = chain,
    };
    const struct operator_harness_options windows = {
        .operator_    = &wr_window_operator,
        .binding      = aggregate,
        .options      = &chain->options,
        .outputs      = { [WR_OUTPUT_MAIN] = aggregate->out },
        .output_count = 2,
        .columns      = WR_COLUMN_TIME | (window.lateness > 0 ? (uint32_t)WR_COLUMN_CHANGE : 0u),
        .rows         = 1,
        .take         = window_take,
        .opaque       = chain,
    };
    operator_harness_open(&chain->combine, &combine);
    operator_harness_open(&chain->window, &windows);
    chain->layout = wr_batch_layout_of(&event_type, WR_COLUMN_TIME, 65536);
    chain->batch  = wr_batch_open(&chain->layout);
    return chain;
}

static void chain_close(struct chain *chain)
{
    operator_harness_close(&chain->combine);
    operator_harness_close(&chain->window);
    wr_batch_close(chain->batch);
    wr_batch_layout_fini(&chain->layout);
    weir_type_close(chain->partial.type);
    wr_free(chain);
}

static void put(struct chain *chain, weir_time at, uint64_t number, int64_t amount)
{
    struct wr_batch *batch             = chain->batch;
    const uint32_t   row               = batch->row_count;
    batch->times[row]                  = at;
    *(event *)wr_batch_row(batch, row) = (event){ .at = at, .number = number, .amount = amount };
    batch->row_count++;
}

static void push(struct chain *chain)
{
    if (chain->batch->row_count > 0) {
        operator_harness_rows(&chain->combine, chain->batch, NULL, chain->batch->row_count);
    }
    wr_batch_clear(chain->batch, &chain->layout);
}

static void give(struct chain *chain, weir_time at, uint64_t number, int64_t amount)
{
    put(chain, at, number, amount);
    push(chain);
}

static void advance(struct chain *chain, weir_time watermark)
{
    operator_harness_advance(&chain->combine, watermark);
    operator_harness_advance(&chain->window, watermark);
}

static void finish(struct chain *chain)
{
    advance(chain, WEIR_TIME_MAX);
    operator_harness_finish(&chain->combine);
    operator_harness_finish(&chain->window);
}

static void expect(struct chain *chain, const char *log)
{
    cr_expect_str_eq(chain->log, log);
    chain->log_length = 0;
    chain->log[0]     = '\0';
}

// ---- tumbling ----

Test(tumbling, fires_when_the_watermark_reaches_the_end_and_not_before)
{
    struct chain *chain = chain_open(weir_tumbling(10), &sums_by_number, false);
    give(chain, 0, 1, 5);
    give(chain, 9, 1, 1);
    give(chain, 10, 1, 8);
    advance(chain, 9);
    expect(chain, "");
    advance(chain, 10);
    expect(chain, "+1[0,10)=2:6#0");
    finish(chain);
    expect(chain, "+1[10,20)=1:8#0");
    chain_close(chain);
}

Test(tumbling, floors_below_zero_and_respects_the_offset)
{
    weir_window window  = weir_tumbling(10);
    window.offset       = 3;
    struct chain *chain = chain_open(window, &sums_by_number, false);
    give(chain, -8, 1, 1); // [-17, -7)
    give(chain, -7, 1, 2); // [-7, 3)
    give(chain, 2, 1, 4);
    give(chain, 3, 1, 8); // [3, 13)
    finish(chain);
    expect(chain, "+1[-17,-7)=1:1#0 +1[-7,3)=2:6#0 +1[3,13)=1:8#0");
    chain_close(chain);
}

Test(tumbling, takes_times_at_both_ends_of_time)
{
    struct chain *chain = chain_open(weir_tumbling(1000), &sums_by_number, false);
    give(chain, WEIR_TIME_MIN, 1, 1);
    give(chain, WEIR_TIME_MAX, 1, 2);
    finish(chain);
    cr_expect(strstr(chain->log, "+1[-4611686018427387904,") == chain->log, "%s", chain->log);
    cr_expect(strstr(chain->log, ",4611686018427387904)=1:2#0") != NULL, "%s", chain->log);
    chain_close(chain);
}

Test(tumbling, drops_and_counts_what_comes_behind_a_fired_window)
{
    struct chain *chain = chain_open(weir_tumbling(10), &sums_by_number, false);
    advance(chain, 10);
    give(chain, 9, 1, 1);
    give(chain, 10, 1, 2);
    finish(chain);
    expect(chain, "+1[10,20)=1:2#0");
    cr_expect(operator_harness_counter(&chain->window, WR_LATE) == 1);
    chain_close(chain);
}

Test(tumbling, sends_late_rows_where_someone_listens)
{
    struct chain *chain =
        chain_open(weir_allow_lateness(weir_tumbling(10), 5), &sums_by_number, true);
    advance(chain, 14);
    give(chain, 9, 1, 1); // 10 + 5 > 14: a correction
    advance(chain, 15);
    give(chain, 9, 1, 2); // late
    give(chain, 9, 1, 4);
    expect(chain, "+1[0,10)=1:1#0");
    cr_expect(chain->late == 2);
    cr_expect(operator_harness_counter(&chain->combine, WR_LATE) == 2);
    finish(chain);
    chain_close(chain);
}

Test(tumbling, numbers_the_firings_of_a_pane)
{
    struct chain *chain =
        chain_open(weir_allow_lateness(weir_tumbling(10), 100), &sums_by_number, false);
    give(chain, 1, 1, 4);
    advance(chain, 10);
    expect(chain, "+1[0,10)=1:4#0");
    give(chain, 2, 1, 4);
    expect(chain, "~1[0,10)=2:8#1");
    give(chain, 3, 1, 3); // a sum of 11 has no result (11 % 4 == 3)
    expect(chain, "-1[0,10)=2:8#1");
    give(chain, 4, 1, 1);
    expect(chain, "+1[0,10)=4:12#3");
    give(chain, 4, 2, 1); // a key the window had not seen
    expect(chain, "+2[0,10)=1:1#0");
    finish(chain);
    expect(chain, "");
    chain_close(chain);
}

Test(tumbling, resumes_with_a_hundred_keys_and_one_row_of_room)
{
    struct chain *chain = chain_open(weir_tumbling(10), &sums_by_number, false);
    uint32_t      signs = 0;
    for (uint64_t key = 0; key < 100; key++) {
        put(chain, (weir_time)(key % 10), key, 1);
        put(chain, (weir_time)(key % 10), key, 1);
    }
    push(chain);
    advance(chain, 10);
    for (size_t i = 0; i < chain->log_length; i++) {
        signs += chain->log[i] == '+';
    }
    cr_expect(signs == 100, "%u results", signs);
    chain_close(chain);
}

// ---- sliding ----

static void slide_over_three_slices(const weir_aggregate_binding *aggregate)
{
    struct chain *chain = chain_open(weir_sliding(30, 10), aggregate, false);
    give(chain, 5, 1, 4);
    give(chain, 15, 1, 8);
    give(chain, 25, 1, 16);
    give(chain, 25, 2, 1);
    advance(chain, 9);
    expect(chain, "");
    advance(chain, 10);
    expect(chain, "+1[-20,10)=1:4#0");
    advance(chain, 20);
    expect(chain, "+1[-10,20)=2:12#0");
    give(chain, 19, 1, 100); // behind the watermark: in the two windows that have not fired
    advance(chain, 39);
    cr_expect(strstr(chain->log, "+1[0,30)=4:128#0") != NULL, "%s", chain->log);
    cr_expect(strstr(chain->log, "+2[0,30)=1:1#0") != NULL, "%s", chain->log);
    chain->log_length = 0;
    advance(chain, 40);
    cr_expect(strstr(chain->log, "+1[10,40)=3:124#0") != NULL, "%s", chain->log);
    chain->log_length = 0;
    finish(chain);
    cr_expect(strstr(chain->log, "+1[20,50)=1:16#0") != NULL, "%s", chain->log);
    cr_expect(strstr(chain->log, "+2[20,50)=1:1#0") != NULL, "%s", chain->log);
    cr_expect(strstr(chain->log, "[30,60)") == NULL, "%s", chain->log);
    chain_close(chain);
}

Test(sliding, adds_and_takes_out_slices) { slide_over_three_slices(&sums_by_number); }
Test(sliding, that_cannot_take_out_gives_the_same) { slide_over_three_slices(&largest_by_number); }

Test(sliding, skips_a_gap_of_years_at_once)
{
    struct chain *chain = chain_open(weir_sliding(2, 1), &sums_by_number, false);
    give(chain, 0, 1, 1);
    give(chain, WEIR_DAYS(10000), 1, 2);
    finish(chain);
    expect(chain, "+1[-1,1)=1:1#0 +1[0,2)=1:1#0 "
                  "+1[863999999999999,864000000000001)=1:2#0 "
                  "+1[864000000000000,864000000000002)=1:2#0");
    chain_close(chain);
}

Test(sliding, corrects_the_fired_windows_within_their_lateness)
{
    struct chain *chain =
        chain_open(weir_allow_lateness(weir_sliding(30, 10), 15), &sums_by_number, false);
    give(chain, 5, 1, 4);
    advance(chain, 30); // windows that end at 10, 20, 30 have fired; 10 + 15 <= 30
    expect(chain, "+1[-20,10)=1:4#0 +1[-10,20)=1:4#0 +1[0,30)=1:4#0");
    give(chain, 6, 1, 4);
    expect(chain, "~1[-10,20)=2:8#1 ~1[0,30)=2:8#1");
    advance(chain, 44);
    give(chain, 7, 1, 4); // 30 + 15 > 44
    expect(chain, "~1[0,30)=3:12#2");
    advance(chain, 45);
    give(chain, 8, 1, 4); // late: every window with it has ended 15 ago
    expect(chain, "");
    cr_expect(operator_harness_counter(&chain->window, WR_LATE) == 1);
    finish(chain);
    chain_close(chain);
}

// ---- sessions ----

Test(session, joins_what_is_less_than_the_gap_apart)
{
    struct chain *chain = chain_open(weir_session(10), &sums_by_number, false);
    give(chain, 0, 1, 1);
    give(chain, 9, 1, 1);
    give(chain, 19, 1, 4);  // exactly the gap after: a new session
    give(chain, -10, 1, 8); // and before
    advance(chain, 18);
    expect(chain, "+1[-10,0)=1:8#0");
    advance(chain, 19);
    expect(chain, "+1[0,19)=2:2#0");
    finish(chain);
    expect(chain, "+1[19,29)=1:4#0");
    chain_close(chain);
}

Test(session, becomes_one_when_a_row_bridges_two)
{
    struct chain *chain = chain_open(weir_session(10), &largest_by_number, false);
    give(chain, 0, 1, 1);
    give(chain, 15, 1, 4);
    give(chain, 8, 1, 8);
    finish(chain);
    expect(chain, "+1[0,25)=3:13#0");
    chain_close(chain);
}

Test(session, that_fired_is_updated_while_its_start_stays)
{
    struct chain *chain =
        chain_open(weir_allow_lateness(weir_session(10), 100), &sums_by_number, false);
    give(chain, 0, 1, 1);
    advance(chain, 50);
    expect(chain, "+1[0,10)=1:1#0");
    give(chain, 5, 1, 1);
    expect(chain, "~1[0,15)=2:2#1");
    give(chain, -3, 1, 2); // the start moves
    expect(chain, "-1[0,15)=2:2#1 +1[-3,15)=3:4#0");
    give(chain, 20, 1, 1); // another
    expect(chain, "+1[20,30)=1:1#0");
    give(chain, 13, 1, 4); // and the two become one
    expect(chain, "-1[20,30)=1:1#0 ~1[-3,30)=5:9#1");
    finish(chain);
    expect(chain, "");
    chain_close(chain);
}

Test(session, that_is_open_again_is_withdrawn_until_it_fires)
{
    struct chain *chain =
        chain_open(weir_allow_lateness(weir_session(10), 100), &sums_by_number, false);
    give(chain, 0, 1, 1);
    advance(chain, 12);
    expect(chain, "+1[0,10)=1:1#0");
    give(chain, 5, 1, 1); // ends at 15 now
    expect(chain, "-1[0,10)=1:1#0");
    advance(chain, 14);
    expect(chain, "");
    advance(chain, 15);
    expect(chain, "+1[0,15)=2:2#2");
    finish(chain);
    chain_close(chain);
}

// ---- count and global ----

Test(count, fires_at_every_nth_and_at_the_end)
{
    struct chain *chain = chain_open(weir_count_window(2), &sums_by_number, false);
    give(chain, 5, 1, 1);
    give(chain, 3, 1, 4);
    expect(chain, "+1[3,6)=2:5#0");
    give(chain, 9, 1, 8);
    expect(chain, "");
    finish(chain);
    expect(chain, "+1[9,10)=1:8#0");
    chain_close(chain);
}

Test(count, forgets_keys_that_are_done)
{
    struct chain *chain = chain_open(weir_count_window(1), &sums_by_number, false);
    size_t        most  = 0;
    for (uint64_t key = 0; key < 100000; key++) {
        put(chain, 0, key, 3); // no result
        if (chain->batch->row_count == chain->batch->row_capacity) {
            push(chain);
            const size_t used = wr_pool_used_bytes(chain->window.node->pool);
            most              = used > most ? used : most;
        }
    }
    cr_expect(most < 2000000, "%zu bytes", most);
    chain_close(chain);
}

Test(global, has_one_result_at_the_end)
{
    struct chain *chain = chain_open(weir_global(), &sums_by_number, false);
    give(chain, 5, 1, 1);
    give(chain, -3, 1, 4);
    advance(chain, 1000);
    expect(chain, "");
    finish(chain);
    expect(chain, "+1[-3,6)=2:5#0");
    chain_close(chain);
}

// ---- combine ----

// Rows of `key_count` keys in turn, of one slice; how many partials they became.
static uint64_t partials_of(uint64_t rows, uint64_t key_count)
{
    struct chain *chain = chain_open(weir_tumbling(1000000), &sums_by_number, false);
    chain->is_quiet     = true;
    for (uint64_t i = 0; i < rows; i++) {
        put(chain, (weir_time)(i % 1000), i % key_count, 4);
        if (chain->batch->row_count == chain->batch->row_capacity) {
            push(chain);
        }
    }
    push(chain);
    finish(chain);
    cr_expect(chain->partial_rows == rows, "%d rows in partials", (int)chain->partial_rows);
    cr_expect(chain->result_rows == rows, "%d rows in results", (int)chain->result_rows);
    const uint64_t partials = chain->partials;
    chain_close(chain);
    return partials;
}

Test(combine, folds_rows_of_one_key_and_slice)
{
    cr_expect(partials_of(10000, 1) == 1);
    const uint64_t partials = partials_of(300000, 1000);
    cr_expect(partials >= 1000 && partials < 5000, "%d partials", (int)partials);
}

Test(combine, stops_folding_when_few_keys_repeat)
{
    const uint64_t partials = partials_of(300000, 100000);
    cr_expect(partials > 200000 && partials <= 300000, "%d partials", (int)partials);
}

Test(combine, lets_all_go_when_flushed_and_no_more_than_due_when_time_advances)
{
    struct chain *chain = chain_open(weir_tumbling(10), &sums_by_number, false);
    put(chain, 5, 1, 1);
    put(chain, 6, 1, 1);
    put(chain, 15, 1, 1);
    push(chain);
    cr_expect(chain->partials == 0);
    operator_harness_advance(&chain->combine, 10);
    cr_expect(chain->partials == 1);
    operator_harness_flush(&chain->combine);
    cr_expect(chain->partials == 2);
    finish(chain);
    expect(chain, "+1[0,10)=2:2#0 +1[10,20)=1:1#0");
    chain_close(chain);
}

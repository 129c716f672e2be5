// The deduplication against brute force: random rows, out of order, with a watermark that rises.
//
// By the definition a row passes unless one with its key passed at most `within` away; brute force
// keeps all that passed. Rows come at most `lateness` behind the watermark, so that dropping state
// must not show.
#include "tests/support/operator_harness.h"
#include "tests/support/trial.h"

typedef struct event {
    weir_time at;
    uint64_t  number;
    uint32_t  low, row;
    weir_str  name;
} event;
WEIR_RECORD(event, at, number, low, row, name);

WEIR_KEY(by_number, event, number);
WEIR_KEY(by_low, event, low);
WEIR_KEY(by_name, event, name);
WEIR_KEY(by_low_and_name, event, low, name);

#define ROWS_MAX   512u
#define BATCH_ROWS 24u

struct trial_case {
    uint64_t                seed;
    struct operator_harness node;
    uint64_t                keys[ROWS_MAX]; // of what passed, by the definition
    weir_time               times[ROWS_MAX];
    uint32_t                passed_count;
    uint32_t                expected[BATCH_ROWS]; // rows of the batch at hand that pass
    uint32_t                expected_count, seen_count;
};

static bool is_duplicate(const struct trial_case *trial, const event *e, weir_time within)
{
    for (uint32_t i = 0; i < trial->passed_count; i++) {
        const weir_time apart =
            e->at > trial->times[i] ? e->at - trial->times[i] : trial->times[i] - e->at;
        if (trial->keys[i] == e->number && apart <= within) {
            return true;
        }
    }
    return false;
}

static void take(void *opaque, uint32_t output, const struct wr_batch *batch,
                 const uint16_t *selection, uint32_t count)
{
    struct trial_case *trial = opaque;
    TRIAL_CHECK(output == WR_OUTPUT_MAIN && selection != NULL, "an unexpected output");
    for (uint32_t i = 0; i < count; i++) {
        const event *e = wr_batch_row(batch, selection[i]);
        TRIAL_CHECK(trial->seen_count < trial->expected_count &&
                        e->row == trial->expected[trial->seen_count],
                    "seed %" PRIu64 ", row %u at %lld of key %" PRIu64 " passed", trial->seed,
                    e->row, e->at, e->number);
        trial->seen_count++;
    }
}

static event event_draw(struct trial_random *random, uint32_t key_count, weir_time lowest,
                        weir_time highest, char (*names)[40])
{
    const uint64_t number = trial_below(random, key_count);
    weir_time      at = lowest + (weir_time)(trial_next(random) % (uint64_t)(highest - lowest + 1));
    at = at < WEIR_TIME_MIN ? WEIR_TIME_MIN : at > WEIR_TIME_MAX ? WEIR_TIME_MAX : at;
    return (event){
        .at = at, .number = number, .low = (uint32_t)number, .name = weir_str_from(names[number])
    };
}

static void case_run(struct trial_case *trial, uint64_t seed)
{
    static const weir_key_binding *const keys[]  = { &by_number_key, &by_low_key, &by_name_key,
                                                     &by_low_and_name_key };
    static const weir_time               bases[] = { 0, -50, WEIR_TIME_MIN, WEIR_TIME_MAX - 300 };
    static char names[8][40] = { "",  "a", "b", "c and a longer name", "d and a longer name",
                                 "e", "f", "g" };
    struct trial_random                 random    = { seed };
    const weir_time                     unit      = trial_one_in(&random, 2) ? 1 : WEIR_SECONDS(1);
    const weir_time                     within    = unit * (weir_time)trial_below(&random, 20);
    const weir_time                     lateness  = unit * (weir_time)trial_below(&random, 40);
    const uint32_t                      key_count = 1 + trial_below(&random, 8);
    const uint32_t                      rounds    = 1 + trial_below(&random, 16);
    weir_time                           lowest    = bases[trial_below(&random, 4)];
    const weir_key_binding             *key       = keys[trial_below(&random, 4)];
    const struct wr_deduplicate_options options   = { within, lateness };
    if (unit > 1 && lowest > 0) {
        lowest = 0;
    }

    const struct operator_harness_options harness = {
        .operator_    = &wr_deduplicate_operator,
        .key          = key,
        .options      = &options,
        .outputs      = { [WR_OUTPUT_MAIN] = &event_type },
        .output_count = 2,
        .columns      = WR_COLUMN_TIME,
        .rows         = 4,
        .take         = take,
        .opaque       = trial,
    };
    struct wr_batch_layout layout = wr_batch_layout_of(&event_type, WR_COLUMN_TIME, 8192);
    struct wr_batch       *batch  = wr_batch_open(&layout);
    uint64_t               rows   = 0;
    uint64_t               passed = 0;
    trial->seed                   = seed;
    trial->passed_count           = 0;
    operator_harness_open(&trial->node, &harness);

    for (uint32_t round = 0; round < rounds; round++) {
        uint16_t       selection[BATCH_ROWS];
        uint32_t       selected = 0;
        const bool     is_all   = trial_one_in(&random, 2);
        const uint32_t count    = 1 + trial_below(&random, BATCH_ROWS);
        wr_batch_clear(batch, &layout);
        trial->expected_count = trial->seen_count = 0;
        for (uint32_t row = 0; row < count; row++) {
            event e = event_draw(&random, key_count, lowest, lowest + lateness + 10 * unit, names);
            e.row   = row;
            batch->times[row]                  = e.at;
            *(event *)wr_batch_row(batch, row) = e;
            TRIAL_CHECK(wr_batch_seal_row(batch, &layout), "events do not fit");
            if (!is_all && trial_one_in(&random, 3)) {
                continue;
            }
            selection[selected++] = (uint16_t)row;
            if (!is_duplicate(trial, &e, within)) {
                trial->expected[trial->expected_count++] = row;
                trial->keys[trial->passed_count]         = e.number;
                trial->times[trial->passed_count++]      = e.at;
            }
        }
        if (selected > 0) {
            operator_harness_rows(&trial->node, batch, is_all ? NULL : selection, selected);
        }
        rows += selected;
        passed += trial->expected_count;
        TRIAL_CHECK(trial->seen_count == trial->expected_count,
                    "seed %" PRIu64 ", %u rows passed, not %u", seed, trial->seen_count,
                    trial->expected_count);
        if (trial_one_in(&random, 2)) {
            lowest += unit * (weir_time)trial_below(&random, trial_one_in(&random, 8) ? 200 : 15);
            const weir_time watermark = weir_time_add(lowest, lateness);
            operator_harness_advance(&trial->node,
                                     watermark < WEIR_TIME_MAX ? watermark : WEIR_TIME_MAX - 1);
        }
    }
    TRIAL_CHECK(operator_harness_counter(&trial->node, WR_DUPLICATES) == rows - passed,
                "seed %" PRIu64 ", duplicates are miscounted", seed);
    operator_harness_advance(&trial->node, WEIR_TIME_MAX);
    TRIAL_CHECK(wr_pool_used_bytes(trial->node.node->pool) == 0, "state is left at the end");
    operator_harness_close(&trial->node);
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

int main(int argc, char **argv)
{
    const uint64_t        seed     = trial_seed(argc, argv);
    const uint64_t        cases    = trial_size(2000, 16000, 200000);
    struct trial_case    *trial    = calloc(1, sizeof(*trial));
    struct trial_watchdog watchdog = { 0 };
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < cases; i++) {
        case_run(trial, seed + i);
        trial_progress(&watchdog);
    }
    trial_watchdog_stop(&watchdog);
    free(trial);
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}

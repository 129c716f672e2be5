// Every kind of window against brute force: random events, out of order, watermarks at random
// points, one or three combine nodes before the window, outputs so small that everything resumes.
//
//   events --> combine 0..2 --> window --> rows --> what remains of them        must be equal to
//          \-> a list of what each window holds, by the definition -----------> its results
//
// On the way each row is checked against those before it: an insert is new, an update changes, a
// delete withdraws what is there, the number of the firing counts.
#include "tests/support/operator_harness.h"
#include "tests/support/trial.h"
#include "tests/support/window_records.h"

#define EVENTS_MAX  96u
#define KEYS_MAX    6u
#define RESULTS_MAX 4096u
#define TEXT_BYTES  24u

// ---- the setting of a case ----

struct setting {
    weir_window                   window;
    const weir_aggregate_binding *aggregate;
    const weir_key_binding       *key;
    bool                          is_text; // results are text_result
    uint32_t                      aggregate_number;
    uint32_t                      combine_count;
    uint32_t                      key_count;
    bool                          judges;
    weir_time                     base; // of event times
    weir_time                     spread;
};

static const weir_aggregate_binding *const aggregates[4][3] = {
    { &sums_by_number, &largest_by_number, &texts_by_number },
    { &sums_by_low, &largest_by_low, &texts_by_low },
    { &sums_by_three, &largest_by_three, &texts_by_three },
    { &sums_by_name, &largest_by_name, &texts_by_name },
};
static const weir_key_binding *const keys[4] = { &by_number_key, &by_low_key, &by_three_key,
                                                 &by_name_key };

static weir_window window_draw(struct trial_random *random)
{
    const weir_time slide = 1 + trial_below(random, 12);
    weir_window     window;
    switch (trial_below(random, 7)) {
    case 0:
    case 1: window = weir_tumbling(slide); break;
    case 2:
    case 3:
    case 4: window = weir_sliding(slide * (weir_time)(2 + trial_below(random, 6)), slide); break;
    case 5: window = weir_session(slide); break;
    default:
        if (trial_one_in(random, 3)) {
            return weir_global();
        }
        return weir_count_window(1 + trial_below(random, 4));
    }
    window.offset = (weir_time)trial_below(random, 30) - 15;
    if (!trial_one_in(random, 3)) {
        window.lateness = (weir_time)trial_below(random, 40);
    }
    return window;
}

static struct setting setting_draw(struct trial_random *random)
{
    static const weir_time bases[] = { 0, -40, 1000000, WEIR_TIME_MIN, WEIR_TIME_MAX - 60 };
    const uint32_t         key     = trial_below(random, 4);
    const uint32_t         base    = trial_below(random, trial_one_in(random, 8) ? 5 : 3);
    struct setting         setting = {
                .window           = window_draw(random),
                .key              = keys[key],
                .aggregate_number = trial_below(random, 3),
                .combine_count    = trial_one_in(random, 2) ? 1 : 3,
                .key_count        = 1 + trial_below(random, KEYS_MAX),
                .base             = bases[base],
                .spread           = trial_one_in(random, 10) ? 5000 : 60,
    };
    setting.spread    = setting.base > 1000000 ? 60 : setting.spread;
    setting.aggregate = aggregates[key][setting.aggregate_number];
    setting.is_text   = setting.aggregate_number == 2;
    setting.judges    = setting.combine_count == 1 && trial_one_in(random, 2);
    return setting;
}

// ---- results ----

struct outcome {
    result base;
    char   text[TEXT_BYTES];
};

struct outcomes {
    struct outcome rows[RESULTS_MAX];
    uint32_t       count;
};

static int outcome_compare(const void *a, const void *b)
{
    const result *x = a;
    const result *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    if (x->end != y->end) {
        return x->end < y->end ? -1 : 1;
    }
    if (x->sum != y->sum) {
        return x->sum < y->sum ? -1 : 1;
    }
    return x->count < y->count ? -1 : x->count > y->count;
}

static bool outcome_equal(const struct outcome *a, const struct outcome *b)
{
    return outcome_compare(a, b) == 0 && a->base.most == b->base.most &&
           strcmp(a->text, b->text) == 0;
}

static void outcomes_add(struct outcomes *outcomes, const struct outcome *row)
{
    TRIAL_CHECK(outcomes->count < RESULTS_MAX, "too many results");
    outcomes->rows[outcomes->count++] = *row;
}

// ---- one case ----

struct value {
    weir_time start, end; // of what it is of
    int64_t   sum;
    uint64_t  count;
    int64_t   most;
    char      text[TEXT_BYTES];
    bool      is_dropped; // sessions
    uint64_t  key;
    weir_time first, last;
};

struct trial_case {
    uint64_t                seed;
    struct setting          setting;
    struct operator_harness combines[3];
    weir_time               watermarks[3];
    struct operator_harness window;
    weir_time               watermark; // of the window
    struct outcomes         seen;      // what remains of what left
    struct outcomes         expected;
    struct value            values[RESULTS_MAX]; // brute force
    uint32_t                value_count;
    uint64_t                accepted, late, late_seen, rows_seen;
    struct outcome          firings[RESULTS_MAX]; // (key, start, end): base.firing rows so far
    uint32_t                firing_count;
};

#define CASE_CHECK(claim, ...)                                                                     \
    TRIAL_CHECK(claim, "seed %" PRIu64 ", %s", trial->seed, (printf(__VA_ARGS__), printf(" "), ""))

// ---- brute force ----

static bool is_reached(weir_time end, weir_time watermark)
{
    return watermark == WEIR_TIME_MAX || end <= watermark;
}

static void value_add(struct value *value, const event *e)
{
    char text[TEXT_BYTES] = "";
    memcpy(text, weir_str_bytes(&e->text), e->text.length);
    if (strcmp(text, value->text) > 0) {
        memcpy(value->text, text, sizeof(text));
    }
    value->first = value->count == 0 || e->at < value->first ? e->at : value->first;
    value->last  = value->count == 0 || e->at > value->last ? e->at : value->last;
    value->most  = value->count == 0 || e->amount > value->most ? e->amount : value->most;
    value->sum += e->amount;
    value->count++;
}

static struct value *value_new(struct trial_case *trial, uint64_t key)
{
    CASE_CHECK(trial->value_count < RESULTS_MAX, "too many values");
    struct value *value = &trial->values[trial->value_count++];
    *value              = (struct value){ .key = key };
    return value;
}

// The windows that contain the event and have not ended too long ago.
static bool sliced_add(struct trial_case *trial, const event *e)
{
    const weir_window *window = &trial->setting.window;
    bool               is_in  = false;
    weir_time          start  = e->at - window->length - window->slide;
    weir_time          into   = (start - window->offset) % window->slide;
    start -= into < 0 ? into + window->slide : into;
    for (; start <= e->at; start += window->slide) {
        const weir_time end = start + window->length;
        if (e->at >= end || is_reached(end + window->lateness, trial->watermark)) {
            continue;
        }
        struct value *value = NULL;
        for (uint32_t i = 0; i < trial->value_count && value == NULL; i++) {
            value = trial->values[i].key == e->number && trial->values[i].start == start
                        ? &trial->values[i]
                        : NULL;
        }
        if (value == NULL) {
            value        = value_new(trial, e->number);
            value->start = start;
            value->end   = end;
        }
        value_add(value, e);
        is_in = true;
    }
    return is_in;
}

static bool session_add(struct trial_case *trial, const event *e)
{
    const weir_window *window = &trial->setting.window;
    if (is_reached(e->at + window->gap + window->lateness, trial->watermark)) {
        return false;
    }
    struct value *mine = value_new(trial, e->number);
    value_add(mine, e);
    for (uint32_t i = 0; i + 1 < trial->value_count; i++) {
        struct value   *other = &trial->values[i];
        const weir_time apart = e->at > other->last    ? e->at - other->last
                                : e->at < other->first ? other->first - e->at
                                                       : 0;
        if (other->key != e->number || other->is_dropped || other->count == 0 ||
            apart >= window->gap) {
            continue;
        }
        mine->first = other->first < mine->first ? other->first : mine->first;
        mine->last  = other->last > mine->last ? other->last : mine->last;
        mine->most  = other->most > mine->most ? other->most : mine->most;
        mine->sum += other->sum;
        mine->count += other->count;
        if (strcmp(other->text, mine->text) > 0) {
            memcpy(mine->text, other->text, sizeof(mine->text));
        }
        other->count = 0; // gone
    }
    return true;
}

static void counted_add(struct trial_case *trial, const event *e)
{
    const weir_window *window = &trial->setting.window;
    struct value      *value  = NULL;
    for (uint32_t i = 0; i < trial->value_count && value == NULL; i++) {
        const bool is_full =
            window->kind == WEIR_WINDOW_COUNT && trial->values[i].count == window->count;
        value = trial->values[i].key == e->number && !is_full ? &trial->values[i] : NULL;
    }
    value_add(value != NULL ? value : value_new(trial, e->number), e);
}

static void expect(struct trial_case *trial, const event *e)
{
    bool is_in = true;
    switch (trial->setting.window.kind) {
    case WEIR_WINDOW_TUMBLING:
    case WEIR_WINDOW_SLIDING: is_in = sliced_add(trial, e); break;
    case WEIR_WINDOW_SESSION: is_in = session_add(trial, e); break;
    case WEIR_WINDOW_COUNT:
    case WEIR_WINDOW_GLOBAL: counted_add(trial, e); break;
    }
    trial->accepted += is_in;
    trial->late += !is_in;
}

static void expect_watermark(struct trial_case *trial)
{
    const weir_window *window = &trial->setting.window;
    for (uint32_t i = 0; i < trial->value_count && window->kind == WEIR_WINDOW_SESSION; i++) {
        struct value *value = &trial->values[i];
        value->is_dropped |=
            is_reached(value->last + window->gap + window->lateness, trial->watermark);
    }
}

static weir_time clamp(weir_time time)
{
    return time > WEIR_TIME_MAX ? WEIR_TIME_MAX : time < WEIR_TIME_MIN ? WEIR_TIME_MIN : time;
}

// The results of all that has ended until now.
static void expect_results(struct trial_case *trial)
{
    const weir_window *window = &trial->setting.window;
    trial->expected.count     = 0;
    for (uint32_t i = 0; i < trial->value_count; i++) {
        const struct value *value = &trial->values[i];
        if (value->count == 0 || !value_has_result(value->sum)) {
            continue;
        }
        struct outcome row = { .base = {
                                   .key = value->key, .sum = value->sum, .count = value->count } };
        const bool     is_sliced =
            window->kind == WEIR_WINDOW_TUMBLING || window->kind == WEIR_WINDOW_SLIDING;
        row.base.start = clamp(is_sliced ? value->start : value->first);
        row.base.end   = clamp(is_sliced                             ? value->end
                               : window->kind == WEIR_WINDOW_SESSION ? value->last + window->gap
                                                                     : value->last + 1);
        row.base.most  = trial->setting.aggregate_number == 1 ? value->most : 0;
        if (!is_reached(row.base.end, trial->watermark)) {
            continue;
        }
        if (trial->setting.is_text) {
            memcpy(row.text, value->text, sizeof(row.text));
        }
        outcomes_add(&trial->expected, &row);
    }
}

// ---- what leaves the window ----

// Results of one identity: a key and a window; of sessions a key and a start.
static struct outcome *seen_find(struct trial_case *trial, const result *row)
{
    const bool by_end = trial->setting.window.kind != WEIR_WINDOW_SESSION;
    for (uint32_t i = 0; i < trial->seen.count; i++) {
        struct outcome *one = &trial->seen.rows[i];
        if (one->base.key == row->key && one->base.start == row->start &&
            (!by_end || one->base.end == row->end)) {
            return one;
        }
    }
    return NULL;
}

// Rows of one pane are numbered. (A session's start may come, go and come again.)
static void firing_check(struct trial_case *trial, const result *row, weir_change change)
{
    uint32_t i = 0;
    while (i < trial->firing_count &&
           (trial->firings[i].base.key != row->key || trial->firings[i].base.start != row->start ||
            trial->firings[i].base.end != row->end)) {
        i++;
    }
    if (i == trial->firing_count) {
        CASE_CHECK(trial->firing_count < RESULTS_MAX, "too many panes");
        trial->firings[trial->firing_count++] = (struct outcome){ .base = *row };
        trial->firings[i].base.firing         = 0;
    }
    const uint32_t number = trial->firings[i].base.firing++;
    CASE_CHECK(row->firing == number - (change == WEIR_DELETE), "row %u of a pane says it is %u",
               number, row->firing);
}

static void row_check(struct trial_case *trial, const struct outcome *row, weir_change change)
{
    const weir_window *window = &trial->setting.window;
    if (window->kind == WEIR_WINDOW_COUNT || window->kind == WEIR_WINDOW_GLOBAL) {
        CASE_CHECK(change == WEIR_INSERT, "a change of a window that cannot change");
        outcomes_add(&trial->seen, row);
        return;
    }
    struct outcome *old = seen_find(trial, &row->base);
    if (window->kind != WEIR_WINDOW_SESSION && trial->setting.base < 10000000 &&
        trial->setting.base > -10000000) {
        firing_check(trial, &row->base, change);
    }
    if (change == WEIR_INSERT) {
        CASE_CHECK(old == NULL, "key %" PRIu64 " [%lld, %lld) is inserted twice", row->base.key,
                   row->base.start, row->base.end);
        outcomes_add(&trial->seen, row);
        return;
    }
    CASE_CHECK(window->lateness > 0, "a final result is corrected");
    CASE_CHECK(old != NULL, "change %d of key %" PRIu64 " [%lld, %lld), which is not there", change,
               row->base.key, row->base.start, row->base.end);
    if (change == WEIR_UPDATE_AFTER) {
        CASE_CHECK(!outcome_equal(old, row), "an update that changes nothing");
        *old = *row;
        return;
    }
    CASE_CHECK(change == WEIR_DELETE && outcome_equal(old, row), "withdraws something else");
    *old = trial->seen.rows[--trial->seen.count];
}

static void window_take(void *opaque, uint32_t output, const struct wr_batch *batch,
                        const uint16_t *selection, uint32_t count)
{
    struct trial_case *trial = opaque;
    CASE_CHECK(output == WR_OUTPUT_MAIN && selection == NULL, "an unexpected output");
    for (uint32_t i = 0; i < count; i++) {
        const void     *record = wr_batch_row(batch, i);
        struct outcome  row    = { .base = *(const result *)record };
        const weir_time end    = row.base.end;
        if (trial->setting.is_text) {
            const weir_str *text = &((const text_result *)record)->most;
            memcpy(row.text, weir_str_bytes(text), text->length);
        }
        CASE_CHECK(batch->times[i] == end - 1 || end == WEIR_TIME_MAX || end == WEIR_TIME_MIN,
                   "time %lld of a pane that ends at %lld", batch->times[i], end);
        row_check(trial, &row,
                  batch->changes != NULL ? (weir_change)batch->changes[i] : WEIR_INSERT);
        trial->rows_seen++;
    }
}

static void combine_take(void *opaque, uint32_t output, const struct wr_batch *batch,
                         const uint16_t *selection, uint32_t count)
{
    struct trial_case *trial = opaque;
    if (output == WR_OUTPUT_LATE) {
        trial->late_seen += count;
        return;
    }
    operator_harness_rows(&trial->window, batch, selection, count);
}

// ---- running a case ----

static event event_draw(struct trial_random *random, const struct setting *setting, weir_time now)
{
    static char    names[KEYS_MAX][40]; // of long and short names
    static char    words[4][TEXT_BYTES] = { "", "short", "a text that is long",
                                            "b text that is long" };
    const uint64_t number               = trial_below(random, setting->key_count);
    if (names[number][0] == '\0') {
        snprintf(names[number], sizeof(names[number]), "%u%s", (unsigned)number,
                 number % 2 == 0 ? "" : " and a name that is long");
    }
    weir_time at     = now - (weir_time)trial_below(random, trial_one_in(random, 4) ? 50 : 8);
    at               = at < WEIR_TIME_MIN ? WEIR_TIME_MIN : at > WEIR_TIME_MAX ? WEIR_TIME_MAX : at;
    const char *text = words[trial_below(random, 4)];
    return (event){
        .at     = at,
        .number = number,
        .low    = (uint32_t)number,
        .high   = 7,
        .name   = weir_str_from(names[number]),
        .amount = (int64_t)trial_below(random, 9) - 3,
        .text   = weir_str_from(text),
    };
}

static void case_open(struct trial_case *trial, struct trial_random *random,
                      struct wr_aggregate_options *options, struct wr_partial_layout *layout)
{
    const struct setting *setting = &trial->setting;
    options->window               = setting->window;
    options->aggregate            = setting->aggregate;
    options->judges_lateness      = setting->judges;
    options->sends_changes        = setting->window.lateness > 0;
    *layout                       = wr_partial_layout_of(setting->aggregate);

    const struct operator_harness_options combine = {
        .operator_    = &wr_combine_operator,
        .binding      = setting->aggregate,
        .key          = setting->key,
        .options      = options,
        .outputs      = { [WR_OUTPUT_MAIN] = layout->type,
                          [WR_OUTPUT_LATE] = setting->judges ? &event_type : NULL },
        .output_count = 2,
        .columns      = WR_COLUMN_TIME | WR_COLUMN_HASH,
        .rows         = 1 + trial_below(random, 5),
        .take         = combine_take,
        .opaque       = trial,
    };
    const struct operator_harness_options window = {
        .operator_    = &wr_window_operator,
        .binding      = setting->aggregate,
        .options      = options,
        .outputs      = { [WR_OUTPUT_MAIN] = setting->aggregate->out },
        .output_count = 2,
        .columns =
            WR_COLUMN_TIME | (setting->window.lateness > 0 ? (uint32_t)WR_COLUMN_CHANGE : 0u),
        .rows   = 1 + trial_below(random, 5),
        .take   = window_take,
        .opaque = trial,
    };
    operator_harness_open(&trial->window, &window);
    for (uint32_t i = 0; i < setting->combine_count; i++) {
        operator_harness_open(&trial->combines[i], &combine);
        trial->watermarks[i] = WEIR_TIME_MIN;
    }
    trial->watermark = WEIR_TIME_MIN;
}

static void case_compare(struct trial_case *trial)
{
    expect_results(trial);
    qsort(trial->seen.rows, trial->seen.count, sizeof(struct outcome), outcome_compare);
    qsort(trial->expected.rows, trial->expected.count, sizeof(struct outcome), outcome_compare);
    for (uint32_t i = 0; i < trial->seen.count && i < trial->expected.count; i++) {
        const result *seen     = &trial->seen.rows[i].base;
        const result *expected = &trial->expected.rows[i].base;
        CASE_CHECK(outcome_equal(&trial->seen.rows[i], &trial->expected.rows[i]),
                   "key %" PRIu64 " [%lld, %lld) sum %" PRId64 " count %" PRIu64
                   ", expected key %" PRIu64 " [%lld, %lld) sum %" PRId64 " count %" PRIu64,
                   seen->key, seen->start, seen->end, seen->sum, seen->count, expected->key,
                   expected->start, expected->end, expected->sum, expected->count);
    }
    CASE_CHECK(trial->seen.count == trial->expected.count, "%u results, not %u at %lld",
               trial->seen.count, trial->expected.count, trial->watermark);
}

// One combine's watermark rises; the window's follows the lowest.
static void case_advance(struct trial_case *trial, uint32_t i, weir_time watermark)
{
    if (watermark <= trial->watermarks[i]) {
        return;
    }
    operator_harness_advance(&trial->combines[i], watermark);
    trial->watermarks[i] = watermark;
    weir_time lowest     = watermark;
    for (uint32_t k = 0; k < trial->setting.combine_count; k++) {
        lowest = trial->watermarks[k] < lowest ? trial->watermarks[k] : lowest;
    }
    if (lowest > trial->watermark) {
        operator_harness_advance(&trial->window, lowest);
        trial->watermark = lowest;
        if (trial->setting.window.kind <= WEIR_WINDOW_SESSION) {
            case_compare(trial);
        }
        expect_watermark(trial);
    }
}

static void case_rows(struct trial_case *trial, struct trial_random *random, struct wr_batch *batch,
                      const struct wr_batch_layout *layout, uint32_t i, weir_time now)
{
    uint16_t       selection[EVENTS_MAX];
    uint32_t       selected = 0;
    const uint32_t count    = 1 + trial_below(random, 12);
    const bool     is_all   = trial_one_in(random, 2);
    wr_batch_clear(batch, layout);
    for (uint32_t row = 0; row < count; row++) {
        event e           = event_draw(random, &trial->setting, now + (weir_time)row);
        batch->times[row] = e.at;
        *(event *)wr_batch_row(batch, row) = e;
        TRIAL_CHECK(wr_batch_seal_row(batch, layout), "events do not fit");
        if (is_all || trial_one_in(random, 2)) {
            selection[selected++] = (uint16_t)row;
            expect(trial, wr_batch_row(batch, row));
        }
    }
    if (selected > 0) {
        operator_harness_rows(&trial->combines[i], batch, is_all ? NULL : selection, selected);
    }
}

static void case_drain(struct trial_case *trial)
{
    for (uint32_t i = 0; i < trial->setting.combine_count; i++) {
        case_advance(trial, i, WEIR_TIME_MAX);
    }
    for (uint32_t i = 0; i < trial->setting.combine_count; i++) {
        operator_harness_finish(&trial->combines[i]);
    }
    operator_harness_finish(&trial->window);
}

static void case_count_late(struct trial_case *trial)
{
    uint64_t late = operator_harness_counter(&trial->window, WR_LATE);
    for (uint32_t i = 0; i < trial->setting.combine_count; i++) {
        late += operator_harness_counter(&trial->combines[i], WR_LATE);
    }
    CASE_CHECK(late == trial->late, "%" PRIu64 " late rows, not %" PRIu64, late, trial->late);
    CASE_CHECK(!trial->setting.judges || trial->late_seen == late, "late rows are missing");
}

static void case_reset(struct trial_case *trial, uint64_t seed)
{
    trial->seed           = seed;
    trial->seen.count     = 0;
    trial->expected.count = 0;
    trial->value_count    = 0;
    trial->firing_count   = 0;
    trial->accepted = trial->late = trial->late_seen = trial->rows_seen = 0;
}

static void case_run(struct trial_case *trial, uint64_t seed)
{
    struct trial_random         random = { seed };
    struct wr_aggregate_options options;
    struct wr_partial_layout    partial;
    case_reset(trial, seed);
    trial->setting = setting_draw(&random);
    case_open(trial, &random, &options, &partial);

    struct wr_batch_layout layout = wr_batch_layout_of(&event_type, WR_COLUMN_TIME, 8192);
    struct wr_batch       *batch  = wr_batch_open(&layout);
    weir_time              now    = trial->setting.base;
    const uint32_t         rounds = 1 + trial_below(&random, 10);
    for (uint32_t round = 0; round < rounds; round++) {
        const uint32_t i = trial_below(&random, trial->setting.combine_count);
        case_rows(trial, &random, batch, &layout, i, now);
        now +=
            trial_below(&random, trial_one_in(&random, 6) ? (uint32_t)trial->setting.spread : 12);
        now = now > WEIR_TIME_MAX - 20 ? WEIR_TIME_MAX - 20 : now;
        if (trial_one_in(&random, 2)) {
            case_advance(trial, trial_below(&random, trial->setting.combine_count),
                         weir_time_add(now, -(weir_time)trial_below(&random, 30)));
        }
        if (trial_one_in(&random, 8)) {
            operator_harness_flush(&trial->combines[i]);
        }
    }
    case_drain(trial);
    case_compare(trial);
    case_count_late(trial);

    for (uint32_t i = 0; i < trial->setting.combine_count; i++) {
        operator_harness_close(&trial->combines[i]);
    }
    operator_harness_close(&trial->window);
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
    weir_type_close(partial.type);
}

int main(int argc, char **argv)
{
    const uint64_t        seed     = trial_seed(argc, argv);
    const uint64_t        cases    = trial_size(2000, 16000, 200000);
    struct trial_case    *trial    = calloc(1, sizeof(*trial));
    struct trial_watchdog watchdog = { 0 };
    uint64_t              accepted = 0;
    uint64_t              late     = 0;
    uint64_t              rows     = 0;
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < cases; i++) {
        case_run(trial, seed + i);
        accepted += trial->accepted;
        late += trial->late;
        rows += trial->rows_seen;
        trial_progress(&watchdog);
    }
    trial_watchdog_stop(&watchdog);
    free(trial);
    printf("cases: %" PRIu64 "\n%" PRIu64 " events taken, %" PRIu64 " late, %" PRIu64 " rows\n",
           cases, accepted, late, rows);
    return 0;
}

// Filter, split, map, flat map and reduce against loops over arrays: random batches and selections,
// outputs of one to four rows, with and without strings, with and without columns.
//
// Each record out carries a sum of what made it; the model makes the same list in the same order. A
// function that takes the call must find its own record's event time and change there.
#include "tests/support/operator_harness.h"
#include "tests/support/trial.h"

enum { INPUTS_MAX = 64, OUTPUTS_MAX = 2000, OUTPUTS = WR_OUTPUT_SIDES + 2 };

typedef struct plain {
    uint64_t  number;
    uint32_t  key;
    weir_time at;
} plain;
WEIR_RECORD(plain, number, key, at);

typedef struct rich {
    uint64_t  number;
    uint32_t  key;
    weir_time at;
    weir_str  text;
} rich;
WEIR_RECORD(rich, number, key, at, text);

typedef struct cursor {
    uint32_t done;
} cursor;
typedef struct tally {
    uint64_t count, sum;
} tally;
WEIR_RECORD(tally, count, sum);
typedef struct rich_tally {
    uint64_t count;
    weir_str last;
} rich_tally;
WEIR_RECORD(rich_tally, count, last);

// ---- the functions, over both records ----

static uint32_t drawn(uint64_t number, uint32_t salt, uint32_t below)
{
    return (uint32_t)(wr_mix64(number, salt) % below);
}
static bool     keeps(uint64_t number) { return drawn(number, 1, 3) > 0; }
static uint32_t branch_of(uint64_t number) { return drawn(number, 2, 3); }
static uint32_t copies_of(uint64_t number) { return drawn(number, 3, 6); }
static bool     is_refused(uint64_t number) { return drawn(number, 4, 7) == 0; }

static void check_call(const weir_call *call, weir_time at, uint64_t number)
{
    TRIAL_CHECK(weir_event_time(call) == at || weir_event_time(call) == WEIR_TIME_MIN,
                "%lld, not %lld", weir_event_time(call), at);
    TRIAL_CHECK(weir_change_of(call) == WEIR_INSERT || weir_change_of(call) == drawn(number, 5, 4),
                "%d", (int)weir_change_of(call));
}

static bool keep_plain(const plain *p) { return keeps(p->number); }
WEIR_FILTER(filter_plain, plain, keep_plain);
// Whatever the function then does or returns, nothing is sent for the record.
static void refuse_some(weir_call *call, uint64_t number)
{
    if (is_refused(number)) {
        weir_reject(call, "no %llu", (unsigned long long)number);
    }
}
static bool keep_call(const plain *p, weir_call *call)
{
    check_call(call, p->at, p->number);
    refuse_some(call, p->number);
    return keeps(p->number);
}
WEIR_FILTER(filter_call, plain, keep_call);

static uint32_t route_plain(const plain *p) { return branch_of(p->number); }
WEIR_SPLIT(split_plain, plain, route_plain);
static uint32_t route_call(const plain *p, weir_call *call)
{
    check_call(call, p->at, p->number);
    refuse_some(call, p->number);
    return branch_of(p->number);
}
WEIR_SPLIT(split_call, plain, route_call);

static void map_all(plain *out, const plain *in)
{
    *out        = *in;
    out->number = in->number + 1;
}
WEIR_MAP(map_plain, plain, plain, map_all);
static bool map_some(plain *out, const plain *in, weir_call *call)
{
    check_call(call, in->at, in->number);
    refuse_some(call, in->number);
    map_all(out, in);
    return keeps(in->number);
}
WEIR_MAP(map_call, plain, plain, map_some);
static void map_or_refuse(plain *out, const plain *in, weir_call *call)
{
    map_all(out, in);
    refuse_some(call, in->number);
}
WEIR_MAP(map_refuse, plain, plain, map_or_refuse);

static char     many_bytes[2048];
static weir_str text_of(uint64_t number)
{
    return weir_str_of(many_bytes + drawn(number, 6, 500),
                       drawn(number, 7, 8) == 0 ? 900 : drawn(number, 8, 60));
}

// Leaves its text unset where there is none: it must be empty then.
static bool enrich(rich *out, const plain *in)
{
    out->number = in->number + 1;
    out->key    = in->key;
    out->at     = in->at;
    if (drawn(in->number, 9, 4) > 0) {
        out->text = text_of(in->number);
    }
    return keeps(in->number);
}
WEIR_MAP(map_rich, plain, rich, enrich);
static void enrich_with_scratch(rich *out, const rich *in, weir_call *call)
{
    check_call(call, in->at, in->number);
    *out       = *in;
    char *text = weir_scratch(call, in->text.length + 1);
    memcpy(text, weir_str_bytes(&in->text), in->text.length);
    text[in->text.length] = '.';
    out->text             = weir_str_of(text, in->text.length + 1);
    refuse_some(call, in->number);
}
WEIR_MAP(map_scratch, rich, rich, enrich_with_scratch);

static uint32_t columns;

// An operator whose output carries no changes may only insert.
static weir_change emitted_change(uint64_t number)
{
    return (columns & WR_COLUMN_CHANGE) != 0 ? (weir_change)drawn(number, 5, 4) : WEIR_INSERT;
}

WEIR_EMITS(flat, rich);
static void expand(weir_call *call, const rich *in)
{
    check_call(call, in->at, in->number);
    for (uint32_t i = 0; i < copies_of(in->number); i++) {
        rich *out = flat_emit_change(call, emitted_change(in->number + i), in->at + i);
        *out      = *in;
        out->number += i;
    }
    refuse_some(call, in->number);
}
WEIR_FLAT_MAP_MOST(flat, rich, rich, expand, 5);
WEIR_EMITS(series, rich);
static bool expand_on(weir_call *call, const rich *in, cursor *c)
{
    for (uint32_t i = 0; i < 2 && c->done < copies_of(in->number); i++, c->done++) {
        rich *out =
            series_emit_change(call, emitted_change(in->number + c->done), in->at + c->done);
        *out = *in;
        out->number += c->done;
    }
    refuse_some(call, in->number); // at the first call: there is no second
    return c->done == copies_of(in->number);
}
WEIR_GENERATE(series, rich, rich, cursor, expand_on, 2);

WEIR_KEY(by_key, plain, key);
WEIR_KEY(by_text, rich, text);
static void sum_up(plain *out, const by_key *key, tally *t, const plain *in)
{
    t->count++;
    t->sum      = wr_mix64(t->sum, in->number);
    out->number = t->sum + t->count;
    out->key    = key->key;
    out->at     = in->at;
}
WEIR_REDUCE(reduce_plain, plain, by_key, tally, plain, sum_up);
static void last_text(rich *out, const by_text *key, rich_tally *t, const rich *in)
{
    out->number = ++t->count;
    out->key    = in->key + t->last.length;
    out->at     = in->at;
    out->text   = t->last.length > 0 ? t->last : key->text;
    t->last     = in->text;
}
WEIR_REDUCE(reduce_rich, rich, by_text, rich_tally, rich, last_text);

// ---- inputs, what must leave and what left ----

struct leaving {
    uint64_t sums[OUTPUTS][OUTPUTS_MAX];
    uint32_t counts[OUTPUTS];
};
static struct leaving expected, left;
static bool           is_rich_out;

static rich     inputs[INPUTS_MAX];
static uint32_t input_count;
static uint16_t selection[INPUTS_MAX];
static uint32_t selected;

static uint64_t row_sum(const rich *r, bool is_rich, weir_time time, weir_change change)
{
    uint64_t sum = wr_mix64(r->number, r->key) + (uint64_t)r->at;
    if (is_rich) {
        sum = wr_mix64(sum, wr_hash_bytes(weir_str_bytes(&r->text), r->text.length, 0));
    }
    sum = (columns & WR_COLUMN_TIME) != 0 ? wr_mix64(sum, (uint64_t)time) : sum;
    return (columns & WR_COLUMN_CHANGE) != 0 ? wr_mix64(sum, (uint64_t)change) : sum;
}

static void leave(struct leaving *list, uint32_t output, uint64_t sum)
{
    TRIAL_CHECK(list->counts[output] < OUTPUTS_MAX, "%u", output);
    list->sums[output][list->counts[output]++] = sum;
}

static void expect_row(uint32_t output, const rich *r, weir_time time, weir_change change)
{
    leave(&expected, output, row_sum(r, is_rich_out, time, change));
}

static void take_rows(void *opaque, uint32_t output, const struct wr_batch *batch,
                      const uint16_t *selected_rows, uint32_t count)
{
    (void)opaque;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = selected_rows != NULL ? selected_rows[i] : i;
        if (output == WR_OUTPUT_REJECTS) {
            const weir_dead_letter *letter = wr_batch_row(batch, row);
            TRIAL_CHECK(memcmp(weir_str_bytes(&letter->reason), "no ", 3) == 0, "%u",
                        letter->reason.length);
            leave(&left, output, 0);
            continue;
        }
        rich r;
        memset(&r, 0, sizeof(r));
        memcpy(&r, wr_batch_row(batch, row), batch->row_size);
        leave(&left, output,
              row_sum(&r, is_rich_out, batch->times != NULL ? batch->times[row] : 0,
                      batch->changes != NULL ? (weir_change)batch->changes[row] : WEIR_INSERT));
    }
}

static weir_change change_of(uint64_t number) { return (weir_change)drawn(number, 5, 4); }

// ---- the cases ----

struct trial_case {
    const struct wr_operator *operator_;
    const void               *binding;
    const weir_key_binding   *key;
    const weir_type          *in, *out;
    void (*expect)(const rich *in);
    bool is_split, carries_changes;
};

static void expect_kept(const rich *in)
{
    if (keeps(in->number)) {
        expect_row(WR_OUTPUT_MAIN, in, in->at, change_of(in->number));
    }
}
static void expect_branch(const rich *in)
{
    const uint32_t branch = branch_of(in->number);
    expect_row(branch == 0 ? WR_OUTPUT_MAIN : WR_OUTPUT_SIDES + branch - 1, in, in->at,
               change_of(in->number));
}
static void expect_mapped(const rich *in)
{
    rich out   = *in;
    out.number = in->number + 1;
    expect_row(WR_OUTPUT_MAIN, &out, in->at, change_of(in->number));
}
static void expect_mapped_some(const rich *in)
{
    if (keeps(in->number)) {
        expect_mapped(in);
    }
}
static void expect_enriched(const rich *in)
{
    rich out = { .number = in->number + 1, .key = in->key, .at = in->at };
    out.text = drawn(in->number, 9, 4) > 0 ? text_of(in->number) : weir_str_of(NULL, 0);
    if (keeps(in->number)) {
        expect_row(WR_OUTPUT_MAIN, &out, in->at, change_of(in->number));
    }
}
static void expect_dotted(const rich *in)
{
    char text[1024];
    rich out = *in;
    memcpy(text, weir_str_bytes(&in->text), in->text.length);
    text[in->text.length] = '.';
    out.text              = weir_str_of(text, in->text.length + 1);
    expect_row(WR_OUTPUT_MAIN, &out, in->at, change_of(in->number));
}
static void expect_copies(const rich *in)
{
    for (uint32_t i = 0; i < copies_of(in->number); i++) {
        rich out = *in;
        out.number += i;
        expect_row(WR_OUTPUT_MAIN, &out, in->at + i, change_of(in->number + i));
    }
}

static void expect_or_refuse(const rich *in, void (*expect)(const rich *in))
{
    if (is_refused(in->number)) {
        leave(&expected, WR_OUTPUT_REJECTS, 0);
    } else {
        expect(in);
    }
}
static void expect_kept_or_refused(const rich *in) { expect_or_refuse(in, expect_kept); }
static void expect_branch_or_refused(const rich *in) { expect_or_refuse(in, expect_branch); }
static void expect_mapped_or_refused(const rich *in) { expect_or_refuse(in, expect_mapped); }
static void expect_some_or_refused(const rich *in) { expect_or_refuse(in, expect_mapped_some); }
static void expect_dotted_or_refused(const rich *in) { expect_or_refuse(in, expect_dotted); }
static void expect_copies_or_refused(const rich *in) { expect_or_refuse(in, expect_copies); }

static tally      tallies[8];
static rich_tally rich_tallies[8];

static void expect_sum(const rich *in)
{
    tally *t   = &tallies[in->key];
    rich   out = { .key = in->key, .at = in->at };
    t->count++;
    t->sum     = wr_mix64(t->sum, in->number);
    out.number = t->sum + t->count;
    expect_row(WR_OUTPUT_MAIN, &out, in->at, WEIR_INSERT);
}
static void expect_last(const rich *in)
{
    rich_tally *t   = &rich_tallies[in->key];
    rich        out = { .number = ++t->count, .key = in->key + t->last.length, .at = in->at };
    out.text        = t->last.length > 0 ? t->last : in->text;
    t->last         = in->text;
    expect_row(WR_OUTPUT_MAIN, &out, in->at, WEIR_INSERT);
}

static const struct trial_case trial_cases[] = {
    { &wr_filter_operator, &filter_plain, NULL, &plain_type, &plain_type, expect_kept, false,
      true },
    { &wr_filter_operator, &filter_call, NULL, &plain_type, &plain_type, expect_kept_or_refused,
      false, true },
    { &wr_split_operator, &split_plain, NULL, &plain_type, &plain_type, expect_branch, true, true },
    { &wr_split_operator, &split_call, NULL, &plain_type, &plain_type, expect_branch_or_refused,
      true, true },
    { &wr_map_operator, &map_plain, NULL, &plain_type, &plain_type, expect_mapped, false, true },
    { &wr_map_operator, &map_call, NULL, &plain_type, &plain_type, expect_some_or_refused, false,
      true },
    { &wr_map_operator, &map_refuse, NULL, &plain_type, &plain_type, expect_mapped_or_refused,
      false, true },
    { &wr_map_operator, &map_rich, NULL, &plain_type, &rich_type, expect_enriched, false, true },
    { &wr_map_operator, &map_scratch, NULL, &rich_type, &rich_type, expect_dotted_or_refused, false,
      true },
    { &wr_flat_map_operator, &flat, NULL, &rich_type, &rich_type, expect_copies_or_refused, false,
      true },
    { &wr_flat_map_operator, &series, NULL, &rich_type, &rich_type, expect_copies_or_refused, false,
      true },
    { &wr_reduce_operator, &reduce_plain, &by_key_key, &plain_type, &plain_type, expect_sum, false,
      false },
    { &wr_reduce_operator, &reduce_rich, &by_text_key, &rich_type, &rich_type, expect_last, false,
      false },
};

static struct operator_harness_batch draw_batch(struct trial_random     *random,
                                                const struct trial_case *tried)
{
    struct operator_harness_batch batch =
        operator_harness_batch_open(tried->in, columns, 256u << trial_below(random, 5));
    const uint32_t wanted = 1 + trial_below(random, INPUTS_MAX - 1);
    input_count           = 0;
    for (; input_count < wanted; input_count++) {
        rich *r = &inputs[input_count];
        memset(r, 0, sizeof(*r));
        r->number = trial_next(random);
        r->key    = trial_below(random, 8);
        r->at     = (weir_time)trial_below(random, 1000);
        r->text   = tried->key == &by_text_key ? weir_str_of(many_bytes, 5 + r->key * 7)
                                               : text_of(r->number);
        if (!operator_harness_batch_add(&batch, r, r->at, change_of(r->number))) {
            break;
        }
    }
    selected = 0;
    for (uint32_t i = 0; i < input_count; i++) {
        if (trial_one_in(random, 2)) {
            selection[selected++] = (uint16_t)i;
        }
    }
    return batch;
}

static void check_left(const struct trial_case *tried)
{
    for (uint32_t output = 0; output < OUTPUTS; output++) {
        const char *name = *(const char *const *)tried->binding;
        TRIAL_CHECK(left.counts[output] == expected.counts[output],
                    "%s, output %u: %u rows, not %u", name, output, left.counts[output],
                    expected.counts[output]);
        for (uint32_t i = 0; i < left.counts[output]; i++) {
            TRIAL_CHECK(left.sums[output][i] == expected.sums[output][i],
                        "%s, output %u: row %u differs", name, output, i);
        }
    }
}

static void run_batches(struct trial_random *random, const struct trial_case *tried,
                        struct operator_harness *harness, uint64_t *cases)
{
    uint64_t refused = 0, taken = 0, sent = 0;
    for (uint32_t i = 1 + trial_below(random, 6); i > 0; i--) {
        struct operator_harness_batch batch       = draw_batch(random, tried);
        const bool                    is_selected = trial_one_in(random, 2) && selected > 0;
        memset(expected.counts, 0, sizeof(expected.counts));
        memset(left.counts, 0, sizeof(left.counts));
        const uint32_t count = is_selected ? selected : input_count;
        for (uint32_t row = 0; row < count; row++) {
            tried->expect(&inputs[is_selected ? selection[row] : row]);
        }
        operator_harness_rows(harness, batch.batch, is_selected ? selection : NULL, count);
        TRIAL_CHECK(operator_harness_failure(harness) == NULL, "%s",
                    operator_harness_failure(harness));
        check_left(tried);
        refused += expected.counts[WR_OUTPUT_REJECTS];
        TRIAL_CHECK(operator_harness_counter(harness, WR_REJECTED) == refused, "%llu",
                    (unsigned long long)operator_harness_counter(harness, WR_REJECTED));
        taken += count;
        sent += expected.counts[WR_OUTPUT_MAIN];
        const bool is_one_to_one =
            tried->operator_ == &wr_filter_operator || tried->operator_ == &wr_map_operator;
        const uint64_t filtered = operator_harness_counter(harness, WR_FILTERED);
        TRIAL_CHECK(!is_one_to_one || taken == sent + filtered + refused,
                    "%" PRIu64 " taken, %" PRIu64 " sent, %" PRIu64 " filtered, %" PRIu64
                    " refused",
                    taken, sent, filtered, refused);
        *cases += count;
        operator_harness_batch_close(&batch);
    }
}

static void run_case(struct trial_random *random, uint64_t *cases)
{
    const struct trial_case *tried = &trial_cases[trial_below(random, WR_COUNT_OF(trial_cases))];
    columns     = tried->carries_changes ? trial_below(random, 2) * WR_COLUMN_TIME +
                                           trial_below(random, 2) * WR_COLUMN_CHANGE
                                         : trial_below(random, 2) * WR_COLUMN_TIME;
    is_rich_out = tried->out == &rich_type;
    memset(tallies, 0, sizeof(tallies));
    memset(rich_tallies, 0, sizeof(rich_tallies));
    struct operator_harness_options under_test = {
        .operator_ = tried->operator_,
        .binding   = tried->binding,
        .key       = tried->key,
        .outputs = { [WR_OUTPUT_MAIN] = tried->out, [WR_OUTPUT_REJECTS] = &weir_dead_letter_type },
        .output_count = tried->is_split ? OUTPUTS : WR_OUTPUT_SIDES,
        .columns      = columns,
        .rows         = 1 + trial_below(random, 4),
        .take         = take_rows,
    };
    for (uint32_t i = WR_OUTPUT_SIDES; i < under_test.output_count; i++) {
        under_test.outputs[i] = tried->out;
    }
    struct operator_harness harness;
    operator_harness_open(&harness, &under_test);
    run_batches(random, tried, &harness, cases);
    operator_harness_advance(&harness, WEIR_TIME_MAX);
    operator_harness_finish(&harness);
    operator_harness_close(&harness);
}

int main(int argc, char **argv)
{
    const uint64_t seed  = trial_seed(argc, argv);
    const uint64_t least = trial_size(20000, 500000, 10000000);
    uint64_t       cases = 0;
    for (uint32_t i = 0; i < sizeof(many_bytes); i++) {
        many_bytes[i] = (char)('a' + wr_mix64(i, 1) % 26);
    }
    for (uint64_t round = 0; cases < least; round++) {
        struct trial_random random = { wr_mix64(wr_mix64(seed, 1), round) };
        run_case(&random, &cases);
    }
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}

// The printed plans of two jobs, compared with files byte for byte.
//
//   golden_plans DIRECTORY           compares with DIRECTORY/NAME.txt and NAME.json
//   golden_plans --write DIRECTORY   writes them, to be looked at before they are kept
#include <weir.h>

#include <stdlib.h>
#include <string.h>

typedef struct payment {
    weir_time at;
    uint64_t  card;
    int64_t   cents;
    weir_str  shop;
} payment;
WEIR_RECORD(payment, at, card, cents, shop);

typedef struct total {
    uint64_t card;
    int64_t  cents;
} total;
WEIR_RECORD(total, card, cents);

static void make(payment *p, uint64_t number, weir_time due)
{
    p->at    = due;
    p->card  = number % 7;
    p->cents = 100;
    p->shop  = weir_str_from("corner");
}
WEIR_GENERATOR(payments, payment, make);
WEIR_GENERATOR(more_payments, payment, make);

static bool is_large(const payment *p) { return p->cents > 50; }
WEIR_FILTER(large, payment, is_large);
static uint32_t sort_out(const payment *p) { return (uint32_t)(p->card % 3); }
WEIR_SPLIT(sorted, payment, sort_out);
static void copy(payment *out, const payment *in) { *out = *in; }
WEIR_MAP(copied, payment, payment, copy);

WEIR_KEY(by_card, payment, card);
static void add(total *t, const payment *p)
{
    t->card = p->card;
    t->cents += p->cents;
}
static void merge(total *t, const total *more) { t->cents += more->cents; }
static void result(total *out, const by_card *key, const weir_pane *pane, const total *t)
{
    (void)pane;
    out->card  = key->card;
    out->cents = t->cents;
}
WEIR_AGGREGATE(totals, payment, by_card, total, total, add, merge, result);

static void update(total *out, const by_card *key, total *t, const payment *p)
{
    add(t, p);
    out->card  = key->card;
    out->cents = t->cents;
}
WEIR_REDUCE(running, payment, by_card, total, total, update);

typedef struct own {
    uint64_t count;
} own;
static void take_payment(own *o, const payment *p)
{
    (void)p;
    o->count++;
}
static void take_total(own *o, const total *t)
{
    (void)t;
    o->count++;
}
static void finish(own *o, void *opaque)
{
    (void)o;
    (void)opaque;
}
WEIR_SINK(payments_out, payment, own, take_payment, finish);
WEIR_SINK(totals_out, total, own, take_total, finish);

// A chain: a source, a window behind a hash exchange, one sink.
static weir_job *make_window_job(void)
{
    weir_job                    *job     = weir_job_open("totals of \"cards\"");
    const weir_generator_options options = { .events = 10, .time = { .field = "at" } };
    const weir_stream            source  = weir_generate(job, &payments, &options);
    const weir_stream            sums =
        weir_aggregate(weir_key(weir_filter(source, &large), &by_card_key),
                       weir_sliding(WEIR_SECONDS(60), WEIR_SECONDS(10)), &totals);
    (void)weir_parallelism(weir_sink(sums, &totals_out, NULL), 1);
    return job;
}

// A diamond with every kind of exchange, late records and a side of dead letters.
static weir_job *make_diamond_job(void)
{
    weir_job                    *job = weir_job_open("diamond");
    const weir_generator_options two = { .events = 10, .partitions = 2, .time = { .field = "at" } };
    const weir_generator_options three = { .events = 10, .partitions = 3 };
    const weir_stream            first = weir_generate(job, &payments, &two);
    const weir_stream second = weir_parallelism(weir_generate(job, &more_payments, &three), 3);
    const weir_stream split  = weir_split(first, &sorted, 3);
    const weir_stream left   = weir_map(weir_branch(split, 1), &copied);
    const weir_stream both[] = { left, weir_rebalance(second), split };
    const weir_stream all    = weir_name(weir_filter(weir_union(both, 3), &large), "all");
    const weir_stream sums =
        weir_aggregate(weir_key(all, &by_card_key), weir_session(WEIR_SECONDS(5)), &totals);
    (void)weir_sink(weir_late(sums), &payments_out, NULL);
    (void)weir_parallelism(weir_sink(weir_broadcast(sums), &totals_out, NULL), 2);
    (void)weir_name(
        weir_sink(weir_reduce(weir_key(all, &by_card_key), &running), &totals_out, NULL),
        "running-out");
    return job;
}

static char *plan_of(weir_job *job, bool as_json)
{
    const weir_run_options options = { .workers      = 3,
                                       .is_unpinned  = true,
                                       .state_budget = 64 << 20,
                                       .credits      = 3,
                                       .batch_bytes  = 8192 };
    char                  *text    = NULL;
    size_t                 bytes   = 0;
    FILE                  *to      = open_memstream(&text, &bytes);
    if (to == NULL || weir_job_plan(job, &options, as_json, to) != WEIR_OK) {
        fprintf(stderr, "no plan: %s\n", weir_job_error(job));
        exit(1);
    }
    fclose(to);
    return text;
}

static char *file_text(const char *path)
{
    FILE *from = fopen(path, "r");
    if (from == NULL) {
        fprintf(stderr, "%s cannot be opened; golden_plans --write DIRECTORY makes it\n", path);
        exit(1);
    }
    char *const  text  = calloc(1, 1 << 20);
    const size_t bytes = fread(text, 1, (1 << 20) - 1, from);
    text[bytes]        = '\0';
    fclose(from);
    return text;
}

// Writes it, or compares it with what is there. False: it differs.
static bool golden(const char *directory, const char *name, bool writes, const char *text)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (writes) {
        FILE *to = fopen(path, "w");
        if (to == NULL || fputs(text, to) < 0 || fclose(to) != 0) {
            fprintf(stderr, "%s cannot be written\n", path);
            exit(1);
        }
        return true;
    }
    char      *expected = file_text(path);
    const bool is_same  = strcmp(expected, text) == 0;
    if (!is_same) {
        fprintf(stderr, "%s differs. The file:\n%s\nThe plan now:\n%s\n", path, expected, text);
    }
    free(expected);
    return is_same;
}

static bool golden_job(const char *directory, const char *name, bool writes, weir_job *job)
{
    bool is_same = true;
    for (uint32_t as_json = 0; as_json < 2; as_json++) {
        char  file[64];
        char *text = plan_of(job, as_json != 0);
        snprintf(file, sizeof(file), "plan_%s.%s", name, as_json ? "json" : "txt");
        is_same &= golden(directory, file, writes, text);
        free(text);
    }
    weir_job_close(job);
    return is_same;
}

int main(int argc, char **argv)
{
    const bool writes = argc == 3 && strcmp(argv[1], "--write") == 0;
    if (argc != 2 && !writes) {
        fprintf(stderr, "usage: golden_plans [--write] DIRECTORY\n");
        return 1;
    }
    const char *directory = argv[argc - 1];
    bool        is_same   = golden_job(directory, "window", writes, make_window_job());
    is_same &= golden_job(directory, "diamond", writes, make_diamond_job());
    return is_same ? 0 : 1;
}

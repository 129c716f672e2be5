// Random jobs against a plain model: every row arrives exactly once (after a broadcast once a
// task), rows of a key keep their order, watermarks never pass a row, the drain reaches everybody.
//
//   source --+--> tap (the witness: what was really made)
//            +--> filter, map, flat map, split, union, routes, reduce, process ... --> taps
//
// Each job runs in the simulated executor twice, which must agree to the last arrival, and in
// threads: to its end, or stopped on the way with or without a drain, or with barriers at random
// moments. Barriers must cut consistently: of each partition the records that any tap saw before
// barrier n lie before all those that any tap saw after it.
//
// The model makes the same rows from the witnesses' records, step by step, as arrays.
#include "runtime/connector.h"
#include "runtime/run/run.h"
#include "tests/support/trial.h"
#include <weir/run.h>

enum { SOURCES = 3, PARTITIONS = 4, STEPS = 16, STREAMS = 64, TAPS = 80, TASKS = 16, BARRIERS = 6 };
enum { FROM_TIMER = 255, MODEL_MAX = 60000, MADE_WORDS = MODEL_MAX / 64 + 1 };

typedef struct event {
    uint64_t  origin; // the number its source gave it; of timers its deadline
    uint64_t  path;   // the steps it went through, mixed
    weir_time at;
    uint32_t  source;
    uint32_t  key; // all of a key's records come from one partition
    uint64_t  rank;
    weir_str  text;
} event;
WEIR_RECORD(event, origin, path, at, source, key, rank, text);

// ---- what rows look like, for the job and for the model alike ----

struct making { // of source s; written between two runs
    uint32_t  partitions;
    weir_time step_us;
    uint32_t  text_bytes;
};
static struct making making[SOURCES];

static uint32_t key_of(uint32_t source, uint64_t number)
{
    const uint32_t partitions = making[source].partitions;
    return source * 1000 + (uint32_t)(number % partitions) * 100 +
           (uint32_t)(number / partitions % 7);
}

static weir_time time_of(uint32_t source, uint64_t number)
{
    return 1000 + (weir_time)(number / making[source].partitions / 3) * making[source].step_us;
}

static uint32_t text_length(uint32_t source, uint64_t origin)
{
    const uint64_t drawn = wr_mix64(origin, source);
    return drawn % 64 == 0 ? 700 : (uint32_t)(drawn % making[source].text_bytes);
}

static char text_byte(uint32_t key, uint32_t i) { return (char)('a' + (key + i) % 26); }

static const char *text_of(uint32_t key)
{
    static _Thread_local char text[1024];
    for (uint32_t i = 0; i < sizeof(text); i++) {
        text[i] = text_byte(key, i);
    }
    return text;
}

static void make_event(event *e, uint32_t source, uint64_t number)
{
    memset(e, 0, sizeof(*e));
    e->origin = number;
    e->source = source;
    e->key    = key_of(source, number);
    e->at     = time_of(source, number);
    e->text   = weir_str_of(text_of(e->key), text_length(source, number));
}

static void make_0(event *e, uint64_t number, weir_time due)
{
    (void)due;
    make_event(e, 0, number);
}
static void make_1(event *e, uint64_t number, weir_time due)
{
    (void)due;
    make_event(e, 1, number);
}
static void make_2(event *e, uint64_t number, weir_time due)
{
    (void)due;
    make_event(e, 2, number);
}
WEIR_GENERATOR(source_0, event, make_0);
WEIR_GENERATOR(source_1, event, make_1);
WEIR_GENERATOR(source_2, event, make_2);
static const weir_generator_binding *const generators[SOURCES] = { &source_0, &source_1,
                                                                   &source_2 };

// ---- the steps, each a function of a row and the step's salt ----

static uint64_t mixed(uint64_t path, uint64_t salt) { return wr_mix64(path, salt); }
static bool     step_keeps(const event *e, uint64_t salt)
{
    return wr_mix64(e->origin ^ e->path, salt) % 4 != 0;
}
static uint32_t step_branch(const event *e, uint64_t salt)
{
    return (uint32_t)(wr_mix64(e->origin, salt) % 3);
}
static uint32_t step_copies(const event *e, uint64_t salt)
{
    return (uint32_t)(wr_mix64(e->origin, salt) % 4);
}
static weir_time step_deadline(const event *e, uint64_t salt)
{
    return (e->at + 1 + (weir_time)(salt % 5000)) | 1; // even ones are set and cleared again
}

static uint64_t salt_of(const weir_call *call) { return *(const uint64_t *)weir_parameters(call); }

static bool keep_some(const event *e, weir_call *call) { return step_keeps(e, salt_of(call)); }
WEIR_FILTER(some, event, keep_some);

static bool keep_plain(const void *record, void *opaque)
{
    return step_keeps(record, *(const uint64_t *)opaque);
}

static void move_on(event *out, const event *in, weir_call *call)
{
    *out      = *in;
    out->path = mixed(in->path, salt_of(call));
}
WEIR_MAP(moved, event, event, move_on);

static bool move_plain(void *out, const void *in, void *opaque)
{
    *(event *)out        = *(const event *)in;
    ((event *)out)->path = mixed(((const event *)in)->path, *(const uint64_t *)opaque);
    return step_keeps(in, *(const uint64_t *)opaque);
}

WEIR_EMITS(copies, event);
static void copy_out(weir_call *call, const event *in)
{
    for (uint32_t i = 0; i < step_copies(in, salt_of(call)); i++) {
        event *out = copies_emit(call);
        *out       = *in;
        out->path  = mixed(in->path, salt_of(call) + i);
    }
}
WEIR_FLAT_MAP_MOST(copies, event, event, copy_out, 3);

typedef struct progress {
    uint32_t done;
} progress;
WEIR_EMITS(series, event);
static bool copy_one(weir_call *call, const event *in, progress *p)
{
    if (p->done < step_copies(in, salt_of(call))) {
        event *out = series_emit(call);
        *out       = *in;
        out->path  = mixed(in->path, salt_of(call) + p->done++);
    }
    return p->done == step_copies(in, salt_of(call));
}
WEIR_GENERATE(series, event, event, progress, copy_one, 1);

static uint32_t choose_branch(const event *e, weir_call *call)
{
    return step_branch(e, salt_of(call));
}
WEIR_SPLIT(branches, event, choose_branch);

static uint64_t place_by_key(const void *record, void *opaque)
{
    (void)opaque;
    return wr_mix64(((const event *)record)->key, 5);
}

WEIR_KEY(by_key, event, key);
WEIR_KEY(by_row, event, origin, path, source, key);

typedef struct tally {
    uint64_t count;
    weir_str last;
} tally;
WEIR_RECORD(tally, count, last);

static void count_up(event *out, const by_key *key, tally *t, const event *in)
{
    t->count++;
    t->last   = in->text;
    *out      = *in;
    out->rank = t->count;
    out->path = mixed(in->path, key->key);
    out->text = t->last;
}
WEIR_REDUCE(ranked, event, by_key, tally, event, count_up);

WEIR_EMITS(watched, event);
static void on_event(weir_call *call, const by_key *key, tally *t, const event *in)
{
    t->count++;
    t->last    = in->text;
    event *out = watched_emit(call);
    *out       = *in;
    out->path  = mixed(in->path, salt_of(call));
    TRIAL_CHECK(key->key == in->key, "%u, %u", key->key, in->key);
    weir_timer_set(call, step_deadline(in, salt_of(call)));
    weir_timer_set(call, step_deadline(in, salt_of(call)) + 1);
    weir_timer_clear(call, step_deadline(in, salt_of(call)) + 1);
}
static void on_deadline(weir_call *call, const by_key *key, tally *t, weir_time at)
{
    event *out  = watched_emit(call);
    out->source = FROM_TIMER;
    out->origin = (uint64_t)at;
    out->at     = at;
    out->key    = key->key;
    out->path   = salt_of(call);
    out->text   = weir_str_of(text_of(key->key), 20);
    TRIAL_CHECK(t->count > 0, "a timer of a key without records");
}
WEIR_PROCESS(watched, event, by_key, tally, event, on_event, on_deadline);

// ---- taps: sinks that look at everything ----

struct seen {
    uint64_t count, sum;             // of all rows
    uint64_t timer_count, timer_sum; // of those that timers made, in the former
};

struct last_of_key {
    uint64_t path;
    uint32_t key;
    uint64_t next; // the least origin that may come
};

struct tap_task {
    struct seen         seen;
    uint64_t            order;                                     // of arrivals, mixed
    uint64_t            barrier;                                   // the last one; atomic
    uint64_t            is_done;                                   // atomic
    uint64_t            origin_max[SOURCES][PARTITIONS];           // + 1, so far
    uint64_t            before[BARRIERS + 1][SOURCES][PARTITIONS]; // origin_max at the barrier
    uint64_t            after[BARRIERS + 1][SOURCES][PARTITIONS];  // the least since it
    struct last_of_key *lasts;
    uint32_t            last_count, last_capacity;
};

struct tap {
    uint32_t        id;
    uint32_t        stream;
    uint32_t        witness_of; // a source, or SOURCES
    bool            is_ordered, is_slow, is_ranked;
    uint32_t        task_count;
    struct tap_task tasks[TASKS];
    uint64_t       *made; // witnesses: a bit a number
};

static struct tap taps[TAPS];
static uint32_t   tap_count;
static bool       is_cutting; // barriers are under way

struct tap_node {
    struct wr_node   node;
    struct tap      *tap;
    struct tap_task *task;
    uint64_t         random;
};

static uint64_t event_sum(const event *e)
{
    uint64_t sum = wr_mix64(e->origin, e->path);
    sum          = wr_mix64(sum ^ (uint64_t)e->at, e->key);
    return wr_mix64(sum, (uint64_t)e->source << 32 | e->text.length);
}

static void seen_add(struct seen *seen, const event *e)
{
    seen->count++;
    seen->sum += event_sum(e);
    if (e->source == FROM_TIMER) {
        seen->timer_count++;
        seen->timer_sum += event_sum(e);
    }
}

static bool tap_open(struct wr_node *node)
{
    struct tap_node *tap_node = (struct tap_node *)node;
    struct tap      *tap      = (struct tap *)(uintptr_t)node->spec->binding;
    TRIAL_CHECK(node->instance == tap->task_count && node->instance < TASKS, "%u", node->instance);
    tap_node->tap    = tap;
    tap_node->task   = &tap->tasks[tap->task_count++];
    tap_node->random = tap->id;
    memset(tap_node->task->after, 0xff, sizeof(tap_node->task->after));
    return true;
}

static void tap_check_order(const struct tap *tap, struct tap_task *task, const event *e)
{
    if (!tap->is_ordered || e->source == FROM_TIMER) {
        return;
    }
    for (uint32_t i = 0; i < task->last_count; i++) {
        struct last_of_key *last = &task->lasts[i];
        if (last->path == e->path && last->key == e->key) {
            TRIAL_CHECK(e->origin >= last->next, "tap %u: record %llu of key %u after %llu",
                        tap->id, (unsigned long long)e->origin, e->key,
                        (unsigned long long)last->next - 1);
            last->next = e->origin + 1;
            return;
        }
    }
    if (task->last_count == 400) {
        return; // enough are looked at
    }
    task->lasts = realloc(task->lasts, sizeof(*task->lasts) * (task->last_count + 1));
    task->lasts[task->last_count++] = (struct last_of_key){ e->path, e->key, e->origin + 1 };
}

static void tap_note_cut(struct tap_task *task, const event *e)
{
    if (!is_cutting || e->source == FROM_TIMER) {
        return;
    }
    const uint32_t partition = (uint32_t)(e->origin % making[e->source].partitions);
    uint64_t      *most      = &task->origin_max[e->source][partition];
    uint64_t      *least     = &task->after[task->barrier][e->source][partition];
    *most                    = e->origin + 1 > *most ? e->origin + 1 : *most;
    *least                   = e->origin < *least ? e->origin : *least;
}

static void tap_row(struct tap_node *node, const struct wr_batch *batch, uint32_t row)
{
    const event *e        = wr_batch_row(batch, row);
    struct tap  *tap      = node->tap;
    const bool   is_timer = e->source == FROM_TIMER;
    TRIAL_CHECK(is_timer || e->source < SOURCES, "source %u", e->source);
    TRIAL_CHECK(is_timer || e->key == key_of(e->source, e->origin), "key %u", e->key);
    const uint32_t length = is_timer ? 20 : text_length(e->source, e->origin);
    TRIAL_CHECK(e->text.length == length &&
                    memcmp(weir_str_bytes(&e->text), text_of(e->key), length) == 0,
                "tap %u: the text of %llu", tap->id, (unsigned long long)e->origin);
    TRIAL_CHECK(e->at >= node->node.watermark, "tap %u: a row of %lld after watermark %lld",
                tap->id, e->at, node->node.watermark);
    TRIAL_CHECK(batch->times == NULL || batch->times[row] == e->at ||
                    batch->times[row] == WEIR_TIME_MIN,
                "tap %u: time %lld, not %lld", tap->id, batch->times[row], e->at);
    seen_add(&node->task->seen, e);
    node->task->order = wr_mix64(node->task->order, event_sum(e) + e->rank);
    tap_check_order(tap, node->task, e);
    tap_note_cut(node->task, e);
    if (tap->witness_of < SOURCES) {
        TRIAL_CHECK(e->origin < MODEL_MAX, "%llu", (unsigned long long)e->origin);
        const uint64_t bit = UINT64_C(1) << e->origin % 64;
        TRIAL_CHECK((__atomic_fetch_or(&tap->made[e->origin / 64], bit, __ATOMIC_RELAXED) & bit) ==
                        0,
                    "source %u made %llu twice", e->source, (unsigned long long)e->origin);
    }
}

static void tap_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct tap_node *tap  = (struct tap_node *)node;
    uint32_t         most = UINT32_MAX;
    if (tap->tap->is_slow) {
        tap->random = wr_mix64(tap->random, 1);
        most        = 1 + (uint32_t)(tap->random % 3);
    }
    TRIAL_CHECK(node->watermark < WEIR_TIME_MAX, "tap %u: rows after the drain", tap->tap->id);
    for (; inlet->next < inlet->count && most > 0; inlet->next++, most--) {
        tap_row(tap, inlet->batch, wr_inlet_row(inlet, inlet->next));
    }
}

static bool tap_advance(struct wr_node *node, weir_time watermark)
{
    TRIAL_CHECK(watermark >= node->watermark, "%lld after %lld", watermark, node->watermark);
    return true;
}

static bool tap_barrier(struct wr_node *node, uint64_t barrier)
{
    struct tap_task *task = ((struct tap_node *)node)->task;
    TRIAL_CHECK(barrier == task->barrier + 1 && barrier <= BARRIERS, "barrier %llu after %llu",
                (unsigned long long)barrier, (unsigned long long)task->barrier);
    memcpy(task->before[barrier], task->origin_max, sizeof(task->origin_max));
    __atomic_store_n(&task->barrier, barrier, __ATOMIC_RELEASE);
    return true;
}

static bool drains = true;

static bool tap_finish(struct wr_node *node)
{
    struct tap_node *tap = (struct tap_node *)node;
    TRIAL_CHECK(!drains || node->watermark == WEIR_TIME_MAX, "tap %u ends at %lld", tap->tap->id,
                node->watermark);
    TRIAL_CHECK(tap->task->is_done == 0, "tap %u ends twice", tap->tap->id);
    __atomic_store_n(&tap->task->is_done, 1, __ATOMIC_RELEASE);
    return true;
}

static const struct wr_operator tap_operator = {
    .verb       = "tap",
    .node_bytes = sizeof(struct tap_node),
    .open       = tap_open,
    .rows       = tap_rows,
    .advance    = tap_advance,
    .barrier    = tap_barrier,
    .finish     = tap_finish,
};
static const struct wr_operator timed_tap_operator = {
    .verb       = "tap",
    .node_bytes = sizeof(struct tap_node),
    .open       = tap_open,
    .rows       = tap_rows,
    .advance    = tap_advance,
    .barrier    = tap_barrier,
    .finish     = tap_finish,
    .uses_time  = true,
};

static void taps_reset(void)
{
    for (uint32_t i = 0; i < tap_count; i++) {
        for (uint32_t k = 0; k < TASKS; k++) {
            free(taps[i].tasks[k].lasts);
        }
        memset(taps[i].tasks, 0, sizeof(taps[i].tasks));
        taps[i].task_count = 0;
        if (taps[i].made != NULL) {
            memset(taps[i].made, 0, MADE_WORDS * sizeof(uint64_t));
        }
    }
}

// ---- the job and the model, built together ----

enum step_kind {
    STEP_SOURCE,
    STEP_FILTER,
    STEP_FILTER_PLAIN,
    STEP_MAP,
    STEP_MAP_PLAIN,
    STEP_COPIES,
    STEP_SERIES,
    STEP_SPLIT,
    STEP_UNION,
    STEP_REBALANCE,
    STEP_BROADCAST,
    STEP_PARTITION,
    STEP_REDUCE,
    STEP_PROCESS,
    STEP_DEDUPLICATE, // passes rows on with the hashes of another key than the next operator's
    STEP_COUNT
};

struct rows {
    event   *rows;
    uint32_t count;
    bool     is_broadcast; // a copy for each task of the reader
};

struct stream {
    weir_stream    handle;
    enum step_kind kind;
    uint64_t       salt;
    uint32_t       branch;
    uint32_t       inputs[3];
    uint32_t       input_count;
    uint32_t       tasks;      // of the step; 0: not said
    bool           is_ordered; // the rows of a key are in one task, in order
    bool           is_union;
    bool           route_keeps; // whatever the reader's number of tasks, order stays
    bool           has_path;    // its rows have a path no other stream's have
    bool           is_broadcast;
    struct rows    parts[16];
    uint32_t       part_count;
};

static struct stream streams[STREAMS];
static uint32_t      stream_count;
static uint64_t      salts[STREAMS];
static uint32_t      source_count;
static uint64_t      source_events[SOURCES];

static bool reader_keeps_order(const struct stream *in, uint32_t tasks)
{
    return in->is_ordered && (in->route_keeps || (!in->is_union && tasks == 0));
}

static struct stream *stream_new(enum step_kind kind, uint32_t in)
{
    struct stream *stream = &streams[stream_count];
    memset(stream, 0, sizeof(*stream));
    stream->kind        = kind;
    stream->salt        = salts[stream_count];
    stream->inputs[0]   = in;
    stream->input_count = 1;
    stream_count++;
    return stream;
}

static void add_sources(weir_job *job, struct trial_random *random, bool is_endless)
{
    source_count = 1 + trial_below(random, SOURCES);
    for (uint32_t i = 0; i < source_count; i++) {
        making[i] = (struct making){ .partitions = 1 + trial_below(random, PARTITIONS),
                                     .step_us    = (weir_time[]){ 0, 7, 3000,
                                                                  4000000 }[trial_below(random, 4)],
                                     .text_bytes = 1 + trial_below(random, 60) };
        source_events[i] =
            is_endless ? 0 : 1 + trial_below(random, trial_one_in(random, 4) ? 3000 : 200);
        const weir_generator_options options = {
            .events     = source_events[i],
            .partitions = making[i].partitions,
            .rate       = is_endless ? 20000 : 0,
            .time       = { .field = trial_one_in(random, 4) ? NULL : "at", .max_ahead = -1 },
        };
        struct stream *stream = stream_new(STEP_SOURCE, 0);
        stream->input_count   = 0;
        stream->handle        = weir_generate(job, generators[i], &options);
        stream->is_ordered    = true;
        stream->has_path      = false;
        if (trial_one_in(random, 2)) {
            stream->handle = weir_parallelism(stream->handle, 1 + trial_below(random, 5));
        }
    }
}

static void name_step(struct stream *stream)
{
    char name[32];
    snprintf(name, sizeof(name), "step-%u", (unsigned)(stream - streams));
    stream->handle =
        weir_with(weir_name(stream->handle, name), &stream->salt, sizeof(stream->salt));
    if (stream->tasks != 0) {
        stream->handle = weir_parallelism(stream->handle, stream->tasks);
    }
}

static void add_split(const struct stream *in, uint32_t from, uint32_t tasks)
{
    const weir_stream split = weir_split(in->handle, &branches, 3);
    for (uint32_t branch = 0; branch < 3; branch++) {
        struct stream *out = stream_new(STEP_SPLIT, from);
        out->salt          = streams[stream_count - 1 - branch].salt;
        out->tasks         = tasks;
        out->branch        = branch;
        out->is_ordered    = reader_keeps_order(in, tasks) && !in->is_broadcast;
        out->handle        = branch == 0 ? split : weir_branch(split, branch);
        if (branch == 0) {
            name_step(out);
        }
    }
}

static void add_union(struct trial_random *random)
{
    struct stream *out = stream_new(STEP_UNION, 0);
    weir_stream    handles[3];
    out->input_count = 1 + trial_below(random, 3);
    out->is_union    = true;
    out->is_ordered  = true;
    for (uint32_t i = 0; i < out->input_count; i++) {
        out->inputs[i]          = trial_below(random, stream_count - 1);
        const struct stream *in = &streams[out->inputs[i]];
        handles[i]              = in->handle;
        out->is_ordered &= in->is_ordered && in->has_path;
        out->is_broadcast |= in->is_broadcast;
        for (uint32_t k = 0; k < i; k++) {
            out->is_ordered &= out->inputs[k] != out->inputs[i];
        }
    }
    const uint32_t early = 1 + trial_below(random, out->input_count);
    out->handle          = weir_union(handles, early);
    for (uint32_t i = early; i < out->input_count; i++) {
        weir_union_add(out->handle, handles[i]);
    }
}

static void add_route(enum step_kind kind, const struct stream *in, uint32_t from)
{
    struct stream *out = stream_new(kind, from);
    out->is_ordered    = in->is_ordered && kind != STEP_REBALANCE;
    out->route_keeps   = kind != STEP_REBALANCE;
    out->is_union      = in->is_union;
    out->has_path      = false;
    out->is_broadcast  = kind == STEP_BROADCAST;
    switch (kind) {
    case STEP_REBALANCE: out->handle = weir_rebalance(in->handle); break;
    case STEP_BROADCAST: out->handle = weir_broadcast(in->handle); break;
    default: out->handle = weir_partition_by(in->handle, place_by_key, NULL); break;
    }
}

static void add_operator(enum step_kind kind, const struct stream *in, uint32_t from,
                         uint32_t tasks)
{
    const bool     is_keyed = kind == STEP_REDUCE || kind == STEP_PROCESS;
    const bool     is_mixed = kind == STEP_DEDUPLICATE; // a key's rows come to many tasks
    struct stream *out      = stream_new(kind, from);
    out->tasks              = tasks;
    out->is_ordered =
        is_keyed ? in->is_ordered : !is_mixed && reader_keeps_order(in, tasks) && !in->is_broadcast;
    out->has_path = kind == STEP_MAP;
    switch (kind) {
    case STEP_FILTER: out->handle = weir_filter(in->handle, &some); break;
    case STEP_FILTER_PLAIN:
        out->handle = weir_filter_function(in->handle, "plain", keep_plain, &out->salt);
        break;
    case STEP_MAP: out->handle = weir_map(in->handle, &moved); break;
    case STEP_MAP_PLAIN:
        out->handle = weir_map_function(in->handle, "plain", &event_type, move_plain, &out->salt);
        break;
    case STEP_COPIES: out->handle = weir_flat_map(in->handle, &copies); break;
    case STEP_SERIES: out->handle = weir_flat_map(in->handle, &series); break;
    case STEP_DEDUPLICATE:
        out->handle = weir_deduplicate(weir_key(in->handle, &by_row_key), 0, 0);
        break;
    case STEP_REDUCE: out->handle = weir_reduce(weir_key(in->handle, &by_key_key), &ranked); break;
    default: out->handle = weir_process(weir_key(in->handle, &by_key_key), &watched, NULL); break;
    }
    name_step(out);
}

static void add_step(struct trial_random *random)
{
    const enum step_kind kind =
        (enum step_kind)(STEP_FILTER + trial_below(random, STEP_COUNT - STEP_FILTER));
    const uint32_t       from = trial_below(random, stream_count);
    const struct stream *in   = &streams[from];
    uint32_t tasks = in->is_broadcast || trial_one_in(random, 2) ? 1 + trial_below(random, 5) : 0;
    switch (kind) {
    case STEP_SPLIT: add_split(in, from, tasks); break;
    case STEP_UNION: add_union(random); break;
    case STEP_REBALANCE:
    case STEP_BROADCAST:
    case STEP_PARTITION: add_route(kind, in, from); break;
    default: add_operator(kind, in, from, tasks); break;
    }
}

static void add_tap(struct trial_random *random, uint32_t stream, uint32_t witness_of)
{
    struct tap          *tap = &taps[tap_count];
    const struct stream *in  = &streams[stream];
    const uint32_t       tasks =
        in->is_broadcast || trial_one_in(random, 2) ? 1 + trial_below(random, 5) : 0;
    char name[32];
    free(tap->made);
    *tap = (struct tap){ .id         = tap_count++,
                         .stream     = stream,
                         .witness_of = witness_of,
                         .is_ordered = reader_keeps_order(in, tasks),
                         .is_slow    = trial_one_in(random, 4) };
    if (witness_of < SOURCES) {
        tap->made = calloc(MADE_WORDS, sizeof(uint64_t));
    }
    snprintf(name, sizeof(name), "tap-%u", tap->id);
    (void)wr_job_add_sink(in->handle, trial_one_in(random, 2) ? &tap_operator : &timed_tap_operator,
                          name, NULL, tap, tasks, NULL);
}

static bool stream_is_read(uint32_t stream)
{
    for (uint32_t i = 0; i < stream_count; i++) {
        for (uint32_t k = 0; k < streams[i].input_count; k++) {
            if (streams[i].inputs[k] == stream) {
                return true;
            }
        }
    }
    return false;
}

static weir_job *make_job(struct trial_random *random, bool is_endless)
{
    weir_job *job = weir_job_open("random");
    stream_count  = 0;
    taps_reset();
    tap_count = 0;
    for (uint32_t i = 0; i < STREAMS; i++) {
        salts[i] = trial_next(random);
    }
    add_sources(job, random, is_endless);
    for (uint32_t i = 0; i < source_count; i++) {
        add_tap(random, i, i);
    }
    const uint32_t steps = trial_below(random, STEPS);
    for (uint32_t i = 0; i < steps && stream_count + 3 < STREAMS; i++) {
        add_step(random);
    }
    for (uint32_t i = source_count; i < stream_count; i++) {
        if (!stream_is_read(i) || trial_one_in(random, 4)) {
            add_tap(random, i, SOURCES);
        }
    }
    TRIAL_CHECK(weir_job_error(job) == NULL, "%s", weir_job_error(job));
    return job;
}

// ---- the model ----

static void rows_add(struct rows *rows, const event *e, uint64_t path)
{
    if ((rows->count & (rows->count - 1)) == 0) {
        rows->rows = realloc(rows->rows, sizeof(event) * (rows->count == 0 ? 1 : rows->count * 2));
    }
    rows->rows[rows->count]      = *e;
    rows->rows[rows->count].path = path;
    rows->rows[rows->count].rank = 0;
    rows->count++;
}

// False: one of the parts is too many.
static bool model_add_part(struct stream *stream, struct rows rows, bool is_broadcast)
{
    if (stream->part_count == WR_COUNT_OF(stream->parts)) {
        free(rows.rows);
        return false;
    }
    rows.is_broadcast                   = is_broadcast;
    stream->parts[stream->part_count++] = rows;
    return rows.count <= MODEL_MAX;
}

static void model_step(struct stream *s, const event *e, struct rows *out)
{
    switch (s->kind) {
    case STEP_FILTER:
    case STEP_FILTER_PLAIN:
        if (step_keeps(e, s->salt)) {
            rows_add(out, e, e->path);
        }
        break;
    case STEP_MAP: rows_add(out, e, mixed(e->path, s->salt)); break;
    case STEP_MAP_PLAIN:
        if (step_keeps(e, s->salt)) {
            rows_add(out, e, mixed(e->path, s->salt));
        }
        break;
    case STEP_COPIES:
    case STEP_SERIES:
        for (uint32_t i = 0; i < step_copies(e, s->salt); i++) {
            rows_add(out, e, mixed(e->path, s->salt + i));
        }
        break;
    case STEP_SPLIT:
        if (step_branch(e, s->salt) == s->branch) {
            rows_add(out, e, e->path);
        }
        break;
    case STEP_REDUCE: rows_add(out, e, mixed(e->path, e->key)); break;
    case STEP_PROCESS: rows_add(out, e, mixed(e->path, s->salt)); break;
    default: rows_add(out, e, e->path); break;
    }
}

static int timers_in_order(const void *a, const void *b)
{
    const event *const x = a, *const y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

// One timer for each key and deadline.
static void model_timers(const struct stream *s, struct rows *out)
{
    struct rows timers = { 0 };
    for (uint32_t i = 0; i < out->count; i++) {
        event e  = { .source = FROM_TIMER,
                     .key    = out->rows[i].key,
                     .at     = step_deadline(&out->rows[i], s->salt) };
        e.origin = (uint64_t)e.at;
        e.text   = weir_str_of(text_of(e.key), 20);
        rows_add(&timers, &e, s->salt);
    }
    if (timers.count > 0) {
        qsort(timers.rows, timers.count, sizeof(event), timers_in_order);
    }
    for (uint32_t i = 0; i < timers.count; i++) {
        if (i == 0 || timers_in_order(&timers.rows[i - 1], &timers.rows[i]) != 0) {
            rows_add(out, &timers.rows[i], s->salt);
        }
    }
    free(timers.rows);
}

static int rows_in_order(const void *a, const void *b)
{
    const event *const x = a, *const y = b;
    if (x->key != y->key || x->source != y->source) {
        return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->source < y->source ? -1 : 1);
    }
    return x->origin != y->origin ? (x->origin < y->origin ? -1 : 1)
                                  : (x->path > y->path) - (x->path < y->path);
}

static void model_deduplicate(struct rows *all)
{
    uint32_t kept = 0;
    if (all->count > 0) {
        qsort(all->rows, all->count, sizeof(event), rows_in_order);
    }
    for (uint32_t i = 0; i < all->count; i++) {
        if (i == 0 || rows_in_order(&all->rows[i - 1], &all->rows[i]) != 0) {
            all->rows[kept++] = all->rows[i];
        }
    }
    all->count = kept;
}

static bool model_stream(struct stream *s)
{
    const bool  is_route = s->kind >= STEP_UNION && s->kind <= STEP_PARTITION;
    const bool  is_keyed = s->kind >= STEP_REDUCE;
    struct rows all      = { 0 };
    for (uint32_t i = 0; i < s->input_count; i++) {
        const struct stream *in = &streams[s->inputs[i]];
        for (uint32_t k = 0; k < in->part_count; k++) {
            const struct rows *part      = &in->parts[k];
            const bool         copies_it = part->is_broadcast && !is_route && !is_keyed;
            struct rows        made      = { 0 };
            struct rows       *to        = is_route ? &made : &all;
            for (uint32_t copy = 0; copy < (copies_it ? s->tasks : 1); copy++) {
                for (uint32_t row = 0; row < part->count; row++) {
                    model_step(s, &part->rows[row], to);
                }
            }
            const bool is_broadcast =
                s->kind == STEP_BROADCAST || (s->kind == STEP_UNION && part->is_broadcast);
            if (is_route && !model_add_part(s, made, is_broadcast)) {
                return false;
            }
        }
    }
    if (s->kind == STEP_PROCESS) {
        model_timers(s, &all);
    }
    if (s->kind == STEP_DEDUPLICATE) {
        model_deduplicate(&all);
    }
    return is_route || model_add_part(s, all, false);
}

static void model_drop(void)
{
    for (uint32_t i = 0; i < stream_count; i++) {
        for (uint32_t k = 0; k < streams[i].part_count; k++) {
            free(streams[i].parts[k].rows);
        }
        streams[i].part_count = 0;
    }
}

// From what the witnesses saw; false: the job makes more rows than are worth looking at.
static bool model_run(void)
{
    model_drop();
    for (uint32_t i = 0; i < stream_count; i++) {
        if (streams[i].kind != STEP_SOURCE) {
            if (!model_stream(&streams[i])) {
                return false;
            }
            continue;
        }
        struct rows all = { 0 };
        for (uint64_t number = 0; number < MODEL_MAX; number++) {
            if ((taps[i].made[number / 64] >> number % 64 & 1) != 0) {
                event e;
                make_event(&e, i, number);
                rows_add(&all, &e, 0);
            }
        }
        (void)model_add_part(&streams[i], all, false);
    }
    return true;
}

// The same with the witnesses' records made up, to know beforehand how much it is.
static bool model_is_small(void)
{
    for (uint32_t i = 0; i < source_count; i++) {
        const uint64_t events = source_events[i] != 0 ? source_events[i] : 1000;
        for (uint64_t number = 0; number < events; number++) {
            taps[i].made[number / 64] |= UINT64_C(1) << number % 64;
        }
    }
    const bool is_small = model_run();
    taps_reset();
    return is_small;
}

static void check_witnesses(void)
{
    for (uint32_t i = 0; i < source_count; i++) {
        const uint32_t partitions = making[i].partitions;
        for (uint32_t p = 0; p < partitions; p++) {
            bool has_ended = false;
            for (uint64_t number = p; number < MODEL_MAX; number += partitions) {
                const bool is_made = (taps[i].made[number / 64] >> number % 64 & 1) != 0;
                const bool is_due  = source_events[i] == 0 || number < source_events[i];
                TRIAL_CHECK(!is_made || is_due, "%llu", (unsigned long long)number);
                TRIAL_CHECK(!is_made || !has_ended, "source %u: %llu is there, one before is not",
                            i, (unsigned long long)number);
                has_ended |= !is_made;
                TRIAL_CHECK(is_made || !is_due || source_events[i] == 0,
                            "source %u: %llu never came", i, (unsigned long long)number);
            }
        }
    }
}

static void check_taps(bool has_timers)
{
    for (uint32_t i = 0; i < tap_count; i++) {
        const struct tap    *tap      = &taps[i];
        const struct stream *in       = &streams[tap->stream];
        struct seen          expected = { 0 }, seen = { 0 };
        for (uint32_t k = 0; k < tap->task_count; k++) {
            TRIAL_CHECK(tap->tasks[k].is_done, "tap %u: task %u has not ended", i, k);
            seen.count += tap->tasks[k].seen.count;
            seen.sum += tap->tasks[k].seen.sum;
            seen.timer_count += tap->tasks[k].seen.timer_count;
            seen.timer_sum += tap->tasks[k].seen.timer_sum;
        }
        for (uint32_t k = 0; k < in->part_count; k++) {
            const uint32_t times = in->parts[k].is_broadcast ? tap->task_count : 1;
            for (uint32_t copy = 0; copy < times; copy++) {
                for (uint32_t row = 0; row < in->parts[k].count; row++) {
                    seen_add(&expected, &in->parts[k].rows[row]);
                }
            }
        }
        if (!has_timers) {
            expected.count -= expected.timer_count;
            expected.sum -= expected.timer_sum;
            seen.count -= seen.timer_count;
            seen.sum -= seen.timer_sum;
        }
        TRIAL_CHECK(seen.count == expected.count, "tap %u: %llu rows, not %llu", i,
                    (unsigned long long)seen.count, (unsigned long long)expected.count);
        TRIAL_CHECK(seen.sum == expected.sum, "tap %u: other rows than the model's %llu", i,
                    (unsigned long long)expected.count);
        for (uint32_t k = 0;
             k < tap->task_count && in->part_count == 1 && in->parts[0].is_broadcast; k++) {
            const struct seen *own   = &tap->tasks[k].seen;
            const uint64_t     count = own->count - (has_timers ? 0 : own->timer_count);
            TRIAL_CHECK(count * tap->task_count == seen.count, "tap %u: task %u has %llu", i, k,
                        (unsigned long long)count);
        }
    }
}

static void check_cuts(uint64_t barrier_count)
{
    for (uint64_t b = 1; b <= barrier_count; b++) {
        for (uint32_t s = 0; s < source_count; s++) {
            for (uint32_t p = 0; p < making[s].partitions; p++) {
                uint64_t most = 0, least = UINT64_MAX;
                for (uint32_t t = 0; t < tap_count; t++) {
                    for (uint32_t k = 0; k < taps[t].task_count; k++) {
                        const struct tap_task *task = &taps[t].tasks[k];
                        const uint64_t         max =
                            task->barrier >= b ? task->before[b][s][p] : task->origin_max[s][p];
                        most = max > most ? max : most;
                        for (uint64_t later = b; later <= task->barrier; later++) {
                            least =
                                task->after[later][s][p] < least ? task->after[later][s][p] : least;
                        }
                    }
                }
                TRIAL_CHECK(most == 0 || least == UINT64_MAX || most - 1 < least,
                            "barrier %llu: %llu of source %u before it, %llu after it",
                            (unsigned long long)b, (unsigned long long)most - 1, s,
                            (unsigned long long)least);
            }
        }
    }
}

// ---- running ----

static weir_run_options random_options(struct trial_random *random)
{
    return (weir_run_options){ .workers     = 1 + trial_below(random, 4),
                               .batch_bytes = 256u << trial_below(random, 5),
                               .credits     = 2 + trial_below(random, 3),
                               .seed        = trial_next(random),
                               .spin_us     = trial_one_in(random, 2) ? -1 : 0,
                               .is_unpinned = true };
}

static uint64_t arrivals(void)
{
    uint64_t order = 0;
    for (uint32_t i = 0; i < tap_count; i++) {
        for (uint32_t k = 0; k < taps[i].task_count; k++) {
            order = wr_mix64(order, taps[i].tasks[k].order);
        }
    }
    return order;
}

static void run_simulated(weir_job *job, weir_run_options options)
{
    options.is_simulated = true;
    uint64_t order[2];
    for (uint32_t i = 0; i < 2; i++) {
        taps_reset();
        const weir_status status = weir_job_run(job, &options);
        TRIAL_CHECK(status == WEIR_OK, "%s", weir_job_error(job));
        check_witnesses();
        TRIAL_CHECK(model_run(), "too large");
        check_taps(true);
        order[i] = arrivals();
    }
    TRIAL_CHECK(order[0] == order[1], "the same seed ran differently");
}

static void run_in_threads(weir_job *job, const weir_run_options *options)
{
    taps_reset();
    const weir_status status = weir_job_run(job, options);
    TRIAL_CHECK(status == WEIR_OK, "%s", weir_job_error(job));
    check_witnesses();
    TRIAL_CHECK(model_run(), "too large");
    check_taps(true);
}

static void pause_up_to(struct trial_random *random, uint32_t span_us)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)trial_below(random, span_us) * 1000 }, NULL);
}

static bool barrier_has_passed(uint64_t barrier)
{
    for (uint32_t i = 0; i < tap_count; i++) {
        for (uint32_t k = 0; k < taps[i].task_count; k++) {
            struct tap_task *task = &taps[i].tasks[k];
            if (__atomic_load_n(&task->barrier, __ATOMIC_ACQUIRE) < barrier &&
                __atomic_load_n(&task->is_done, __ATOMIC_ACQUIRE) == 0) {
                return false;
            }
        }
    }
    return true;
}

static uint64_t send_barriers(struct trial_random *random, weir_run *run)
{
    const uint64_t count = trial_below(random, BARRIERS + 1);
    for (uint64_t barrier = 1; barrier <= count; barrier++) {
        pause_up_to(random, 3000);
        wr_run_barrier_any(run, barrier);
        while (!barrier_has_passed(barrier)) {
            if (weir_run_wait(run, 100) != WEIR_TIMED_OUT) {
                return barrier;
            }
        }
    }
    return count;
}

static void run_with_barriers(struct trial_random *random, weir_job *job,
                              const weir_run_options *options, bool is_endless)
{
    taps_reset();
    is_cutting    = true;
    drains        = !is_endless || trial_one_in(random, 2);
    weir_run *run = weir_run_start(job, options);
    TRIAL_CHECK(run != NULL, "%s", weir_job_error(job));
    const uint64_t barrier_count = send_barriers(random, run);
    if (is_endless) {
        pause_up_to(random, 8000);
        weir_run_stop_any(run, drains);
    }
    const weir_status status = weir_run_close(run);
    TRIAL_CHECK(status == WEIR_OK, "%s", weir_job_error(job));
    is_cutting = false;
    check_witnesses();
    check_cuts(barrier_count);
    if (model_run()) {
        check_taps(drains);
    }
    drains = true;
}

int main(int argc, char **argv)
{
    const uint64_t        seed     = trial_seed(argc, argv);
    const uint64_t        cases    = trial_size(40, 300, 3000);
    struct trial_watchdog watchdog = { 0 };
    uint64_t              ran      = 0;
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < cases; i++) {
        struct trial_random    random     = { wr_mix64(wr_mix64(seed, 1), i) };
        const bool             is_endless = trial_one_in(&random, 4);
        weir_job              *job        = make_job(&random, is_endless);
        const weir_run_options options    = random_options(&random);
        if (getenv("WEIR_TEST_CASE") != NULL && strtoull(getenv("WEIR_TEST_CASE"), NULL, 0) != i) {
            weir_job_close(job);
            continue;
        }
        if (getenv("WEIR_TEST_VERBOSE") != NULL) {
            printf("case %" PRIu64 "\n", i);
            fflush(stdout);
            (void)weir_job_plan(job, &options, false, stdout);
            fflush(stdout);
        }
        if (model_is_small()) {
            if (!is_endless) {
                run_simulated(job, options);
                run_in_threads(job, &options);
            }
            run_with_barriers(&random, job, &options, is_endless);
            ran++;
        }
        weir_job_close(job);
        model_drop();
        trial_progress(&watchdog);
    }
    taps_reset();
    for (uint32_t i = 0; i < TAPS; i++) {
        free(taps[i].made);
    }
    trial_watchdog_stop(&watchdog);
    printf("cases: %" PRIu64 "\n", ran);
    return 0;
}

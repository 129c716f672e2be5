// What captures cost a table that is written meanwhile: 8-byte keys, 24-byte values, steps of 512
// random updates, one thread.
//
// usage: capture_probe [--small]
//
// Three ways, in turn, so that a noisy machine is noisy to all of them; of each the median round:
//
//   plain      never captured
//   tracked    captured before, so that a first write to a segment notes it; no capture under way
//   captured   a mark every 0.4 s, then up to 64 KiB of images after each step until it is over
//
// Updates a second are of the thread's processor time without choosing keys, which other load on
// the machine disturbs least; steps are timed by the clock on the wall.
//
// Images are packed into one buffer, over and over: writing them is another thread's. A step's time
// is that of resolving and updating its rows; what is between steps (a mark, a piece of a capture)
// is timed apart, and counts for the updates a second. One line of JSON at the end. The checksum is
// the sum of all values: every key adds 1 each time it is updated.
#include "bench/harness/clock.h"
#include "bench/harness/histogram.h"
#include "runtime/state/state.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH       512u
#define SEED        0x5eedu
#define ROUNDS      5u
#define CLOCK_STEPS 32u // between looks at the processor's clock
#define PIECE_BYTES ((size_t)64 << 10)

struct value {
    uint64_t count;
    uint64_t sum;
    uint64_t last;
};

enum way { PLAIN, TRACKED, CAPTURED, WAYS };

static const char *const way_names[WAYS] = { "plain", "tracked", "captured" };

struct probe {
    uint64_t          key_count;
    int64_t           round_ns, mark_ns; // of processor time: a round, and between marks
    struct wr_pool   *pool, *undo_pool;
    struct wr_table  *table;
    struct wr_capture capture;
    char             *buffer;
    uint64_t          images, packed_images, packed_bytes;
    size_t            undo_bytes; // the most there were
    uint64_t          updates;
    double            choose_ns; // a step's keys
};

// Of one round.
struct figures {
    double updates; // a second, all included
    double wall_updates;
    double p50_us, p999_us, longest_us;
    double during_p50_us, during_p999_us; // steps while a capture is under way
    double first_us, first_longest_us;    // the step right after a mark: median, longest
    double mark_us;                       // the longest
    double piece_p50_us, piece_longest_us;
    double capture_ms; // from mark to end, the median
};

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
    random_state += 0x9e3779b97f4a7c15u;
    return wr_mix64(random_state, 7);
}

static uint64_t key_of(uint64_t number) { return number * 0xd1342543de82ef95u; }

static void *give_room(void *opaque, size_t bytes)
{
    struct probe *const probe = opaque;
    probe->packed_bytes += bytes;
    return probe->buffer; // a segment's image is no larger than the buffer
}

static void take_image(void *opaque, struct wr_image *image)
{
    struct probe *const probe = opaque;
    probe->images++;
    probe->packed_images += image->is_packed;
}

static void probe_open(struct probe *probe)
{
    const struct wr_table_options options = { .key_kind   = WR_KEY_8,
                                              .value_size = sizeof(struct value),
                                              .seed       = SEED };
    probe->pool                           = wr_pool_open(0);
    probe->undo_pool                      = wr_pool_open(0);
    probe->table                          = wr_table_open(probe->pool, &options);
    probe->buffer                         = wr_alloc((size_t)16 << 20);
    probe->capture.opaque                 = probe;
    probe->capture.pool                   = probe->undo_pool;
    probe->capture.room                   = give_room;
    probe->capture.put                    = take_image;
}

static void probe_close(struct probe *probe)
{
    wr_table_close(probe->table);
    wr_pool_close(probe->undo_pool);
    wr_pool_close(probe->pool);
    wr_free(probe->buffer);
}

static void resolve(struct probe *probe, const uint64_t *keys, uint32_t count, void **values)
{
    static uint64_t hashes[BATCH];
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = wr_mix64(keys[i], SEED);
    }
    const struct wr_keys column = { .fixed = keys };
    WR_ASSERT(wr_table_resolve_many(probe->table, hashes, &column, count, values, NULL) == count);
}

static void fill(struct probe *probe)
{
    static uint64_t keys[BATCH];
    static void    *values[BATCH];
    for (uint64_t at = 0; at < probe->key_count; at += BATCH) {
        const uint64_t left  = probe->key_count - at;
        const uint32_t count = left < BATCH ? (uint32_t)left : BATCH;
        for (uint32_t i = 0; i < count; i++) {
            keys[i] = key_of(at + i);
        }
        resolve(probe, keys, count, values);
    }
}

static void choose(const struct probe *probe, uint64_t *keys)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        keys[i] = key_of((uint64_t)((next_random() >> 32) * probe->key_count >> 32));
    }
}

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void measure_choosing(struct probe *probe)
{
    enum { TIMES = 2000 };
    static uint64_t keys[BATCH];
    const int64_t   before = processor_ns();
    for (uint32_t i = 0; i < TIMES; i++) {
        choose(probe, keys);
        __asm__ volatile("" ::"r"(keys) : "memory");
    }
    probe->choose_ns = (double)(processor_ns() - before) / TIMES;
}

// Returns how long it took; choosing the keys is not part of it.
static int64_t step(struct probe *probe)
{
    static uint64_t keys[BATCH];
    static void    *values[BATCH];
    choose(probe, keys);
    const int64_t before = clock_now_ns();
    resolve(probe, keys, BATCH, values);
    for (uint32_t i = 0; i < BATCH; i++) {
        struct value *const value = values[i];
        value->count++;
        value->sum += keys[i];
        value->last = keys[i];
    }
    probe->updates += BATCH;
    return clock_now_ns() - before;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    if (count == 0) {
        return 0;
    }
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

static void capture_whole(struct probe *probe)
{
    wr_table_mark(probe->table, &probe->capture);
    WR_ASSERT(wr_table_capture(probe->table, SIZE_MAX));
}

// What marks and captures took.
struct times {
    double   first_us[1024], capture_ms[1024];
    uint32_t marks, captures;
    double   mark_us;
};

static int64_t mark(struct probe *probe, struct times *times)
{
    const int64_t before = clock_now_ns();
    wr_table_mark(probe->table, &probe->capture);
    const int64_t after = clock_now_ns();
    const double  us    = (double)(after - before) / 1e3;
    times->mark_us      = us > times->mark_us ? us : times->mark_us;
    return after - before;
}

static struct figures measure(struct probe *probe, enum way way)
{
    static struct times times;
    struct histogram    steps, during, pieces;
    int64_t             busy = 0, marked = 0;
    uint64_t            count    = 0;
    bool                is_first = false;
    WR_ASSERT(histogram_open(&steps) && histogram_open(&during) && histogram_open(&pieces));
    times = (struct times){ .marks = 0 };
    if (way == TRACKED) {
        capture_whole(probe);
    }
    const int64_t begin     = processor_ns();
    int64_t       now       = begin;
    int64_t       next_mark = begin;
    while (now - begin < probe->round_ns) {
        if (count / BATCH % CLOCK_STEPS == 0) {
            now = processor_ns();
        }
        if (way == CAPTURED && now >= next_mark && times.marks < WR_COUNT_OF(times.first_us) &&
            wr_table_is_captured(probe->table)) {
            next_mark = now + probe->mark_ns;
            busy += mark(probe, &times);
            marked   = busy;
            is_first = true;
        }
        const int64_t took = step(probe);
        histogram_record(&steps, (uint64_t)took);
        busy += took;
        count += BATCH;
        if (is_first) {
            times.first_us[times.marks++] = (double)took / 1e3;
            is_first                      = false;
        }
        if (!wr_table_is_captured(probe->table)) {
            histogram_record(&during, (uint64_t)took);
            const size_t undo = wr_table_undo_bytes(probe->table);
            probe->undo_bytes = undo > probe->undo_bytes ? undo : probe->undo_bytes;

            const int64_t before  = clock_now_ns();
            const bool    is_over = wr_table_capture(probe->table, PIECE_BYTES);
            const int64_t piece   = clock_now_ns() - before;
            histogram_record(&pieces, (uint64_t)piece);
            busy += piece;
            if (is_over) {
                times.capture_ms[times.captures++] = (double)(busy - marked) / 1e6;
            }
        }
    }
    const double processor =
        (double)(processor_ns() - begin) - (double)(count / BATCH) * probe->choose_ns;
    wr_table_capture(probe->table, SIZE_MAX);
    const double         first   = median(times.first_us, times.marks); // sorts
    const struct figures figures = {
        .updates          = (double)count * 1e9 / processor,
        .wall_updates     = (double)count * 1e9 / (double)busy,
        .p50_us           = (double)histogram_percentile(&steps, 50) / 1e3,
        .p999_us          = (double)histogram_percentile(&steps, 99.9) / 1e3,
        .longest_us       = (double)steps.max / 1e3,
        .during_p50_us    = (double)histogram_percentile(&during, 50) / 1e3,
        .during_p999_us   = (double)histogram_percentile(&during, 99.9) / 1e3,
        .first_us         = first,
        .first_longest_us = times.marks > 0 ? times.first_us[times.marks - 1] : 0,
        .mark_us          = times.mark_us,
        .piece_p50_us     = (double)histogram_percentile(&pieces, 50) / 1e3,
        .piece_longest_us = (double)pieces.max / 1e3,
        .capture_ms       = median(times.capture_ms, times.captures),
    };
    histogram_close(&steps);
    histogram_close(&during);
    histogram_close(&pieces);
    return figures;
}

static uint64_t checksum_of(struct wr_table *table)
{
    static const void     *values[BATCH];
    struct wr_table_cursor cursor = { 0, 0 };
    uint64_t               sum    = 0;
    for (uint32_t count;
         (count = wr_table_next(table, &cursor, BATCH, NULL, NULL, NULL, values)) > 0;) {
        for (uint32_t i = 0; i < count; i++) {
            sum += ((const struct value *)values[i])->count;
        }
    }
    return sum;
}

// Each figure's own median over the rounds.
static struct figures medians(const struct figures *rounds)
{
    struct figures result;
    enum { FIGURES = sizeof(struct figures) / sizeof(double) };
    for (uint32_t f = 0; f < FIGURES; f++) {
        double values[ROUNDS];
        for (uint32_t i = 0; i < ROUNDS; i++) {
            memcpy(&values[i], (const double *)(const void *)&rounds[i] + f, sizeof(double));
        }
        const double middle = median(values, ROUNDS);
        memcpy((double *)(void *)&result + f, &middle, sizeof(double));
    }
    return result;
}

static void print_json(const struct probe *probe, const struct figures *figures, uint64_t checksum)
{
    printf("{\"bench\":\"capture_probe\",\"batch\":%u,\"keys\":%llu,\"table_bytes\":%zu"
           ",\"undo_bytes\":%zu,\"image_bytes\":%.0f,\"checksum\":%llu",
           BATCH, (unsigned long long)probe->key_count, wr_table_bytes(probe->table),
           probe->undo_bytes,
           (double)probe->packed_bytes / (double)(probe->packed_images + !probe->packed_images),
           (unsigned long long)checksum);
    for (uint32_t way = 0; way < WAYS; way++) {
        const struct figures *f    = &figures[way];
        const char           *name = way_names[way];
        printf(",\"%s_updates_per_s\":%.0f,\"%s_ratio\":%.3f,\"%s_wall_updates_per_s\":%.0f,\"%s_"
               "p50_us\":%.1f"
               ",\"%s_p999_us\":%.1f,\"%s_longest_us\":%.1f",
               name, f->updates, name, f->updates / figures[PLAIN].updates, name, f->wall_updates,
               name, f->p50_us, name, f->p999_us, name, f->longest_us);
    }
    const struct figures *f = &figures[CAPTURED];
    printf(",\"during_p50_us\":%.1f,\"during_p999_us\":%.1f", f->during_p50_us, f->during_p999_us);
    printf(",\"mark_longest_us\":%.1f,\"first_step_us\":%.1f,\"first_step_longest_us\":%.1f"
           ",\"piece_p50_us\":%.1f,\"piece_longest_us\":%.1f,\"capture_ms\":%.1f}\n",
           f->mark_us, f->first_us, f->first_longest_us, f->piece_p50_us, f->piece_longest_us,
           f->capture_ms);
}

int main(int argc, char **argv)
{
    const bool            is_small = argc > 1 && strcmp(argv[1], "--small") == 0;
    struct probe          plain    = { .key_count = is_small ? 20000 : 5000000,
                                       .round_ns  = is_small ? 10000000 : 2000000000,
                                       .mark_ns   = is_small ? 4000000 : 400000000 };
    struct probe          tracked  = plain; // that of captures too
    static struct figures rounds[WAYS][ROUNDS];
    struct figures        figures[WAYS];

    probe_open(&plain);
    probe_open(&tracked);
    measure_choosing(&plain);
    tracked.choose_ns = plain.choose_ns;
    fill(&plain);
    fill(&tracked);
    // As a task's pool would: memory for undo is there before it is needed.
    WR_ASSERT(wr_pool_reserve(tracked.undo_pool, (size_t)(is_small ? 1 : 64) << 20));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        for (uint32_t way = 0; way < WAYS; way++) {
            rounds[way][i] = measure(way == PLAIN ? &plain : &tracked, (enum way)way);
        }
    }
    for (uint32_t way = 0; way < WAYS; way++) {
        figures[way] = medians(rounds[way]);
        printf(
            "%-8s %6.1f M updates/s (%.2f); steps: p50 %.1f us, p99.9 %.0f us, longest %.0f us\n",
            way_names[way], figures[way].updates / 1e6,
            figures[way].updates / figures[PLAIN].updates, figures[way].p50_us,
            figures[way].p999_us, figures[way].longest_us);
    }
    const struct figures *f = &figures[CAPTURED];
    printf("steps while a capture is under way: p50 %.1f us, p99.9 %.0f us\n", f->during_p50_us,
           f->during_p999_us);
    printf("a mark %.0f us at most; the step after it %.0f us, %.0f us at most; pieces %.0f us, "
           "%.0f us at most; a capture %.0f ms\n",
           f->mark_us, f->first_us, f->first_longest_us, f->piece_p50_us, f->piece_longest_us,
           f->capture_ms);
    const uint64_t checksum = checksum_of(plain.table) + checksum_of(tracked.table);
    WR_ASSERT(checksum == plain.updates + tracked.updates);
    printf("checksum: %llu\n", (unsigned long long)checksum);
    print_json(&tracked, figures, checksum);
    probe_close(&plain);
    probe_close(&tracked);
    return 0;
}

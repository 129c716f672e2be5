// How fast a segmented table resolves keys: 8-byte keys, 16-byte values, batches of 512, one
// thread.
//
// usage: table_probe [--small]
//
// Prints for each count of keys the keys resolved a second over all and in the median batch
// (hashing and choosing keys not timed; the loop that then updates the values timed apart), the
// longest and other slow batches while a table grows, from a pool that has the memory and from one
// that must get it from the system, and the bytes a key takes with values of 8 bytes; then the same
// as one line of JSON. The checksum is the sum of all values: every key adds 1 each time it is
// resolved.
#include "bench/harness/clock.h"
#include "runtime/state/state.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 512u
#define SEED  0x5eedu

struct value {
    uint64_t count;
    uint64_t sum;
};

struct rate {
    uint64_t keys;
    double   resolves; // a second
    double   median;   // the same in the median batch
    double   updates;  // resolved and added to, a second
    uint64_t checksum;
};

static uint64_t state = 1;

static uint64_t next_random(void)
{
    state += 0x9e3779b97f4a7c15u;
    return wr_mix64(state, 7);
}

// Keys that follow each other are nothing a table should rely on.
static uint64_t key_of(uint64_t number) { return number * 0xd1342543de82ef95u; }

static struct wr_table *open_table(struct wr_pool *pool, uint32_t value_bytes)
{
    const struct wr_table_options options = { .key_kind   = WR_KEY_8,
                                              .value_size = value_bytes,
                                              .seed       = SEED };
    return wr_table_open(pool, &options);
}

struct batch {
    uint64_t keys[BATCH];
    uint64_t hashes[BATCH];
    void    *values[BATCH];
};

static int64_t resolve(struct wr_table *table, struct batch *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        batch->hashes[i] = wr_mix64(batch->keys[i], SEED);
    }
    const struct wr_keys keys   = { .fixed = batch->keys };
    const int64_t        before = clock_now_ns();
    WR_ASSERT(wr_table_resolve_many(table, batch->hashes, &keys, count, batch->values, NULL) ==
              count);
    return clock_now_ns() - before;
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

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct spans {
    int64_t *ns;
    uint64_t count;
};

static double percentile(struct spans *spans, double share)
{
    qsort(spans->ns, spans->count, sizeof(*spans->ns), by_value);
    return (double)spans->ns[(uint64_t)((double)(spans->count - 1) * share)];
}

// Adds keys in order, a batch at a time; notes how long each took.
static struct spans fill(struct wr_table *table, uint64_t key_count)
{
    static struct batch batch;
    struct spans        spans = { wr_alloc((key_count / BATCH + 1) * sizeof(int64_t)), 0 };
    for (uint64_t at = 0; at < key_count; at += BATCH) {
        const uint32_t count = key_count - at < BATCH ? (uint32_t)(key_count - at) : BATCH;
        for (uint32_t i = 0; i < count; i++) {
            batch.keys[i] = key_of(at + i);
        }
        spans.ns[spans.count++] = resolve(table, &batch, count);
    }
    return spans;
}

static struct rate measure_rate(uint64_t key_count, uint64_t resolve_count)
{
    static struct batch    batch;
    struct wr_pool *const  pool   = wr_pool_open(0);
    struct wr_table *const table  = open_table(pool, sizeof(struct value));
    int64_t                find   = 0;
    int64_t                update = 0;
    struct spans           spans  = { wr_alloc((resolve_count / BATCH + 1) * sizeof(int64_t)), 0 };
    wr_free(fill(table, key_count).ns);
    for (uint64_t done = 0; done < resolve_count; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            batch.keys[i] = key_of((uint64_t)((next_random() >> 32) * key_count >> 32));
        }
        spans.ns[spans.count] = resolve(table, &batch, BATCH);
        find += spans.ns[spans.count++];
        const int64_t before = clock_now_ns();
        for (uint32_t i = 0; i < BATCH; i++) {
            struct value *const value = batch.values[i];
            value->count++;
            value->sum += batch.keys[i];
        }
        update += clock_now_ns() - before;
    }
    const double      done = (double)wr_round_up(resolve_count, BATCH) * 1e9;
    const struct rate rate = { .keys     = key_count,
                               .resolves = done / (double)find,
                               .median   = BATCH * 1e9 / percentile(&spans, 0.5),
                               .updates  = done / (double)(find + update),
                               .checksum = checksum_of(table) };
    wr_free(spans.ns);
    wr_table_close(table);
    wr_pool_close(pool);
    return rate;
}

struct growth {
    double per_second;
    double p99_us;
    double p9999_us;
    double longest_us;
};

static struct growth measure_growth(uint64_t key_count, bool is_warm)
{
    struct wr_pool *const  pool  = wr_pool_open(0);
    struct wr_table *const table = open_table(pool, sizeof(struct value));
    if (is_warm) {
        WR_ASSERT(wr_pool_reserve(pool, key_count * 64));
    }
    const int64_t begin  = clock_now_ns();
    struct spans  spans  = fill(table, key_count);
    const double  filled = (double)key_count * 1e9 / (double)(clock_now_ns() - begin);
    wr_table_close(table);
    wr_pool_close(pool);
    const struct growth growth = { .per_second = filled,
                                   .p99_us     = percentile(&spans, 0.99) / 1e3,
                                   .p9999_us   = percentile(&spans, 0.9999) / 1e3,
                                   .longest_us = percentile(&spans, 1) / 1e3 };
    wr_free(spans.ns);
    printf("growing to %llu keys, %s pool: %.1f M/s; batches: p99 %.0f us, p99.99 %.0f us, "
           "longest %.0f us\n",
           (unsigned long long)key_count, is_warm ? "warm" : "cold", filled / 1e6, growth.p99_us,
           growth.p9999_us, growth.longest_us);
    return growth;
}

static double measure_bytes(uint64_t key_count)
{
    struct wr_pool *const  pool  = wr_pool_open(0);
    struct wr_table *const table = open_table(pool, 8);
    wr_free(fill(table, key_count).ns);
    const double bytes = (double)wr_table_bytes(table) / (double)key_count;
    wr_table_close(table);
    wr_pool_close(pool);
    printf("%llu keys of 8 bytes with 8: %.1f bytes a key\n", (unsigned long long)key_count, bytes);
    return bytes;
}

int main(int argc, char **argv)
{
    const bool     is_small  = argc > 1 && strcmp(argv[1], "--small") == 0;
    const uint64_t counts[3] = { 1000, is_small ? 5000 : 100000, is_small ? 20000 : 1000000 };
    const uint64_t resolves  = is_small ? 100000 : 20000000;
    const uint64_t grown     = is_small ? 30000 : 5000000;
    const uint64_t packed    = is_small ? 30000 : 10000000;

    struct rate rates[3];
    uint64_t    checksum = 0;
    for (uint32_t i = 0; i < 3; i++) {
        rates[i] = measure_rate(counts[i], resolves);
        checksum += rates[i].checksum;
        printf("%9llu keys: %6.1f M resolves/s, %6.1f M in the median batch, %6.1f M with the "
               "update\n",
               (unsigned long long)counts[i], rates[i].resolves / 1e6, rates[i].median / 1e6,
               rates[i].updates / 1e6);
    }
    const struct growth warm_growth = measure_growth(grown, true);
    const struct growth cold_growth = measure_growth(grown, false);
    const double        bytes       = measure_bytes(packed);
    printf("checksum: %llu\n", (unsigned long long)checksum);

    printf("{\"bench\":\"table_probe\",\"batch\":%u,\"resolves\":%llu,\"checksum\":%llu", BATCH,
           (unsigned long long)resolves, (unsigned long long)checksum);
    for (uint32_t i = 0; i < 3; i++) {
        const unsigned long long keys = rates[i].keys;
        printf(",\"keys_%llu_per_s\":%.0f,\"keys_%llu_median_per_s\":%.0f"
               ",\"keys_%llu_updates_per_s\":%.0f",
               keys, rates[i].resolves, keys, rates[i].median, keys, rates[i].updates);
    }
    printf(",\"growth_keys\":%llu,\"growth_per_s\":%.0f,\"growth_p9999_us\":%.0f"
           ",\"growth_longest_us\":%.0f,\"cold_growth_per_s\":%.0f,\"cold_growth_longest_us\":%.0f"
           ",\"packed_keys\":%llu,\"bytes_per_key\":%.2f}\n",
           (unsigned long long)grown, warm_growth.per_second, warm_growth.p9999_us,
           warm_growth.longest_us, cold_growth.per_second, cold_growth.longest_us,
           (unsigned long long)packed, bytes);
    return 0;
}

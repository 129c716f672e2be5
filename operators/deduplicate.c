// deduplicate: passes a row unless one with its key was passed at most `within` of event time away.
//
//   buckets   [n span, (n + 1) span) of event time: key -> the time of the row that passed
//
// Two rows of one key that passed are more than `within` apart. A bucket spans `within` (1 at
// least), so that it holds one of them at most, and a row looks into its own bucket and the two
// beside it. A bucket goes when no row that is not late can come within reach of it. Rows are taken
// in runs of one bucket; within a run they see each other in order.
//
// Where `within` is short against the lateness there would be a bucket a moment: then the bucket's
// number is part of the key, and a table holds many buckets.
//
//   table    [n width, (n + 1) width), width a multiple of span:  number | key -> time
#include "operators/keyed.h"
#include "operators/operators.h"
#include "operators/times.h"
#include "runtime/state/slices.h"

#include <string.h>

#define TABLES_MAX 64 // that lateness may keep alive, about

struct passed {
    weir_time time;
    uint64_t  is_there;
};
typedef struct passed passed_entry;
WEIR_RECORD(passed_entry, time, is_there);

// What the keys of numbered buckets begin with.
typedef struct bucket_number {
    weir_time bucket;
} bucket_number;
WEIR_RECORD(bucket_number, bucket);

// A column of keys with hashes, of up to WR_KEYED_CHUNK rows.
struct bucket_keys {
    uint64_t      *hashes;
    struct wr_keys keys;
    char          *bytes; // number | key, where the number is part of the key
    size_t         bytes_size;
    const char   **starts;
    uint32_t      *lengths;
    uint64_t      *mixed;
};

struct deduplicate {
    struct wr_node     node;
    struct wr_keyed    keyed;
    weir_time          within, lateness;
    weir_time          span, width;
    bool               is_numbered; // tables hold many buckets
    weir_time          kept_within, kept_width;
    struct wr_slices   tables; // by the start of their time
    struct bucket_keys column;
    void             **own;
    const void       **earlier, **later; // read only
    uint16_t          *selection;
    uint32_t           selection_capacity;
    bool               has_failed;
};

static bool deduplicate_open(struct wr_node *node)
{
    struct deduplicate                  *dedup   = (struct deduplicate *)node;
    const struct wr_deduplicate_options *options = node->spec->options;
    if (options->within < 0 || options->within > WR_SPAN_MAX || options->lateness < 0) {
        wr_node_fail(node, "within or lateness is out of range");
        return false;
    }
    wr_keyed_init(&dedup->keyed, node->spec->key, node->seed);
    dedup->within   = options->within;
    dedup->lateness = options->lateness < WR_LATENESS_MAX ? options->lateness : WR_LATENESS_MAX;
    dedup->span     = options->within > 0 ? options->within : 1;

    const weir_time least = dedup->lateness / TABLES_MAX < WR_SPAN_MAX / 2
                                ? dedup->lateness / TABLES_MAX
                                : WR_SPAN_MAX / 2;
    const weir_time usual = least > WEIR_SECONDS(1) ? least : WEIR_SECONDS(1);
    dedup->is_numbered    = dedup->span < usual;
    dedup->width =
        dedup->is_numbered ? (usual + dedup->span - 1) / dedup->span * dedup->span : dedup->span;

    const struct wr_table_options tables = {
        .key_kind   = dedup->is_numbered ? WR_KEY_BYTES : dedup->keyed.codec.kind,
        .value_size = sizeof(struct passed),
        .range_bits = node->range_bits,
        .seed       = node->seed,
    };
    wr_slices_init(&dedup->tables, node->pool, &tables);
    const weir_type            *key   = node->spec->key->key;
    const struct wr_table_shape shape = {
        .key     = dedup->is_numbered ? NULL : key,
        .own_key = { { dedup->is_numbered ? "-" : NULL, &bucket_number_type, 0 },
                     { "owner", key, 0 } },
        .own     = { { "-", &passed_entry_type, 0 } },
    };
    dedup->kept_within = dedup->within;
    dedup->kept_width  = dedup->width;
    wr_node_keep_slices(node, "passed", &dedup->tables, &shape);
    wr_node_keep_number(node, "within", WR_CELL_GREATEST, &dedup->kept_within);
    wr_node_keep_number(node, "width", WR_CELL_GREATEST, &dedup->kept_width);
    dedup->own            = wr_alloc(WR_KEYED_CHUNK * sizeof(void *));
    dedup->earlier        = wr_alloc(WR_KEYED_CHUNK * sizeof(void *));
    dedup->later          = wr_alloc(WR_KEYED_CHUNK * sizeof(void *));
    dedup->column.starts  = wr_alloc(WR_KEYED_CHUNK * sizeof(*dedup->column.starts));
    dedup->column.lengths = wr_alloc(WR_KEYED_CHUNK * sizeof(*dedup->column.lengths));
    dedup->column.mixed   = wr_alloc(WR_KEYED_CHUNK * sizeof(*dedup->column.mixed));
    return true;
}

// The width of tables follows from the lateness.
static bool deduplicate_restored(struct wr_node *node)
{
    const struct deduplicate *dedup = (const struct deduplicate *)node;
    return wr_node_is_still(node, "within", dedup->kept_within, dedup->within) &&
           wr_node_is_still(node, "lateness", dedup->kept_width, dedup->width);
}

static void deduplicate_close(struct wr_node *node)
{
    struct deduplicate *dedup = (struct deduplicate *)node;
    wr_slices_fini(&dedup->tables);
    wr_keyed_fini(&dedup->keyed);
    wr_free((void *)(uintptr_t)dedup->own);
    wr_free((void *)(uintptr_t)dedup->earlier);
    wr_free((void *)(uintptr_t)dedup->later);
    wr_free(dedup->column.bytes);
    wr_free((void *)(uintptr_t)dedup->column.starts);
    wr_free(dedup->column.lengths);
    wr_free(dedup->column.mixed);
    wr_free(dedup->selection);
}

// ---- keys of one bucket ----

static const void *key_bytes(const struct wr_keyed *keyed, uint32_t i, uint32_t *length)
{
    if (keyed->codec.kind == WR_KEY_BYTES) {
        *length = keyed->column.lengths[i];
        return keyed->column.bytes[i];
    }
    *length = keyed->codec.kind == WR_KEY_4 ? 4 : keyed->codec.kind == WR_KEY_8 ? 8 : 16;
    return (const char *)keyed->column.fixed + (size_t)i * *length;
}

static void column_reserve(struct deduplicate *dedup, uint32_t count)
{
    struct bucket_keys *column = &dedup->column;
    size_t              needed = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        key_bytes(&dedup->keyed, i, &length);
        needed += sizeof(weir_time) + length;
    }
    if (needed > column->bytes_size) {
        column->bytes      = wr_realloc(column->bytes, needed * 2);
        column->bytes_size = needed * 2;
    }
}

// The keys taken, as the table of the bucket that starts at `bucket` knows them. The number is
// mixed into the hash below the bits that choose the task, or one key's buckets would all collide.
static void column_make(struct deduplicate *dedup, weir_time bucket, uint32_t count)
{
    struct bucket_keys *column = &dedup->column;
    column->hashes             = dedup->keyed.hashes;
    column->keys               = dedup->keyed.column;
    if (!dedup->is_numbered) {
        return;
    }
    column_reserve(dedup, count);
    char *at = column->bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t       length;
        const void    *key  = key_bytes(&dedup->keyed, i, &length);
        const uint64_t kept = ~(UINT64_MAX >> 16);
        const uint64_t hash = dedup->keyed.hashes[i];
        column->mixed[i]    = (hash & kept) | (wr_mix64(hash, (uint64_t)bucket) & ~kept);
        column->starts[i]   = at;
        column->lengths[i]  = (uint32_t)sizeof(bucket) + length;
        memcpy(at, &bucket, sizeof(bucket));
        memcpy(at + sizeof(bucket), key, length);
        at += column->lengths[i];
    }
    column->hashes = column->mixed;
    column->keys   = (struct wr_keys){ .bytes = column->starts, .lengths = column->lengths };
}

static weir_time table_start(const struct deduplicate *dedup, weir_time bucket)
{
    return wr_slice_start(bucket, dedup->width, 0);
}

// What passed in a bucket, for each of the keys taken; NULL where nothing did.
static void bucket_find(struct deduplicate *dedup, weir_time bucket, uint32_t count,
                        const void **values)
{
    struct wr_table *table = wr_slices_find(&dedup->tables, table_start(dedup, bucket));
    if (table == NULL) {
        memset((void *)(uintptr_t)values, 0, count * sizeof(*values));
        return;
    }
    column_make(dedup, bucket, count);
    wr_table_find_many_read(table, dedup->column.hashes, &dedup->column.keys, count, values);
}

static bool bucket_resolve(struct deduplicate *dedup, weir_time bucket, uint32_t count,
                           void **values)
{
    struct wr_table *table = wr_slices_make(&dedup->tables, table_start(dedup, bucket));
    column_make(dedup, bucket, count);
    if (wr_table_resolve_many(table, dedup->column.hashes, &dedup->column.keys, count, values,
                              NULL) == count) {
        return true;
    }
    dedup->has_failed = true;
    return wr_keyed_out_of_budget(&dedup->node);
}

// ---- rows ----

static weir_time row_time(const struct wr_inlet *inlet, uint32_t i)
{
    const weir_time *times = inlet->batch->times;
    return times != NULL ? times[wr_inlet_row(inlet, i)] : WEIR_TIME_MIN;
}

// How many of the next rows fall into the bucket of the first.
static uint32_t run_length(const struct deduplicate *dedup, const struct wr_inlet *inlet,
                           weir_time bucket)
{
    const uint32_t waiting = inlet->count - inlet->next;
    const uint32_t most    = waiting < WR_KEYED_CHUNK ? waiting : WR_KEYED_CHUNK;
    uint32_t       count   = 1;
    while (count < most) {
        const weir_time time = row_time(inlet, inlet->next + count);
        if (time < bucket || time >= bucket + dedup->span) {
            break;
        }
        count++;
    }
    return count;
}

static bool is_within(const struct deduplicate *dedup, const struct passed *passed, weir_time time)
{
    if (passed == NULL || !passed->is_there) {
        return false;
    }
    const weir_time apart = passed->time > time ? passed->time - time : time - passed->time;
    return apart <= dedup->within;
}

// Consumes a run; returns how many rows of it were selected, at `selection`.
static uint32_t run_take(struct deduplicate *dedup, struct wr_inlet *inlet, weir_time bucket,
                         uint32_t count, uint16_t *selection)
{
    uint32_t selected = 0;
    wr_node_release_state(&dedup->node);
    wr_keyed_take(&dedup->keyed, inlet, count);
    // First, because with the bucket's number in the key a neighbour may stand in the table that
    // grows.
    if (!bucket_resolve(dedup, bucket, count, dedup->own)) {
        return 0;
    }
    bucket_find(dedup, bucket - dedup->span, count, dedup->earlier);
    bucket_find(dedup, bucket + dedup->span, count, dedup->later);
    for (uint32_t i = 0; i < count; i++) {
        const weir_time time = row_time(inlet, inlet->next + i);
        struct passed  *own  = dedup->own[i];
        if (is_within(dedup, own, time) || is_within(dedup, dedup->earlier[i], time) ||
            is_within(dedup, dedup->later[i], time)) {
            continue;
        }
        *own                  = (struct passed){ time, 1 };
        selection[selected++] = (uint16_t)wr_inlet_row(inlet, inlet->next + i);
    }
    inlet->next += count;
    return selected;
}

static void deduplicate_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct deduplicate *dedup   = (struct deduplicate *)node;
    const uint32_t      waiting = inlet->count - inlet->next;
    uint32_t            passed  = 0;
    if (dedup->selection_capacity < waiting) {
        dedup->selection          = wr_realloc(dedup->selection, waiting * sizeof(uint16_t));
        dedup->selection_capacity = waiting;
    }
    while (inlet->next < inlet->count && !dedup->has_failed) {
        const weir_time bucket = wr_slice_start(row_time(inlet, inlet->next), dedup->span, 0);
        const uint32_t  count  = run_length(dedup, inlet, bucket);
        passed += run_take(dedup, inlet, bucket, count, dedup->selection + passed);
    }
    if (dedup->has_failed) {
        inlet->next = inlet->count; // the job is being stopped
        return;
    }
    wr_count(node->counters, WR_DUPLICATES, waiting - passed);
    if (passed > 0) {
        wr_output_pass(&node->outputs[WR_OUTPUT_MAIN], inlet->batch, dedup->selection, passed);
    }
}

// A row that is not late is at most `lateness` behind the watermark and reaches `within` further;
// the last moment of a table is width - 1 after its start.
static bool deduplicate_advance(struct wr_node *node, weir_time watermark)
{
    struct deduplicate *dedup = (struct deduplicate *)node;
    const weir_time     reach = watermark - dedup->lateness - dedup->within;
    wr_slices_drop_before(&dedup->tables,
                          watermark == WEIR_TIME_MAX ? INT64_MAX : reach - dedup->width + 1);
    return true;
}

const struct wr_operator wr_deduplicate_operator = {
    .verb        = "deduplicate",
    .node_bytes  = sizeof(struct deduplicate),
    .open        = deduplicate_open,
    .close       = deduplicate_close,
    .restored    = deduplicate_restored,
    .rows        = deduplicate_rows,
    .advance     = deduplicate_advance,
    .passes_rows = true,
    .uses_time   = true,
};

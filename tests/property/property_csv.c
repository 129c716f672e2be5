// Random tables: what is written, cut in random pieces and read comes back the same. Then random
// bytes full of quotes: the cutting into records against the whole stream walked by hand.
#include "connectors/csv/csv_reader.h"
#include "connectors/csv/csv_writer.h"
#include "tests/support/random_record.h"

#define ROWS_MAX   8
#define STREAM_MAX (1 << 18)

struct stream {
    char   bytes[STREAM_MAX];
    size_t length;
};

// Gives each record of the stream, which comes in random pieces, to `take`.
static void stream_cut(const struct stream *stream, struct trial_random *random,
                       const struct wr_csv_records_options *options,
                       void (*take)(void *opaque, const struct wr_csv_record *record), void *opaque)
{
    struct wr_csv_records records;
    struct wr_csv_record  record;
    wr_csv_records_init(&records, options);
    const uint32_t most = 1 + trial_below(random, trial_one_in(random, 2) ? 20 : 3000);
    for (size_t at = 0; at < stream->length;) {
        const size_t left   = stream->length - at;
        const size_t piece  = trial_below(random, most + 1);
        const size_t length = piece < left ? piece : left;
        char *const  fed    = malloc(length + WR_LINES_PADDING);
        memcpy(fed, stream->bytes + at, length);
        memset(fed + length, '"', WR_LINES_PADDING);
        wr_csv_records_feed(&records, fed, length);
        while (wr_csv_records_next(&records, &record)) {
            take(opaque, &record);
        }
        free(fed);
        at += length;
    }
    wr_csv_records_end(&records);
    while (wr_csv_records_next(&records, &record)) {
        take(opaque, &record);
    }
    wr_csv_records_fini(&records);
}

// ---- tables ----

struct table {
    struct random_type    type;
    struct wr_csv_reader *reader;
    _Alignas(16) char rows[ROWS_MAX][RANDOM_RECORD_MAX];
    uint32_t row_count;
    uint32_t taken;
};

static void table_take(void *opaque, const struct wr_csv_record *record)
{
    static _Alignas(16) char read[RANDOM_RECORD_MAX];
    struct table *const      table = opaque;
    const char              *reason;
    TRIAL_CHECK(!record->is_too_long, "%zu bytes", record->length);
    if (record->number == 1) {
        TRIAL_CHECK(wr_csv_read_header(table->reader, record->bytes, record->length, &reason), "%s",
                    reason);
        return;
    }
    TRIAL_CHECK(table->taken < table->row_count, "more than %u rows", table->row_count);
    TRIAL_CHECK(wr_csv_read(table->reader, record->bytes, record->length, read, &reason),
                "%s: %.*s", reason, (int)record->length, record->bytes);
    const char *const difference =
        record_difference(&table->type.type, table->rows[table->taken], read);
    TRIAL_CHECK(difference == NULL, "%s of %.*s", difference, (int)record->length, record->bytes);
    table->taken++;
}

static void stream_add(struct stream *stream, const char *bytes, size_t length, bool has_return)
{
    memcpy(stream->bytes + stream->length, bytes, length);
    stream->length += length;
    if (has_return) {
        memcpy(stream->bytes + stream->length - 1, "\r\n", 2);
        stream->length++;
    }
}

static void try_table(struct table *table, struct stream *stream, struct trial_random *random)
{
    random_type_init(&table->type, random, 1);
    struct wr_csv_records_options    options      = { .delimiter = ",;\t"[trial_below(random, 3)] };
    const struct wr_csv_plan_options plan_options = { .delimiter     = options.delimiter,
                                                      .has_retracted = trial_one_in(random, 2) };
    const struct wr_csv_options      read_options = { .delimiter = options.delimiter };
    struct wr_csv_plan *const        plan = wr_csv_plan_open(&table->type.type, &plan_options);
    const bool                       has_return = trial_one_in(random, 2);
    size_t                           length;
    const char *const                header = wr_csv_header(plan, &length);
    table->reader                           = wr_csv_reader_open(&table->type.type, &read_options);
    table->row_count                        = trial_below(random, ROWS_MAX + 1);
    table->taken                            = 0;
    stream->length                          = 0;
    stream_add(stream, header, length, has_return);
    for (uint32_t i = 0; i < table->row_count; i++) {
        // Each row's strings stay where they are: the type's store is filled on.
        memset(table->rows[i], 0, table->type.type.size);
        random_fields(&table->type, &table->type, random, table->rows[i]);
        char *const exact = malloc(wr_csv_bound(plan, table->rows[i]));
        length            = wr_csv_write(plan, table->rows[i], trial_one_in(random, 2), exact);
        TRIAL_CHECK(length <= wr_csv_bound(plan, table->rows[i]), "%zu", length);
        stream_add(stream, exact, length, has_return);
        free(exact);
    }
    stream_cut(stream, random, &options, table_take, table);
    TRIAL_CHECK(table->taken == table->row_count, "%u of %u rows", table->taken, table->row_count);
    wr_csv_reader_close(table->reader);
    wr_csv_plan_close(plan);
    random_type_fini(&table->type);
}

// ---- cutting ----

struct walk {
    const struct stream *stream;
    size_t               at;
    uint64_t             line;
    uint64_t             number;
    size_t               most;
};

// The end of the record that starts at `from`, in one piece, by the rules of csv_reader.h.
static size_t walk_end(const struct walk *walk, size_t from)
{
    const char *const bytes = walk->stream->bytes;
    const size_t      end   = walk->stream->length;
    size_t            at    = from;
    while (at < end) {
        if (bytes[at] == '"') { // a quoted cell
            for (at++; at < end; at++) {
                if (bytes[at] == '\n' && at - from > walk->most) {
                    return at;
                }
                if (bytes[at] == '"' && at + 1 < end && bytes[at + 1] == '"') {
                    at++;
                } else if (bytes[at] == '"') {
                    break;
                }
            }
        }
        while (at < end && bytes[at] != ',' && bytes[at] != '\n') {
            at++;
        }
        if (at == end || bytes[at] == '\n') {
            return at;
        }
        at++;
    }
    return end;
}

static void walk_take(void *opaque, const struct wr_csv_record *record)
{
    struct walk *const walk  = opaque;
    const char *const  bytes = walk->stream->bytes;
    const size_t       end   = walk_end(walk, walk->at);
    const size_t       raw   = end - walk->at;
    const bool         is_cut =
        end < walk->stream->length && raw > 0 && raw <= walk->most && bytes[end - 1] == '\r';
    const size_t length = raw - (is_cut ? 1 : 0);
    walk->number++;
    TRIAL_CHECK(record->number == walk->number, "%" PRIu64, record->number);
    TRIAL_CHECK(record->offset == walk->at, "%" PRIu64 " for %zu", record->offset, walk->at);
    TRIAL_CHECK(record->length == length, "%zu for %zu at %zu", record->length, length, walk->at);
    TRIAL_CHECK(record->line == walk->line, "%" PRIu64 " for %" PRIu64, record->line, walk->line);
    TRIAL_CHECK(record->is_too_long == (raw > walk->most), "%zu", raw);
    TRIAL_CHECK(memcmp(record->bytes, bytes + walk->at, record->kept_bytes) == 0, "at %zu",
                walk->at);
    for (size_t i = walk->at; i <= end && i < walk->stream->length; i++) {
        walk->line += bytes[i] == '\n' ? 1 : 0;
    }
    walk->at = end + 1;
}

static void try_cutting(struct stream *stream, struct trial_random *random)
{
    struct walk    walk = { .stream = stream, .line = 1, .most = WR_LINES_KEPT_BYTES };
    const uint32_t size = trial_one_in(random, 8) ? 3 * WR_LINES_KEPT_BYTES : 100;
    stream->length      = trial_below(random, size);
    for (size_t i = 0; i < stream->length; i++) {
        // In a long stream, short records alternate with stretches that hardly have a newline.
        const bool is_sparse = size > 100 && i % 5000 > 40;
        stream->bytes[i]     = 'x';
        if (!is_sparse) {
            stream->bytes[i] = "\"\"\"\n,,\ra"[trial_below(random, 8)];
        } else if (trial_one_in(random, 300)) {
            stream->bytes[i] = "\"\n"[trial_below(random, 2)];
        }
    }
    stream_cut(stream, random, &(struct wr_csv_records_options){ .max_record_bytes = walk.most },
               walk_take, &walk);
    TRIAL_CHECK(walk.at >= stream->length, "records up to %zu of %zu", walk.at, stream->length);
}

int main(int argc, char **argv)
{
    struct trial_random  random = { trial_seed(argc, argv) };
    const uint64_t       cases  = trial_size(500, 12000, 100000);
    struct stream *const stream = calloc(1, sizeof(*stream));
    struct table *const  table  = calloc(1, sizeof(*table));
    for (uint64_t i = 0; i < cases; i++) {
        try_table(table, stream, &random);
        try_cutting(stream, &random);
    }
    free(table);
    free(stream);
    printf("cases: %" PRIu64 "\n", 2 * cases);
    return 0;
}

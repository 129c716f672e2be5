// What the log writes is what it reads: random types and rows through batches, whole, cut and with
// flipped bits; schemas through their text; rows of one type as rows of another, against a
// reference that goes field by field; footers.
//
// usage: property_log_format [SEED]
//
// A case is a batch, a schema, a pair of types or a footer.
#include "log/format.h"
#include "log/pack.h"
#include "log/schema.h"
#include "tests/support/random_conversion.h"

#include <weir/call.h>

#define ROWS_MOST   60u
#define BYTES_TRIED 700u // of longer batches only some bits and cuts are tried

static struct trial_random random_of_run;
static uint64_t            case_count;

static uint32_t below(uint32_t limit) { return trial_below(&random_of_run, limit); }
static bool     one_in(uint32_t count) { return trial_one_in(&random_of_run, count); }

// ---- batches ----

struct original {
    struct schema_arena arena;
    const weir_type    *type;
    struct wr_row_shape shape;
    char               *rows;
    uint8_t             changes[ROWS_MOST];
    uint32_t            picks[ROWS_MOST];
    uint32_t            deltas[ROWS_MOST];
    uint32_t            count;
    bool                has_changes, has_picks, has_deltas;
};

static const char *time_field_of(const weir_type *type)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].kind == WEIR_KIND_TIME && type->fields[i].count == 1) {
            return type->fields[i].name;
        }
    }
    return NULL;
}

static void original_init(struct original *original)
{
    original->arena.type_count = 0;
    original->type             = schema_random(&original->arena, &random_of_run, SCHEMA_DEPTH);
    wr_row_shape_init(&original->shape, original->type, time_field_of(original->type));
    const uint32_t count = 1 + below(one_in(8) ? ROWS_MOST : 5);
    original->rows       = wr_alloc_aligned((size_t)count * original->type->size, 512);
    original->count =
        schema_random_rows(&original->arena, original->type, &random_of_run, original->rows, count);
    original->has_changes = one_in(3);
    original->has_picks   = one_in(3);
    original->has_deltas  = one_in(3);
    uint32_t delta        = below(3);
    for (uint32_t i = 0; i < original->count; i++) {
        original->changes[i] = original->has_changes ? (uint8_t)below(4) : WEIR_INSERT;
        original->picks[i]   = original->has_picks ? below(original->count) : i;
        original->deltas[i]  = delta;
        delta += 1 + below(3);
    }
}

static void original_fini(struct original *original)
{
    wr_row_shape_fini(&original->shape);
    wr_free(original->rows);
}

static const char *original_row(const struct original *original, uint32_t number)
{
    return original->rows + (size_t)original->picks[number] * original->type->size;
}

static void check_times(const struct original *original, uint32_t first,
                        const struct wr_log_batch_header *header)
{
    weir_time least    = WEIR_TIME_MAX;
    weir_time greatest = WEIR_TIME_MIN;
    for (uint32_t i = 0; i < header->rows && original->shape.time_at != UINT32_MAX; i++) {
        weir_time time;
        memcpy(&time, original_row(original, first + i) + original->shape.time_at, sizeof(time));
        time  = time < WEIR_TIME_MIN ? WEIR_TIME_MIN : time > WEIR_TIME_MAX ? WEIR_TIME_MAX : time;
        least = time < least ? time : least;
        greatest = time > greatest ? time : greatest;
    }
    TRIAL_CHECK(header->least_time == least && header->greatest_time == greatest,
                "%lld to %lld, not %lld to %lld", header->least_time, header->greatest_time, least,
                greatest);
}

static bool batch_is_valid(const char *batch, size_t length, uint32_t seed)
{
    struct wr_log_batch_header header;
    const char                *reason;
    return wr_batch_header_decode(batch, length, seed, &header, &reason) == WR_BATCH_VALID &&
           wr_batch_payload_is_valid(batch, &header, seed);
}

static void check_flips(char *batch, size_t length, uint32_t seed)
{
    const size_t tried = length < BYTES_TRIED ? length : BYTES_TRIED;
    for (size_t i = 0; i < tried; i++) {
        const size_t at = length < BYTES_TRIED ? i : below((uint32_t)length);
        for (uint32_t bit = 0; bit < 8; bit++) {
            batch[at] = (char)(batch[at] ^ (1 << bit));
            TRIAL_CHECK(!batch_is_valid(batch, length, seed), "byte %zu, bit %u", at, bit);
            batch[at] = (char)(batch[at] ^ (1 << bit));
        }
    }
}

static void check_cuts(const char *batch, size_t length, uint32_t seed)
{
    const size_t tried = length < BYTES_TRIED ? length : BYTES_TRIED;
    for (size_t i = 0; i < tried; i++) {
        struct wr_log_batch_header header;
        const char                *reason;
        const size_t               cut = length < BYTES_TRIED ? i : below((uint32_t)length);
        const enum wr_batch_check  check =
            wr_batch_header_decode(batch, cut, seed, &header, &reason);
        TRIAL_CHECK(check == WR_BATCH_SHORT || check == WR_BATCH_INVALID, "cut at %zu of %zu: %d",
                    cut, length, (int)check);
        TRIAL_CHECK((header.bytes == length) == (cut >= WR_BATCH_HEADER_BYTES), "cut at %zu", cut);
    }
}

static void complete_header(struct wr_log_batch_header *header)
{
    header->base_offset  = trial_next(&random_of_run) >> 2;
    header->epoch        = below(100);
    header->schema       = (uint16_t)below(UINT16_MAX);
    header->durable_upto = header->base_offset - below(5);
    header->transaction  = one_in(2) ? trial_next(&random_of_run) : 0;
    header->appended     = (weir_time)(trial_next(&random_of_run) >> 3);
    header->cut          = below(5);
    header->span += one_in(2) ? below(1000) : 0;
}

static void check_decoded(const struct wr_log_batch_header *a, const struct wr_log_batch_header *b)
{
    TRIAL_CHECK(a->bytes == b->bytes && a->payload_crc == b->payload_crc &&
                    a->base_offset == b->base_offset && a->rows == b->rows && a->span == b->span &&
                    a->epoch == b->epoch && a->schema == b->schema && a->kind == b->kind &&
                    a->compression == b->compression && a->flags == b->flags &&
                    a->unpacked_bytes == b->unpacked_bytes && a->durable_upto == b->durable_upto &&
                    a->transaction == b->transaction && a->least_time == b->least_time &&
                    a->greatest_time == b->greatest_time && a->appended == b->appended &&
                    a->cut == b->cut,
                "batch of %u bytes", a->bytes);
}

static void check_rows(const struct original *original, uint32_t first,
                       const struct wr_log_batch_header *header, const struct wr_unpacked *unpacked)
{
    TRIAL_CHECK((uintptr_t)unpacked->rows % original->type->align == 0, "align %u",
                original->type->align);
    for (uint32_t i = 0; i < header->rows; i++) {
        const char *field = schema_difference(original->type, original_row(original, first + i),
                                              unpacked->rows + (size_t)i * original->type->size);
        TRIAL_CHECK(field == NULL, "row %u, field %s", first + i, field);
        const uint8_t change = original->changes[original->picks[first + i]];
        TRIAL_CHECK((unpacked->changes != NULL ? unpacked->changes[i] : WEIR_INSERT) == change,
                    "row %u", first + i);
        TRIAL_CHECK(!original->has_deltas || unpacked->deltas[i] == original->deltas[i], "row %u",
                    first + i);
    }
    TRIAL_CHECK((unpacked->deltas != NULL) == original->has_deltas, "deltas");
}

// Packing what was unpacked gives the same bytes: what is between fields did not come along.
static void check_again(const struct original *original, const char *batch,
                        const struct wr_log_batch_header *header,
                        const struct wr_unpacked *unpacked, uint32_t seed)
{
    struct wr_batch_builder    builder;
    struct wr_log_batch_header again = *header;
    bool                       is_too_long;
    wr_batch_builder_init(&builder, &original->shape, 1 << 20);
    TRIAL_CHECK(wr_batch_builder_add(&builder, unpacked->rows, unpacked->changes, header->rows,
                                     &is_too_long) == header->rows,
                "%u rows", header->rows);
    builder.deltas = unpacked->deltas;
    char *const same =
        wr_batch_builder_finish(&builder, (weir_compression)header->compression, seed, &again);
    TRIAL_CHECK(again.bytes == header->bytes &&
                    memcmp(same + WR_BATCH_HEADER_BYTES, batch + WR_BATCH_HEADER_BYTES,
                           header->bytes - WR_BATCH_HEADER_BYTES) == 0,
                "%u bytes", header->bytes);
    wr_free(same);
    wr_batch_builder_fini(&builder);
}

static void check_unpacked(const struct original *original, uint32_t first, const char *batch,
                           const struct wr_log_batch_header *header, uint32_t seed)
{
    const size_t payload_bytes = header->bytes - WR_BATCH_HEADER_BYTES;
    const size_t shift         = one_in(4) ? 8 * below(4) : 0;
    char *const  memory        = wr_alloc_aligned(payload_bytes + 32, 64);
    char *const  payload  = memcpy(memory + shift, batch + WR_BATCH_HEADER_BYTES, payload_bytes);
    char        *buffer   = NULL;
    size_t       capacity = 0;
    const char  *reason;
    struct wr_unpacked unpacked;
    TRIAL_CHECK(
        wr_batch_unpack(payload, header, &original->shape, &buffer, &capacity, &unpacked, &reason),
        "%s", reason);
    check_rows(original, first, header, &unpacked);
    check_again(original, batch, header, &unpacked, seed);
    wr_free(buffer);
    wr_free(memory);
}

static void check_batch(const struct original *original, uint32_t first, char *batch,
                        struct wr_log_batch_header *header, uint32_t seed)
{
    struct wr_log_batch_header decoded;
    const char                *reason;
    complete_header(header);
    wr_batch_header_encode(header, seed, batch);
    TRIAL_CHECK(wr_batch_header_decode(batch, header->bytes, seed, &decoded, &reason) ==
                    WR_BATCH_VALID,
                "%s", reason);
    TRIAL_CHECK(wr_batch_payload_is_valid(batch, &decoded, seed), "payload");
    TRIAL_CHECK(!batch_is_valid(batch, header->bytes, seed + 1), "another seed");
    check_decoded(header, &decoded);
    check_times(original, first, header);
    check_unpacked(original, first, batch, &decoded, seed);
    if (one_in(4)) {
        check_flips(batch, header->bytes, seed);
        check_cuts(batch, header->bytes, seed);
    }
    case_count++;
}

static uint32_t add_some(struct wr_batch_builder *builder, const struct original *original,
                         uint32_t first)
{
    const uint32_t count = 1 + below(original->count - first);
    bool           is_too_long;
    const size_t   taken =
        original->has_picks
              ? wr_batch_builder_add_picked(builder, original->rows, original->changes,
                                            original->picks + first, count, &is_too_long)
              : wr_batch_builder_add(builder, original->rows + (size_t)first * original->type->size,
                                   original->has_changes ? original->changes + first : NULL, count,
                                     &is_too_long);
    TRIAL_CHECK(!is_too_long && taken <= count, "%zu of %u rows", taken, count);
    TRIAL_CHECK(taken > 0 || builder->rows > 0, "an empty builder takes a row");
    return (uint32_t)taken;
}

static void try_batches(void)
{
    static struct original  original;
    struct wr_batch_builder builder;
    const uint32_t          seed = (uint32_t)trial_next(&random_of_run);
    original_init(&original);
    wr_batch_builder_init(&builder, &original.shape, 1 + below(one_in(2) ? 100 : 20000));
    uint32_t first = 0; // of the batch
    while (first < original.count) {
        uint32_t end = first;
        while (end < original.count) {
            const uint32_t taken = add_some(&builder, &original, end);
            end += taken;
            if (taken == 0 || one_in(4)) {
                break;
            }
        }
        struct wr_log_batch_header header = { 0 };
        builder.deltas                    = original.has_deltas ? original.deltas : NULL;
        char *const batch =
            wr_batch_builder_finish(&builder, (weir_compression)below(3), seed, &header);
        TRIAL_CHECK(header.rows == end - first && builder.rows == 0, "%u rows", header.rows);
        check_batch(&original, first, batch, &header, seed);
        wr_free(batch);
        first = end;
    }
    wr_batch_builder_fini(&builder);
    original_fini(&original);
}

// ---- schemas ----

static void try_mutated_text(const char *text, size_t length)
{
    char *const copy = malloc(length + 1);
    char       *error;
    memcpy(copy, text, length);
    const size_t      at      = below((uint32_t)length);
    const size_t      kept    = one_in(4) ? at : length;
    static const char bytes[] = "0123456789 \nabi_";
    copy[at]                  = one_in(3) ? (char)below(256) : bytes[below(sizeof(bytes) - 1)];
    weir_type *const type     = wr_schema_parse(copy, kept, &error);
    TRIAL_CHECK((type == NULL) == (error != NULL), "a sentence or a type");
    if (type != NULL) {
        char *const again = wr_schema_text(type);
        TRIAL_CHECK(strlen(again) == kept && memcmp(again, copy, kept) == 0, "%s", again);
        wr_free(again);
    }
    wr_schema_type_close(type);
    wr_free(error);
    free(copy);
}

static void try_schema(void)
{
    static struct schema_arena arena;
    arena.type_count      = 0;
    const weir_type *type = schema_random(&arena, &random_of_run, SCHEMA_DEPTH);
    char            *error;
    TRIAL_CHECK(wr_schema_check(type, &error), "%s", error);
    char *const      text   = wr_schema_text(type);
    weir_type *const parsed = wr_schema_parse(text, strlen(text), &error);
    TRIAL_CHECK(parsed != NULL, "%s\n%s", error, text);
    TRIAL_CHECK(wr_schema_is_same(type, parsed), "%s", text);
    char *const again = wr_schema_text(parsed);
    TRIAL_CHECK(strcmp(text, again) == 0, "%s", text);
    for (uint32_t i = 0; i < 5; i++) {
        try_mutated_text(text, strlen(text));
    }
    wr_schema_type_close(parsed);
    wr_free(text);
    wr_free(again);
    case_count++;
}

// ---- conversions, against a reference ----

static uint64_t converted_count, refused_count;

static void run_conversion(struct schema_arena *arena, const struct wr_conversion *conversion,
                           const weir_type *from, const weir_type *to)
{
    const uint32_t wanted = 1 + below(one_in(10) ? 50 : 4);
    char *const    rows   = wr_alloc_aligned((size_t)wanted * from->size, 512);
    const uint32_t count  = schema_random_rows(arena, from, &random_of_run, rows, wanted);
    char *const    made   = wr_alloc_aligned((size_t)count * to->size, 512);
    if (wr_conversion_is_identity(conversion)) {
        TRIAL_CHECK(from->size == to->size, "%u and %u bytes", from->size, to->size);
        // Only stored rows come here, whose gaps are zeros.
        for (uint32_t i = 0; i < count; i++) {
            char *const         row = rows + (size_t)i * from->size;
            struct wr_row_shape shape;
            char *const         packed = wr_alloc(from->size);
            wr_row_shape_init(&shape, from, NULL);
            for (uint32_t j = 0; j < shape.part_count; j++) {
                memcpy(packed + shape.parts[j].at, row + shape.parts[j].at, shape.parts[j].bytes);
            }
            memcpy(row, packed, from->size);
            wr_row_shape_fini(&shape);
            wr_free(packed);
        }
    }
    memset(made, 0x5a, (size_t)count * to->size);
    wr_conversion_run(conversion, rows, made, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *field =
            wrong_field(from, rows + (size_t)i * from->size, to, made + (size_t)i * to->size);
        TRIAL_CHECK(field == NULL, "row %u, field %s", i, field);
    }
    wr_free(rows);
    wr_free(made);
}

static void try_conversion(void)
{
    static struct schema_arena arena, other;
    arena.type_count            = 0;
    other.type_count            = 0;
    const weir_type *const from = schema_random(&arena, &random_of_run, SCHEMA_DEPTH);
    const weir_type *const to   = one_in(10)   ? schema_random(&other, &random_of_run, SCHEMA_DEPTH)
                                  : one_in(10) ? from
                                               : relative_of(&other, &random_of_run, from);
    char                  *error;
    struct wr_conversion  *conversion = wr_schema_conversion(from, to, &error);
    TRIAL_CHECK((conversion == NULL) == (error != NULL), "a sentence or a conversion");
    TRIAL_CHECK((conversion != NULL) == record_fits(from, to), "%s", error == NULL ? "" : error);
    TRIAL_CHECK(from != to || wr_conversion_is_identity(conversion), "a type and itself");
    if (conversion != NULL) {
        run_conversion(&arena, conversion, from, to);
    }
    converted_count += conversion != NULL;
    refused_count += conversion == NULL;
    wr_conversion_close(conversion);
    wr_free(error);
    case_count++;
}

// ---- footers ----

static void random_batch(struct wr_log_batch_header *header, uint64_t base)
{
    const weir_time time  = (weir_time)below(1000000);
    *header               = (struct wr_log_batch_header){ 0 };
    header->bytes         = 96 + 32 * below(4000);
    header->base_offset   = base;
    header->kind          = one_in(5) ? WR_BATCH_MARK : WR_BATCH_ROWS;
    header->transaction   = one_in(3);
    header->least_time    = time;
    header->greatest_time = time + below(1000);
    header->appended      = (weir_time)below(1000);
    if (header->kind == WR_BATCH_ROWS) {
        header->span  = 1 + below(500);
        header->rows  = below(header->span + 1);
        header->flags = one_in(2) ? (uint32_t)WR_BATCH_HAS_CHANGES : 0;
    } else {
        header->bytes = 96;
    }
}

static void check_index(const struct wr_segment_index *a, const struct wr_segment_index *b)
{
    TRIAL_CHECK(a->count == b->count && a->end_offset == b->end_offset && a->rows == b->rows &&
                    a->bytes == b->bytes && a->least_time == b->least_time &&
                    a->greatest_time == b->greatest_time &&
                    a->first_appended == b->first_appended &&
                    a->last_appended == b->last_appended &&
                    a->transaction_batches == b->transaction_batches && a->changes == b->changes,
                "totals of %u entries", a->count);
    for (uint32_t i = 0; i < a->count; i++) {
        TRIAL_CHECK(a->entries[i].offset == b->entries[i].offset &&
                        a->entries[i].position == b->entries[i].position &&
                        a->entries[i].latest == b->entries[i].latest,
                    "entry %u", i);
    }
}

static void try_footer(void)
{
    struct wr_segment_index    index, again;
    struct wr_log_batch_header header;
    const char                *reason;
    const uint32_t             seed     = (uint32_t)trial_next(&random_of_run);
    uint64_t                   position = WR_SEGMENT_HEADER_BYTES;
    uint64_t                   base     = trial_next(&random_of_run) >> 8;
    wr_segment_index_init(&index, base);
    for (uint32_t i = below(one_in(20) ? 400 : 8); i > 0; i--) {
        random_batch(&header, base);
        wr_segment_index_add(&index, &header, position);
        position += header.bytes;
        base += header.span;
    }
    TRIAL_CHECK(index.end_offset == base && index.bytes == position, "totals");
    size_t      bytes;
    char *const footer = wr_footer_encode(
        &index, &(struct wr_log_batch_header){ .epoch = 3, .durable_upto = base }, seed, &bytes);
    TRIAL_CHECK(wr_batch_header_decode(footer, bytes, seed, &header, &reason) == WR_BATCH_VALID &&
                    wr_batch_payload_is_valid(footer, &header, seed),
                "%s", reason);
    TRIAL_CHECK(header.bytes == bytes && header.base_offset == base && header.epoch == 3, "header");
    TRIAL_CHECK(wr_footer_decode(footer, &header, &again), "%u entries", index.count);
    check_index(&index, &again);
    check_cuts(footer, bytes, seed);
    wr_segment_index_fini(&index);
    wr_segment_index_fini(&again);
    wr_free(footer);
    case_count++;
}

int main(int argc, char **argv)
{
    random_of_run.state  = trial_seed(argc, argv);
    const uint64_t cases = trial_size(4000, 300000, 3000000);
    while (case_count < cases) {
        try_batches();
        try_schema();
        try_conversion();
        try_footer();
    }
    TRIAL_CHECK(converted_count > cases / 20 && refused_count > cases / 200,
                "%" PRIu64 " pairs of types fit, %" PRIu64 " did not", converted_count,
                refused_count);
    printf("cases: %" PRIu64 "\n", case_count);
    return 0;
}

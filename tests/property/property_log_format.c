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
#include "tests/support/random_schema.h"

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

// All that an integer kind can hold.
static bool kind_range(weir_kind kind, int64_t *least, uint64_t *greatest)
{
    switch (kind) {
    case WEIR_KIND_I8:
        *least    = INT8_MIN;
        *greatest = INT8_MAX;
        return true;
    case WEIR_KIND_I16:
        *least    = INT16_MIN;
        *greatest = INT16_MAX;
        return true;
    case WEIR_KIND_I32:
        *least    = INT32_MIN;
        *greatest = INT32_MAX;
        return true;
    case WEIR_KIND_I64:
        *least    = INT64_MIN;
        *greatest = INT64_MAX;
        return true;
    case WEIR_KIND_U8:
        *least    = 0;
        *greatest = UINT8_MAX;
        return true;
    case WEIR_KIND_U16:
        *least    = 0;
        *greatest = UINT16_MAX;
        return true;
    case WEIR_KIND_U32:
        *least    = 0;
        *greatest = UINT32_MAX;
        return true;
    case WEIR_KIND_U64:
        *least    = 0;
        *greatest = UINT64_MAX;
        return true;
    default: return false;
    }
}

static bool record_fits(const weir_type *from, const weir_type *to);

static bool field_fits(const weir_field *from, const weir_field *to)
{
    int64_t  least[2];
    uint64_t greatest[2];
    if (from->count != to->count) {
        return false;
    }
    if (kind_range(from->kind, &least[0], &greatest[0])) {
        if (kind_range(to->kind, &least[1], &greatest[1])) {
            return least[1] <= least[0] && greatest[1] >= greatest[0];
        }
        return (to->kind == WEIR_KIND_F64 && greatest[0] <= UINT32_MAX) ||
               (to->kind == WEIR_KIND_TIME && from->kind == WEIR_KIND_I64);
    }
    switch ((int)from->kind) {
    case WEIR_KIND_BOOL:
        return to->kind == WEIR_KIND_BOOL || kind_range(to->kind, &least[1], &greatest[1]);
    case WEIR_KIND_F32: return to->kind == WEIR_KIND_F32 || to->kind == WEIR_KIND_F64;
    case WEIR_KIND_TIME: return to->kind == WEIR_KIND_TIME || to->kind == WEIR_KIND_I64;
    case WEIR_KIND_CHARS:
        return to->kind == WEIR_KIND_STR || (to->kind == WEIR_KIND_CHARS && to->size >= from->size);
    case WEIR_KIND_RECORD:
        return to->kind == WEIR_KIND_RECORD && record_fits(from->record, to->record);
    default: return from->kind == to->kind;
    }
}

static bool record_fits(const weir_type *from, const weir_type *to)
{
    for (uint32_t i = 0; i < to->field_count; i++) {
        const weir_field *stored = weir_type_field(from, to->fields[i].name);
        if (stored != NULL && !field_fits(stored, &to->fields[i])) {
            return false;
        }
    }
    return true;
}

struct value {
    int64_t  integer;
    uint64_t natural; // where `integer` is negative or too small: the same bits
    double   real;
};

static struct value value_read(weir_kind kind, const char *from)
{
    struct value value = { 0, 0, 0 };
    switch ((int)kind) {
#define READ_INTEGER(KIND, TYPE)                                                                   \
    case KIND: {                                                                                   \
        TYPE read;                                                                                 \
        memcpy(&read, from, sizeof(read));                                                         \
        value.integer = (int64_t)read;                                                             \
        break;                                                                                     \
    }
        READ_INTEGER(WEIR_KIND_BOOL, uint8_t)
        READ_INTEGER(WEIR_KIND_I8, int8_t)
        READ_INTEGER(WEIR_KIND_I16, int16_t)
        READ_INTEGER(WEIR_KIND_I32, int32_t)
        READ_INTEGER(WEIR_KIND_I64, int64_t)
        READ_INTEGER(WEIR_KIND_TIME, int64_t)
        READ_INTEGER(WEIR_KIND_U8, uint8_t)
        READ_INTEGER(WEIR_KIND_U16, uint16_t)
        READ_INTEGER(WEIR_KIND_U32, uint32_t)
        READ_INTEGER(WEIR_KIND_U64, uint64_t)
#undef READ_INTEGER
    case WEIR_KIND_F32: {
        float read;
        memcpy(&read, from, sizeof(read));
        value.real = (double)read;
        return value;
    }
    default: memcpy(&value.real, from, sizeof(value.real)); return value;
    }
    value.natural = (uint64_t)value.integer;
    value.real    = (double)value.integer;
    return value;
}

// Whether an element was converted rightly.
static bool element_is_right(const weir_field *stored, const char *from, const weir_field *wanted,
                             const char *to)
{
    if (stored->kind == WEIR_KIND_CHARS) {
        const size_t length = strnlen(from, stored->size);
        if (wanted->kind == WEIR_KIND_CHARS) {
            return strnlen(to, wanted->size) == length && memcmp(from, to, length) == 0;
        }
        const weir_str *const string = (const void *)to;
        return string->length == length && memcmp(weir_str_bytes(string), from, length) == 0;
    }
    if (stored->kind == WEIR_KIND_STR) {
        return weir_str_equal((const void *)from, (const void *)to);
    }
    if (stored->kind == wanted->kind) {
        return memcmp(from, to, schema_bytes[stored->kind]) == 0;
    }
    const struct value left  = value_read(stored->kind, from);
    const struct value right = value_read(wanted->kind, to);
    if (wanted->kind == WEIR_KIND_F64) {
        return !(left.real < right.real) && !(left.real > right.real);
    }
    return left.natural == right.natural;
}

static bool is_zero(const char *bytes, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && bytes[i] == 0) {
        i++;
    }
    return i == count;
}

// The field of the reader's row that is wrong, or NULL. Bytes between its fields must be zero.
static const char *wrong_field(const weir_type *from, const char *stored_row, const weir_type *to,
                               const char *row)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < to->field_count; i++) {
        const weir_field *const wanted   = &to->fields[i];
        const weir_field *const stored   = weir_type_field(from, wanted->name);
        const char *const       at       = row + wanted->offset;
        bool                    is_right = is_zero(row + end, wanted->offset - end);
        end                              = wanted->offset + wanted->size;
        if (stored == NULL) {
            is_right = is_right && is_zero(at, wanted->size);
        } else if (wanted->kind == WEIR_KIND_RECORD) {
            is_right = is_right && wrong_field(stored->record, stored_row + stored->offset,
                                               wanted->record, at) == NULL;
        } else {
            for (uint32_t j = 0; j < wanted->count; j++) {
                is_right =
                    is_right && element_is_right(stored,
                                                 stored_row + stored->offset +
                                                     j * (stored->size / stored->count),
                                                 wanted, at + j * (wanted->size / wanted->count));
            }
        }
        if (!is_right) {
            return wanted->name;
        }
    }
    return is_zero(row + end, to->size - end) ? NULL : "behind the last";
}

static weir_kind kind_near(weir_kind kind)
{
    static const weir_kind integers[] = { WEIR_KIND_I8,  WEIR_KIND_I16, WEIR_KIND_I32,
                                          WEIR_KIND_I64, WEIR_KIND_U8,  WEIR_KIND_U16,
                                          WEIR_KIND_U32, WEIR_KIND_U64, WEIR_KIND_F64,
                                          WEIR_KIND_TIME };
    switch ((int)kind) {
    case WEIR_KIND_F32: return WEIR_KIND_F64;
    case WEIR_KIND_CHARS: return one_in(2) ? WEIR_KIND_STR : WEIR_KIND_CHARS;
    case WEIR_KIND_TIME: return WEIR_KIND_I64;
    case WEIR_KIND_STR:
    case WEIR_KIND_F64: return kind;
    case WEIR_KIND_I8:
    case WEIR_KIND_U8: return integers[below(9)];
    case WEIR_KIND_I64: return one_in(2) ? WEIR_KIND_TIME : WEIR_KIND_I64;
    case WEIR_KIND_U64: return kind;
    default: return integers[below(10)];
    }
}

// A field like that one: the same, or of a kind that it may be read as.
static const weir_type *relative_of(struct schema_arena *arena, const weir_type *type);

static void field_relative(struct schema_arena *arena, const weir_field *of, weir_field *field)
{
    *field = *of;
    if (of->kind == WEIR_KIND_RECORD) {
        field->record = relative_of(arena, of->record);
        field->size   = field->record->size;
        return;
    }
    if (one_in(2)) {
        field->kind = kind_near(of->kind);
        if (one_in(60) && of->kind != WEIR_KIND_CHARS) {
            field->kind = (weir_kind)(1 + below(WEIR_KIND_STR));
        }
    }
    if (field->kind == WEIR_KIND_CHARS) {
        field->size += one_in(40) ? 0 : below(10);
        field->size -= one_in(40) && field->size > 1 ? 1 : 0;
    } else {
        field->count += one_in(150);
        field->size = schema_bytes[field->kind] * field->count;
    }
}

static const weir_type *relative_of(struct schema_arena *arena, const weir_type *type)
{
    struct schema_type *const made = schema_take(arena);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (!one_in(6)) {
            field_relative(arena, &type->fields[i], &made->fields[made->type.field_count++]);
        }
    }
    for (uint32_t i = 0; i < made->type.field_count && one_in(2); i++) {
        const uint32_t   other   = below(made->type.field_count);
        const weir_field swapped = made->fields[i];
        made->fields[i]          = made->fields[other];
        made->fields[other]      = swapped;
    }
    if (made->type.field_count == 0 || (made->type.field_count < SCHEMA_FIELDS_MAX && one_in(4))) {
        weir_field *const added = &made->fields[made->type.field_count++];
        added->name             = "added";
        schema_random_field(arena, &random_of_run, 0, added);
    }
    schema_lay_out(made, &random_of_run);
    return &made->type;
}

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
                                               : relative_of(&other, from);
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

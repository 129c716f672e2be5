// Any bytes as a line. No reader may step outside of it; what a typed one takes, one that ignores
// every field takes too; and what was read reads the same after it was written.
#include "connectors/jsonl/json_reader.h"
#include "connectors/jsonl/json_writer.h"
#include "tests/support/random_record.h"

typedef struct inner {
    int32_t  i32;
    weir_str text;
} inner;
WEIR_RECORD(inner, i32, text);

typedef struct outer {
    bool      b;
    int64_t   i;
    uint8_t   u;
    float     f;
    double    d;
    weir_time t;
    weir_str  s;
    char      c[5];
    int16_t   a[2];
    inner     r;
} outer;
WEIR_RECORD(outer, b, i, u, f, d, t, s, c, a, (r, inner));

// Its fields may all be missing, so that few bytes make a line that is read.
static const char *const            optional[]   = { "b", "i", "u", "f", "d",     "t",
                                                     "s", "c", "a", "r", "r.i32", "r.text" };
static const struct wr_json_options all_optional = { optional, WR_COUNT_OF(optional) };

static const weir_type no_fields = { "no_fields", NULL, 0, 8, 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool read_copy(struct wr_json_reader *reader, const char *line, size_t length, void *record)
{
    char *const copy = malloc(length + WR_JSON_PADDING);
    if (length > 0) {
        memcpy(copy, line, length);
    }
    memset(copy + length, '"', WR_JSON_PADDING);
    const char *reason = "";
    const bool  is_ok  = wr_json_read(reader, copy, length, record, &reason);
    WR_ASSERT(is_ok || *reason != 0);
    free(copy);
    return is_ok;
}

static void write_and_read(struct wr_json_reader *reader, const outer *record)
{
    static struct wr_json_plan *plan;
    if (plan == NULL) {
        plan = wr_json_plan_open(&outer_type, NULL);
    }
    // Time zones lead to years below 0 and above 9999, which RFC 3339 cannot say.
    if (record->t < -62167219200000000 || record->t > 253402300799999999) {
        return;
    }
    const size_t bound  = wr_json_bound(plan, record);
    char *const  line   = malloc(bound);
    const size_t length = wr_json_write(plan, record, false, line);
    outer        again;
    WR_ASSERT(length <= bound);
    WR_ASSERT(read_copy(reader, line, length, &again));
    WR_ASSERT(record_difference(&outer_type, record, &again) == NULL);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct wr_json_reader *strict, *lenient, *untyped;
    if (strict == NULL) {
        strict  = wr_json_reader_open(&outer_type, NULL);
        lenient = wr_json_reader_open(&outer_type, &all_optional);
        untyped = wr_json_reader_open(&no_fields, NULL);
    }
    outer      record;
    uint64_t   nothing;
    const bool is_object  = read_copy(untyped, (const char *)bytes, length, &nothing);
    const bool is_strict  = read_copy(strict, (const char *)bytes, length, &record);
    const bool is_lenient = read_copy(lenient, (const char *)bytes, length, &record);
    WR_ASSERT(is_object || !is_lenient);
    WR_ASSERT(is_lenient || !is_strict);
    if (is_lenient) {
        write_and_read(lenient, &record);
    }
    wr_json_reader_reset(strict);
    wr_json_reader_reset(lenient);
    return 0;
}

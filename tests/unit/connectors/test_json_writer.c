#include "connectors/jsonl/json_writer.h"
#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct money {
    int64_t cents;
    char    currency[3];
} money;
WEIR_RECORD(money, cents, currency);

typedef struct event {
    weir_time at;
    weir_str  id;
    money     price;
    int64_t   amount;
} event;
WEIR_RECORD(event, at, id, (price, money), amount);

typedef struct kinds {
    int8_t   i8;
    int16_t  i16;
    int32_t  i32;
    int64_t  i64;
    uint8_t  u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float    f32;
    double   f64;
    bool     is_set;
    int32_t  xs[3];
} kinds;
WEIR_RECORD(kinds, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, is_set, xs);

typedef struct text {
    weir_str s;
} text;
WEIR_RECORD(text, s);

// Writes into a block of exactly the bound, so that a sanitizer sees a step too far. Free the
// result.
static char *written_by(struct wr_json_plan *plan, const void *record, bool is_retracted)
{
    const size_t bound  = wr_json_bound(plan, record);
    char *const  line   = malloc(bound);
    const size_t length = wr_json_write(plan, record, is_retracted, line);
    cr_assert_lt(length, bound);
    cr_assert_eq(line[length - 1], '\n');
    line[length - 1] = 0;
    return line;
}

static void assert_written(const weir_type *type, const struct wr_json_plan_options *options,
                           const void *record, const char *expected)
{
    struct wr_json_plan *const plan = wr_json_plan_open(type, options);
    char *const                line = written_by(plan, record, false);
    cr_assert_str_eq(line, expected, "%s, expected %s", line, expected);
    free(line);
    wr_json_plan_close(plan);
}

static void assert_text(const char *bytes, size_t length, const char *expected)
{
    const text record = { weir_str_of(bytes, length) };
    assert_written(&text_type, NULL, &record, expected);
}

Test(json_writer, writes_fields_in_the_order_of_the_type)
{
    const event record = {
        1772359320123000, weir_str_from("a long identifier"), { -5, "EUR" }, 12
    };
    assert_written(&event_type, NULL, &record,
                   "{\"at\":\"2026-03-01T10:02:00.123Z\",\"id\":\"a long identifier\","
                   "\"price\":{\"cents\":-5,\"currency\":\"EUR\"},\"amount\":12}");
}

Test(json_writer, writes_every_kind)
{
    const kinds record = { INT8_MIN,   INT16_MIN,  INT32_MIN, INT64_MIN, UINT8_MAX, UINT16_MAX,
                           UINT32_MAX, UINT64_MAX, 0.1f,      -1e-7,     true,      { 1, -2, 3 } };
    assert_written(&kinds_type, NULL, &record,
                   "{\"i8\":-128,\"i16\":-32768,\"i32\":-2147483648,\"i64\":-9223372036854775808,"
                   "\"u8\":255,\"u16\":65535,\"u32\":4294967295,\"u64\":18446744073709551615,"
                   "\"f32\":0.1,\"f64\":-1e-07,\"is_set\":true,\"xs\":[1,-2,3]}");
}

Test(json_writer, writes_null_for_floats_that_are_not_finite)
{
    const kinds record = { .f32 = INFINITY, .f64 = NAN };
    assert_written(&kinds_type, NULL, &record,
                   "{\"i8\":0,\"i16\":0,\"i32\":0,\"i64\":0,\"u8\":0,\"u16\":0,\"u32\":0,\"u64\":0,"
                   "\"f32\":null,\"f64\":null,\"is_set\":false,\"xs\":[0,0,0]}");
}

Test(json_writer, writes_null_for_the_lowest_time_and_for_the_lowest_integer_where_asked)
{
    static const char *const          names[] = { "price.cents" };
    const struct wr_json_plan_options options = { .nullable = names, .nullable_count = 1 };
    event record = { WEIR_TIME_MIN, weir_str_from(""), { INT64_MIN, "" }, INT64_MIN };
    assert_written(&event_type, &options, &record,
                   "{\"at\":null,\"id\":\"\",\"price\":{\"cents\":null,\"currency\":\"\"},"
                   "\"amount\":-9223372036854775808}");
    record.at          = -1;
    record.price.cents = INT64_MIN + 1;
    assert_written(&event_type, &options, &record,
                   "{\"at\":\"1969-12-31T23:59:59.999999Z\",\"id\":\"\",\"price\":{\"cents\":"
                   "-9223372036854775807,\"currency\":\"\"},\"amount\":-9223372036854775808}");
}

Test(json_writer, marks_a_retracted_record_at_its_end)
{
    const text                 record = { weir_str_from("x") };
    struct wr_json_plan *const plan   = wr_json_plan_open(&text_type, NULL);
    char *const                line   = written_by(plan, &record, true);
    cr_assert_str_eq(line, "{\"s\":\"x\",\"retracted\":true}");
    free(line);
    wr_json_plan_close(plan);
}

Test(json_writer, writes_a_record_without_fields)
{
    const weir_type            empty  = { "empty", NULL, 0, 8, 8 };
    const int64_t              record = 0;
    struct wr_json_plan *const plan   = wr_json_plan_open(&empty, NULL);
    char                      *line   = written_by(plan, &record, false);
    cr_assert_str_eq(line, "{}");
    free(line);
    line = written_by(plan, &record, true);
    cr_assert_str_eq(line, "{\"retracted\":true}");
    free(line);
    wr_json_plan_close(plan);
}

Test(json_writer, escapes_what_json_must_not_hold)
{
    assert_text("a\"b\\c/", 6, "{\"s\":\"a\\\"b\\\\c/\"}");
    assert_text("\b\f\n\r\t\x01\x1f\x7f", 8, "{\"s\":\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"}");
    assert_text("\0", 1, "{\"s\":\"\\u0000\"}");
    // At each place of a word of eight bytes, and behind one.
    for (size_t i = 0; i < 20; i++) {
        char bytes[20];
        char expected[80];
        memset(bytes, 'x', sizeof(bytes));
        bytes[i] = '"';
        snprintf(expected, sizeof(expected), "{\"s\":\"%.*s\\\"%.*s\"}", (int)i,
                 "xxxxxxxxxxxxxxxxxxxx", (int)(19 - i), "xxxxxxxxxxxxxxxxxxxx");
        assert_text(bytes, sizeof(bytes), expected);
    }
}

Test(json_writer, passes_utf8_and_replaces_bytes_that_are_none)
{
    assert_text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a", 9,
                "{\"s\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a\"}");
    assert_text("a\xff\x80z", 4, "{\"s\":\"a\xef\xbf\xbd\xef\xbf\xbdz\"}");
    assert_text("12345678901\xe2\x82", 13, "{\"s\":\"12345678901\xef\xbf\xbd\xef\xbf\xbd\"}");
    assert_text("\xed\xa0\x80", 3, "{\"s\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
}

Test(json_writer, stays_within_its_bound_for_the_worst_text)
{
    static char bytes[1000];
    memset(bytes, 1, sizeof(bytes));
    const text                 record = { weir_str_of(bytes, sizeof(bytes)) };
    struct wr_json_plan *const plan   = wr_json_plan_open(&text_type, NULL);
    char *const                line   = written_by(plan, &record, true);
    cr_assert_eq(strlen(line), 6 * sizeof(bytes) + strlen("{\"s\":\"\",\"retracted\":true}"));
    free(line);
    wr_json_plan_close(plan);
}

Test(json_writer, escapes_the_names_of_fields)
{
    const weir_field field  = { "a\"\n", NULL, 0, 8, WEIR_KIND_I64, 1, NULL };
    const weir_type  type   = { "named", &field, 1, 8, 8 };
    const int64_t    record = 7;
    assert_written(&type, NULL, &record, "{\"a\\\"\\n\":7}");
}

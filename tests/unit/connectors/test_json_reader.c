#include "connectors/jsonl/json_reader.h"
#include "connectors/lines/lines.h"
#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(WR_LINES_PADDING >= WR_JSON_PADDING, "lines have the padding that the reader needs");

typedef struct money {
    int64_t cents;
    char    currency[3];
} money;
WEIR_RECORD(money, cents, currency);

typedef struct event {
    weir_time at;
    weir_str  id;
    int64_t   amount;
    money     price;
} event;
WEIR_RECORD(event, at, id, amount, (price, money));

typedef struct small {
    int8_t   i8;
    uint8_t  u8;
    uint64_t u64;
    float    f32;
    double   f64;
    bool     is_set;
    int32_t  xs[3];
} small;
WEIR_RECORD(small, i8, u8, u64, f32, f64, is_set, xs);

typedef struct whole {
    int64_t n;
} whole;
WEIR_RECORD(whole, n);

typedef struct number {
    double x;
} number;
WEIR_RECORD(number, x);

typedef struct text {
    weir_str s;
} text;
WEIR_RECORD(text, s);

static const char *last_reason;

// Reads a copy that is exactly as long as promised, so that a sanitizer sees a step too far.
static bool read_bytes(struct wr_json_reader *reader, const char *line, size_t length, void *record)
{
    static char reason_copy[600];
    char *const copy = malloc(length + WR_JSON_PADDING);
    memcpy(copy, line, length);
    memset(copy + length, '7', WR_JSON_PADDING);
    const char *reason = "";
    const bool  is_ok  = wr_json_read(reader, copy, length, record, &reason);
    snprintf(reason_copy, sizeof(reason_copy), "%s", reason);
    last_reason = reason_copy;
    free(copy);
    return is_ok;
}

static bool read_once(const weir_type *type, const char *line, void *record)
{
    struct wr_json_reader *const reader = wr_json_reader_open(type, NULL);
    const bool                   is_ok  = read_bytes(reader, line, strlen(line), record);
    wr_json_reader_close(reader);
    return is_ok;
}

static void assert_refused(const weir_type *type, const char *line, const char *reason)
{
    _Alignas(16) char record[512];
    cr_assert(type->size <= sizeof(record));
    cr_assert_not(read_once(type, line, record), "%s", line);
    cr_assert_str_eq(last_reason, reason, "of %s: %s, expected: %s", line, last_reason, reason);
}

static bool is_whole(const char *value, int64_t *n)
{
    char  line[256];
    whole record;
    snprintf(line, sizeof(line), "{\"n\":%s}", value);
    const bool is_ok = read_once(&whole_type, line, &record);
    *n               = record.n;
    return is_ok;
}

static bool is_valid(const char *line)
{
    whole record;
    return read_once(&whole_type, line, &record);
}

static char *filled(size_t length, char filler)
{
    char *const made = malloc(length + 1);
    memset(made, filler, length);
    made[length] = 0;
    return made;
}

Test(json_reader, reads_every_field_by_name)
{
    event record;
    cr_assert(
        read_once(
            &event_type,
            " {\"price\":{\"currency\":\"EUR\",\"cents\":-5}, \"id\":\"a longer text \\u00e9\","
            "\"other\":[1,{\"at\":2}],\"amount\":12,\t\"at\":\"2026-03-01T10:02:00.5+01:00\"} \r",
            &record),
        "%s", last_reason);
    cr_assert_eq(record.at, 1772355720500000LL);
    cr_assert_eq(record.amount, 12);
    cr_assert_eq(record.price.cents, -5);
    cr_assert_eq(memcmp(record.price.currency, "EUR", 3), 0);
    cr_assert_eq(record.id.length, strlen("a longer text \xc3\xa9"));
}

Test(json_reader, reads_every_kind)
{
    small record;
    cr_assert(
        read_once(&small_type,
                  "{\"i8\":-128,\"u8\":255,\"u64\":18446744073709551615,\"f32\":0.1,\"f64\":-1e-5,"
                  "\"is_set\":true,\"xs\":[1,-2,3]}",
                  &record),
        "%s", last_reason);
    cr_assert_eq(record.i8, -128);
    cr_assert_eq(record.u8, 255);
    cr_assert_eq(record.u64, UINT64_MAX);
    cr_assert_eq(record.f32, 0.1f);
    cr_assert_eq(record.f64, -1e-5);
    cr_assert(record.is_set);
    cr_assert_eq(record.xs[1], -2);
    cr_assert_eq(record.xs[2], 3);
}

Test(json_reader, takes_only_numbers_written_as_whole_ones_for_integers)
{
    int64_t n;
    cr_assert(is_whole("9223372036854775807", &n));
    cr_assert_eq(n, INT64_MAX);
    cr_assert(is_whole("-9223372036854775808", &n));
    cr_assert_eq(n, INT64_MIN);
    cr_assert(is_whole("-0", &n));
    cr_assert_eq(n, 0);
    static const char *const refused[] = { "1250.0",
                                           "1e3",
                                           "-0.0",
                                           "0e0",
                                           "\"1\"",
                                           "null",
                                           "true",
                                           "[1]",
                                           "9223372036854775808",
                                           "-9223372036854775809" };
    for (uint32_t i = 0; i < WR_COUNT_OF(refused); i++) {
        cr_assert_not(is_whole(refused[i], &n), "%s", refused[i]);
    }
}

Test(json_reader, refuses_an_integer_out_of_its_range_by_one)
{
    static const char *const format =
        "{\"i8\":%s,\"u8\":%s,\"u64\":%s,\"f32\":1,\"f64\":1,\"is_set\":"
        "false,\"xs\":[1,2,3]}";
    static const struct {
        const char *i8, *u8, *u64;
        bool        is_ok;
    } cases[] = {
        { "127", "0", "0", true },
        { "128", "0", "0", false },
        { "-128", "0", "0", true },
        { "-129", "0", "0", false },
        { "0", "255", "0", true },
        { "0", "256", "0", false },
        { "0", "-1", "0", false },
        { "0", "0", "-1", false },
        { "0", "0", "18446744073709551616", false },
        { "0", "0", "-0", true },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        char  line[256];
        small record;
        snprintf(line, sizeof(line), format, cases[i].i8, cases[i].u8, cases[i].u64);
        cr_assert_eq(read_once(&small_type, line, &record), cases[i].is_ok, "%s", line);
    }
}

Test(json_reader, takes_any_finite_number_for_a_float)
{
    static const struct {
        const char *value;
        double      x;
    } cases[] = {
        { "1", 1 },
        { "-0", 0 },
        { "18446744073709551615", 18446744073709551615.0 },
        { "123456789012345678901234567890", 123456789012345678901234567890.0 },
        { "-123456789012345678901234567890", -123456789012345678901234567890.0 },
        { "100000000000000000000", 1e20 },
        { "1e-400", 0 },
        { "1.7976931348623157e308", 1.7976931348623157e308 },
        { "0.3000000000000000000000000000000000000000000000000001", 0.3 },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        char   line[256];
        number record;
        snprintf(line, sizeof(line), "{\"x\":%s}", cases[i].value);
        cr_assert(read_once(&number_type, line, &record), "%s: %s", line, last_reason);
        cr_assert_eq(record.x, cases[i].x, "%s: %g", line, record.x);
    }
    assert_refused(&number_type, "{\"x\":1e400}",
                   "x: expected a number that a 64-bit float holds, found 1e400");
    assert_refused(&number_type, "{\"x\":\"1\"}", "x: expected a number, found \"1\"");
}

Test(json_reader, says_what_is_wrong_with_a_field)
{
    assert_refused(&whole_type, "{\"n\":12.5}", "n: expected a whole number, found 12.5");
    assert_refused(&whole_type, "{\"m\":[1,{\"n\":3}],\"n\" : 1e3 }",
                   "n: expected a whole number, found 1e3");
    assert_refused(
        &whole_type, "{\"n\":99999999999999999999}",
        "n: expected a whole number from -9223372036854775808 to 9223372036854775807, found "
        "99999999999999999999");
    assert_refused(&whole_type, "{\"n\":null}", "n: expected a whole number, found null");
    assert_refused(&whole_type, "{\"n\":{\"a\":1}}", "n: expected a whole number, found an object");
    assert_refused(&whole_type, "{\"n\":[]}", "n: expected a whole number, found an array");
    assert_refused(&whole_type, "{\"N\":1}", "field n is missing");
    assert_refused(
        &whole_type, "{\"n\":\"01234567890123456789012345678901234567890\"}",
        "n: expected a whole number, found \"012345678901234567890123456789012345678...");
    assert_refused(&text_type, "{\"s\":1}", "s: expected a string, found 1");
    assert_refused(&whole_type, "[1]", "the line: expected a JSON object, found an array");
    assert_refused(&whole_type, " 12 ", "the line: expected a JSON object, found 12");
}

Test(json_reader, says_where_in_a_nested_record_or_array_it_is)
{
    assert_refused(&event_type,
                   "{\"at\":\"2026-03-01T10:02:00Z\",\"id\":\"\",\"amount\":1,\"price\":{\"x\":1,"
                   "\"cents\":true,"
                   "\"currency\":\"EUR\"}}",
                   "price.cents: expected a whole number, found true");
    assert_refused(
        &event_type,
        "{\"at\":\"2026-03-01T10:02:00Z\",\"id\":\"\",\"amount\":1,\"price\":{\"cents\":1}}",
        "field price.currency is missing");
    assert_refused(&event_type,
                   "{\"at\":\"2026-03-01T10:02:00Z\",\"id\":\"\",\"amount\":1,\"price\":7}",
                   "price: expected an object, found 7");
    assert_refused(&event_type,
                   "{\"at\":\"2026-03-01T10:02:60Z\",\"id\":\"\",\"amount\":1,\"price\":7}",
                   "at: expected an RFC 3339 time such as 2026-03-01T10:02:00Z, found "
                   "\"2026-03-01T10:02:60Z\"");
    static const char *const start =
        "{\"i8\":1,\"u8\":1,\"u64\":1,\"f32\":1,\"f64\":1,\"is_set\":true,\"xs\":";
    static const char *const cases[][2] = {
        { "[1,2]}", "xs: expected an array of 3, found one of 2" },
        { "[1,2,3,4]}", "xs: expected an array of 3, found one of 4" },
        { "[1,[2],3.5]}", "xs[1]: expected a whole number, found an array" },
        { "[1, 2 , 3.5 ]}", "xs[2]: expected a whole number, found 3.5" },
        { "{\"0\":1}}", "xs: expected an array of 3, found an object" },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        char line[256];
        snprintf(line, sizeof(line), "%s%s", start, cases[i][0]);
        assert_refused(&small_type, line, cases[i][1]);
    }
}

Test(json_reader, refuses_a_line_that_is_not_one_json_object)
{
    static const char *const lines[] = {
        "",
        " ",
        "{",
        "}",
        "{\"n\":1",
        "{\"n\":1}}",
        "{\"n\":1} {",
        "{\"n\":1}{\"n\":1}",
        "{\"n\":1,}",
        "{n:1}",
        "{'n':1}",
        "{\"n\":01}",
        "{\"n\":+1}",
        "{\"n\":1.}",
        "{\"n\":.5}",
        "{\"n\":1,\"m\":NaN}",
        "{\"n\":1,\"m\":tru}",
        "{\"n\":1,\"m\":nulll}",
        "{\"n\":1,\"m\":Infinity}",
        "{\"n\":1 \"m\":2}",
        "{\"n\":1,\"m\":\"\t\"}",
        "{\"n\":1,\"m\":\"\\x\"}",
        "{\"n\":1,\"m\":\"\\u12\"}",
        "{\"n\":1}x",
        "{\"n\":1,\"m\":\"a}",
        "\xef\xbb\xbf{\"n\":1}",
        "{\"n\":1}\f",
        "\v{\"n\":1}",
        "{\"n\":1,\"m\":1e}",
        "{\"n\":1,\"m\":-}",
        "{\"n\":1,\"m\":1e400x}",
        "{\"n\":1,\"m\":01e400}",
        "{\"n\":1,1e400:2}",
        "{\"n\":1,\"m\":[1e400 1]}",
        "{\"n\":1,\"m\":[1e400}",
        "{\"n\":1,\"m\":--1e400}",
        "{\"n\":1,\"m\":nu1e400}",
        "{\"n\":1,\"m\":1e400.5}",
        "{\"n\":1,\"m\":/*x*/2}",
        "{\"n\":1}//",
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(lines); i++) {
        cr_assert_not(is_valid(lines[i]), "%s", lines[i]);
    }
    whole                        record;
    struct wr_json_reader *const reader = wr_json_reader_open(&whole_type, NULL);
    cr_assert_not(read_bytes(reader, "{\"n\":1}\0", 8, &record));
    cr_assert_not(read_bytes(reader, "{\"n\":1,\"m\":\"\0\"}", 15, &record));
    wr_json_reader_close(reader);
}

Test(json_reader, takes_white_space_around_and_inside)
{
    cr_assert(is_valid("{\"n\":1}\r"));
    cr_assert(is_valid(" \t{ \"n\" :\t1 } \r"));
}

Test(json_reader, refuses_broken_utf8_and_lone_surrogates_also_where_it_ignores)
{
    static const char *const refused[] = {
        "{\"n\":1,\"m\":\"\xff\"}",
        "{\"n\":1,\"m\":\"\xed\xa0\x80\"}",
        "{\"n\":1,\"m\":\"\xc0\xaf\"}",
        "{\"n\":1,\"m\":\"\\ud800\"}",
        "{\"n\":1,\"m\":\"\\udc00\"}",
        "{\"n\":1,\"m\":\"\\ud800x\"}",
        "{\"n\":1,\"\\udfff\":2}",
        "{\"n\":1,\"m\":\"\\ud800\\ud800\"}",
        "{\"n\":1,\"m\":[{\"a\":\"\\ud83c\\u0041\"}]}",
        "{\"n\":1,\"m\":\"\\ud800\\n\"}",
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(refused); i++) {
        cr_assert_not(is_valid(refused[i]), "%s", refused[i]);
    }
    assert_refused(&whole_type, refused[0], "not valid UTF-8");
    cr_assert(is_valid("{\"n\":1,\"m\":\"\\ud83c\\udf0a \xf0\x9f\x8c\x8a\"}"));
}

Test(json_reader, ignores_numbers_of_any_size)
{
    cr_assert(is_valid("{\"m\":1e400,\"n\":1}"), "%s", last_reason);
    cr_assert(is_valid("{\"m\":[-1e99999999999999999999,123456789012345678901234567890],\"n\":1}"));
    cr_assert(
        is_valid("{\"m\":{\"n\":1e-99999999999999999999},\"n\":1,\"k\":0e999999999999999999999}"));
    cr_assert(is_valid("{\"m\":\"1e400\\\"\",\"n\":1,\"k\":1e400}"));

    char *line   = NULL;
    char *digits = filled(100000, '9');
    cr_assert(asprintf(&line, "{\"n\":1,\"m\":%s}", digits) > 0);
    cr_assert(is_valid(line), "%s", last_reason);
    free(digits);
    free(line);
}

Test(json_reader, follows_nesting_as_deep_as_the_line)
{
    char *line   = NULL;
    char *opens  = filled(500000, '[');
    char *closes = filled(500000, ']');
    cr_assert(asprintf(&line, "{\"n\":1,\"m\":%s%s}", opens, closes) > 0);
    cr_assert(is_valid(line), "%s", last_reason);
    line[strlen(line) - 2] = ' ';
    cr_assert_not(is_valid(line));
    free(opens);
    free(closes);
    free(line);
}

Test(json_reader, lets_the_last_of_two_keys_win)
{
    int64_t n = 0;
    cr_assert(is_whole("\"x\",\"n\":2", &n));
    cr_assert_eq(n, 2);
    cr_assert_not(is_whole("2,\"n\":\"x\"", &n));
    event record;
    cr_assert(
        read_once(&event_type,
                  "{\"at\":1,\"price\":{\"cents\":1,\"currency\":\"EUR\"},\"id\":\"\",\"amount\":1,"
                  "\"at\":\"2026-03-01T10:02:00Z\",\"price\":{\"currency\":\"USD\",\"cents\":9}}",
                  &record));
    cr_assert_eq(record.price.cents, 9);
    assert_refused(&event_type,
                   "{\"price\":{\"cents\":1,\"currency\":\"EUR\"},\"id\":\"\",\"amount\":1,"
                   "\"at\":\"2026-03-01T10:02:00Z\",\"price\":{\"currency\":\"USD\"}}",
                   "field price.cents is missing");
}

Test(json_reader, compares_names_after_their_escapes)
{
    int64_t n = 0;
    cr_assert(is_whole("1,\"\\u006e\":2", &n));
    cr_assert_eq(n, 2);
    cr_assert_not(is_whole("1,\"\\u006e\":2.5", &n));
    cr_assert_str_eq(last_reason, "n: expected a whole number, found 2.5");
}

Test(json_reader, fits_text_into_characters)
{
    money record;
    cr_assert(read_once(&money_type, "{\"cents\":1,\"currency\":\"EUR\"}", &record));
    cr_assert(read_once(&money_type, "{\"cents\":1,\"currency\":\"\"}", &record));
    cr_assert_eq(record.currency[0], 0);
    assert_refused(
        &money_type, "{\"cents\":1,\"currency\":\"EURO\"}",
        "currency: expected a string of at most 3 bytes, none of them zero, found \"EURO\"");
    assert_refused(&money_type, "{\"cents\":1,\"currency\":\"a\\u0000\"}",
                   "currency: expected a string of at most 3 bytes, none of them zero, found "
                   "\"a\\u0000\"");
}

Test(json_reader, leaves_optional_fields_zero)
{
    static const char *const     names[] = { "amount", "price.cents" };
    const struct wr_json_options options = { .optional = names, .optional_count = 2 };
    struct wr_json_reader *const reader  = wr_json_reader_open(&event_type, &options);
    static const char *const     line =
        "{\"at\":\"2026-03-01T10:02:00Z\",\"id\":\"x\",\"price\":{\"currency\":\"EUR\"}}";
    event record;
    memset(&record, 0x55, sizeof(record));
    cr_assert(read_bytes(reader, line, strlen(line), &record), "%s", last_reason);
    cr_assert_eq(record.amount, 0);
    cr_assert_eq(record.price.cents, 0);
    static const char *const missing =
        "{\"at\":\"2026-03-01T10:02:00Z\",\"id\":\"x\",\"price\":{}}";
    cr_assert_not(read_bytes(reader, missing, strlen(missing), &record));
    cr_assert_str_eq(last_reason, "field price.currency is missing");
    wr_json_reader_close(reader);
}

Test(json_reader, knows_which_names_are_fields)
{
    cr_assert(wr_json_has_field(&event_type, "at"));
    cr_assert(wr_json_has_field(&event_type, "price"));
    cr_assert(wr_json_has_field(&event_type, "price.cents"));
    cr_assert_not(wr_json_has_field(&event_type, "price.euros"));
    cr_assert_not(wr_json_has_field(&event_type, "at.cents"));
    cr_assert_not(wr_json_has_field(&event_type, ""));
}

Test(json_reader, keeps_strings_until_its_reset)
{
    struct wr_json_reader *const reader = wr_json_reader_open(&text_type, NULL);
    for (uint32_t round = 0; round < 3; round++) {
        text records[1000];
        for (uint32_t i = 0; i < WR_COUNT_OF(records); i++) {
            char line[1100];
            snprintf(line, sizeof(line), "{\"s\":\"%0*u\"}", (int)(i + 1), i);
            cr_assert(read_bytes(reader, line, strlen(line), &records[i]));
        }
        for (uint32_t i = 0; i < WR_COUNT_OF(records); i++) {
            char expected[1100];
            snprintf(expected, sizeof(expected), "%0*u", (int)(i + 1), i);
            cr_assert_eq(records[i].s.length, strlen(expected));
            cr_assert_eq(memcmp(weir_str_bytes(&records[i].s), expected, records[i].s.length), 0);
        }
        wr_json_reader_reset(reader);
    }
    wr_json_reader_close(reader);
}

Test(json_reader, goes_on_after_every_kind_of_refusal)
{
    struct wr_json_reader *const reader = wr_json_reader_open(&whole_type, NULL);
    static const char *const wrong[] = { "", "{", "{\"n\":1e400}", "\xff", "[[[[", "{\"n\":{}}" };
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        whole record;
        cr_assert_not(read_bytes(reader, wrong[i], strlen(wrong[i]), &record));
        cr_assert(read_bytes(reader, "{\"n\":5}", 7, &record));
        cr_assert_eq(record.n, 5);
    }
    wr_json_reader_close(reader);
}

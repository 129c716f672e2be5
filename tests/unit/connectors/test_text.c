#include "connectors/text/text.h"
#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

static const char *written_f64(double value)
{
    static char text[WR_TEXT_NUMBER_MAX + 1];
    text[wr_text_write_f64(value, text)] = 0;
    return text;
}

static const char *written_i64(int64_t value)
{
    static char text[WR_TEXT_NUMBER_MAX + 1];
    text[wr_text_write_i64(value, text)] = 0;
    return text;
}

static size_t number_length(const char *text)
{
    bool is_whole;
    return wr_text_number_length(text, strlen(text), &is_whole);
}

Test(text, writes_integers_up_to_both_ends)
{
    cr_assert_str_eq(written_i64(0), "0");
    cr_assert_str_eq(written_i64(9), "9");
    cr_assert_str_eq(written_i64(10), "10");
    cr_assert_str_eq(written_i64(99), "99");
    cr_assert_str_eq(written_i64(100), "100");
    cr_assert_str_eq(written_i64(-1), "-1");
    cr_assert_str_eq(written_i64(INT64_MAX), "9223372036854775807");
    cr_assert_str_eq(written_i64(INT64_MIN), "-9223372036854775808");
    char text[WR_TEXT_NUMBER_MAX + 1];
    text[wr_text_write_u64(UINT64_MAX, text)] = 0;
    cr_assert_str_eq(text, "18446744073709551615");
}

Test(text, writes_floats_as_short_as_they_read_back)
{
    cr_assert_str_eq(written_f64(0.1), "0.1");
    cr_assert_str_eq(written_f64(-1.5), "-1.5");
    cr_assert_str_eq(written_f64(DBL_MAX), "1.7976931348623157e+308");
    cr_assert_str_eq(written_f64(0x1p-1074), "5e-324");
    cr_assert_str_eq(written_f64(NAN), "");
    cr_assert_str_eq(written_f64(-INFINITY), "");
    char text[WR_TEXT_NUMBER_MAX + 1];
    text[wr_text_write_f32(0.1f, text)] = 0;
    cr_assert_str_eq(text, "0.1");
}

Test(text, knows_the_grammar_of_numbers)
{
    static const char *const right[] = { "0", "-0", "10", "1.5", "0.0", "1e5", "1E+05", "-0.1e-9" };
    for (uint32_t i = 0; i < WR_COUNT_OF(right); i++) {
        cr_assert_eq(number_length(right[i]), strlen(right[i]), "%s", right[i]);
    }
    static const char *const wrong[] = {
        "", "-", "01", "+1", ".5", "1.", "1e", "1e+", "-a", "1.e5"
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        cr_assert_eq(number_length(wrong[i]), 0, "%s", wrong[i]);
    }
    cr_assert_eq(number_length("12,3"), 2);
}

Test(text, tells_too_large_a_number_from_too_small_a_one)
{
    static const char *const large[] = { "1e309",    "-1e309",
                                         "1.8e308",  "1e99999999999999999999",
                                         "0.01e312", "-1000e306" };
    static const char *const small[] = {
        "1e-400",    "-1e-400",   "0e999", "0.0e999999999999999999999", "1e-99999999999999999999",
        "1000e-330", "0.001e-322"
    };
    double value;
    for (uint32_t i = 0; i < WR_COUNT_OF(large); i++) {
        cr_assert_not(wr_text_read_f64(large[i], strlen(large[i]), &value), "%s", large[i]);
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(small); i++) {
        cr_assert(wr_text_read_f64(small[i], strlen(small[i]), &value), "%s", small[i]);
        cr_assert_eq(value, 0, "%s", small[i]);
    }
    cr_assert(wr_text_read_f64("1.7976931348623157e308", 22, &value));
    cr_assert_eq(value, DBL_MAX);
}

Test(text, reads_whole_numbers_of_64_bits_and_no_more)
{
    uint64_t value;
    bool     is_negative;
    cr_assert(wr_text_read_integer("18446744073709551615", 20, &value, &is_negative));
    cr_assert_eq(value, UINT64_MAX);
    cr_assert_not(wr_text_read_integer("18446744073709551616", 20, &value, &is_negative));
    cr_assert(wr_text_read_integer("-9223372036854775808", 20, &value, &is_negative));
    cr_assert_eq((int64_t)value, INT64_MIN);
    cr_assert_not(wr_text_read_integer("-9223372036854775809", 20, &value, &is_negative));
    cr_assert(wr_text_read_integer("-0", 2, &value, &is_negative));
    cr_assert_not(is_negative);
    static const char *const wrong[] = { "", "-", "+1", "1 ", " 1", "1.0", "1e3", "--1", "0x1" };
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        cr_assert_not(wr_text_read_integer(wrong[i], strlen(wrong[i]), &value, &is_negative), "%s",
                      wrong[i]);
    }
}

Test(text, stores_integers_within_their_kind_only)
{
    static const struct {
        weir_kind kind;
        int64_t   lowest;
        uint64_t  highest;
    } kinds[] = {
        { WEIR_KIND_I8, INT8_MIN, INT8_MAX },    { WEIR_KIND_I16, INT16_MIN, INT16_MAX },
        { WEIR_KIND_I32, INT32_MIN, INT32_MAX }, { WEIR_KIND_U8, 0, UINT8_MAX },
        { WEIR_KIND_U16, 0, UINT16_MAX },        { WEIR_KIND_U32, 0, UINT32_MAX },
        { WEIR_KIND_I64, INT64_MIN, INT64_MAX }, { WEIR_KIND_U64, 0, UINT64_MAX },
    };
    uint64_t to;
    for (uint32_t i = 0; i < WR_COUNT_OF(kinds); i++) {
        const weir_kind kind = kinds[i].kind;
        cr_assert(wr_text_store_i64(kind, kinds[i].lowest, &to), "%s", weir_kind_name(kind));
        cr_assert(wr_text_store_u64(kind, kinds[i].highest, &to), "%s", weir_kind_name(kind));
        if (kinds[i].lowest > INT64_MIN) {
            cr_assert_not(wr_text_store_i64(kind, kinds[i].lowest - 1, &to), "%s",
                          weir_kind_name(kind));
        }
        if (kinds[i].highest < UINT64_MAX) {
            cr_assert_not(wr_text_store_u64(kind, kinds[i].highest + 1, &to), "%s",
                          weir_kind_name(kind));
        }
    }
}

Test(text, refuses_what_a_float_cannot_hold)
{
    float narrow;
    cr_assert(wr_text_store_float(WEIR_KIND_F32, (double)FLT_MAX, &narrow));
    cr_assert_eq(narrow, FLT_MAX);
    cr_assert_not(wr_text_store_float(WEIR_KIND_F32, 3.5e38, &narrow));
    cr_assert_not(wr_text_store_float(WEIR_KIND_F32, -3.5e38, &narrow));
}

Test(text, finds_where_utf8_ends_being_valid)
{
    static const struct {
        const char *text;
        size_t      valid;
    } cases[] = {
        { "plain ascii of some length", 26 },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a", 9 },
        { "12345678\xff", 8 },
        { "a\x80", 1 },        // a continuation alone
        { "\xc1\xbf", 0 },     // overlong
        { "\xe0\x9f\xbf", 0 }, // overlong
        { "\xe0\xa0\x80", 3 }, // the first of three bytes
        { "\xed\xa0\x80", 0 }, // a surrogate
        { "\xed\x9f\xbf", 3 }, // the last before them
        { "\xf0\x8f\xbf\xbf", 0 },
        { "\xf0\x90\x80\x80", 4 },
        { "\xf4\x8f\xbf\xbf", 4 }, // U+10FFFF
        { "\xf4\x90\x80\x80", 0 },
        { "\xe2\x82", 0 }, // cut off
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        cr_assert_eq(wr_text_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid, "%u",
                     i);
    }
}

Test(text, shows_in_a_reason_only_what_can_be_shown)
{
    char reason[WR_TEXT_REASON_MAX];
    wr_text_reason(reason, "note", "a number", "a\nb\xff", 4);
    cr_assert_str_eq(reason, "note: expected a number, found a?b?");
    wr_text_reason(reason, "note", "a number", "", 0);
    cr_assert_str_eq(reason, "note: expected a number, found nothing");
    // 39 bytes and a character of two: it is left out whole.
    wr_text_reason(reason, "n", "x", "012345678901234567890123456789012345678\xc3\xa9", 41);
    cr_assert_str_eq(reason, "n: expected x, found 012345678901234567890123456789012345678...");
}

Test(text, keeps_the_bytes_of_an_arena_until_its_reset)
{
    struct wr_text_arena arena = { 0 };
    weir_str             strings[1000];
    char                 text[1000];
    for (uint32_t i = 0; i < WR_COUNT_OF(strings); i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        strings[i] = wr_text_arena_str(&arena, text, i);
    }
    char *const large = wr_text_arena_take(&arena, 1 << 20);
    memset(large, '!', 1 << 20);
    for (uint32_t i = 1; i < WR_COUNT_OF(strings); i++) {
        cr_assert_eq(strings[i].length, i);
        cr_assert_eq(weir_str_bytes(&strings[i])[i - 1], 'a' + (int)(i % 26));
    }
    wr_text_arena_reset(&arena);
    memset(wr_text_arena_take(&arena, 200000), '?', 200000);
    wr_text_arena_fini(&arena);
}

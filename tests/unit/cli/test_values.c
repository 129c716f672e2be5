// What people write on the command line, as numbers: both sides of each boundary.
#include "cli/log/values.h"

#include <criterion/criterion.h>
#include <string.h>

static uint64_t size_of(const char *text)
{
    uint64_t bytes = 12345;
    cr_assert(wr_value_size(text, &bytes), "\"%s\" is refused", text);
    return bytes;
}

Test(values, sizes_have_units_of_1000_and_of_1024)
{
    cr_assert_eq(size_of("0"), 0);
    cr_assert_eq(size_of("4096"), 4096);
    cr_assert_eq(size_of("1B"), 1);
    cr_assert_eq(size_of("10GB"), 10000000000);
    cr_assert_eq(size_of("64MiB"), 64u << 20);
    cr_assert_eq(size_of("64M"), 64u << 20);
    cr_assert_eq(size_of("1.5KiB"), 1536);
    cr_assert_eq(size_of("2kB"), 2000);
    cr_assert_eq(size_of("18446744073709551615"), UINT64_MAX);
}

Test(values, what_is_no_size_is_refused)
{
    static const char *const wrong[] = { "",          "-1",     "x",    "1X",
                                         "1,5M",      "1 M",    "0.5B", "0x10M",
                                         "1e3M",      "1.2.3M", "MiB",  "18446744073709551616",
                                         "9000000TiB" };
    uint64_t                 bytes;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(wr_value_size(wrong[i], &bytes), "\"%s\" is taken", wrong[i]);
    }
}

static weir_time span_of(const char *text)
{
    weir_time span = -1;
    cr_assert(wr_value_span(text, &span), "\"%s\" is refused", text);
    return span;
}

Test(values, spans_add_up_their_parts)
{
    cr_assert_eq(span_of("0"), 0);
    cr_assert_eq(span_of("7d"), WEIR_DAYS(7));
    cr_assert_eq(span_of("1d12h"), WEIR_HOURS(36));
    cr_assert_eq(span_of("2w"), WEIR_DAYS(14));
    cr_assert_eq(span_of("90m"), WEIR_MINUTES(90));
    cr_assert_eq(span_of("1m30s"), WEIR_SECONDS(90));
    cr_assert_eq(span_of("250ms"), WEIR_MILLISECONDS(250));
    cr_assert_eq(span_of("10us"), 10);
    cr_assert_eq(span_of("4611686018427387904us"), WEIR_TIME_MAX);
}

Test(values, what_is_no_span_is_refused)
{
    static const char *const wrong[] = { "",
                                         "7",
                                         "d",
                                         "7x",
                                         "-7d",
                                         "1d 2h",
                                         "1.5d",
                                         "7dd",
                                         "4611686018427387905us",
                                         "9223372036854775807w" };
    weir_time                span;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(wr_value_span(wrong[i], &span), "\"%s\" is taken", wrong[i]);
    }
}

#define NOW WEIR_SECONDS(1800000000)

static weir_time time_of(const char *text)
{
    weir_time time = 0;
    cr_assert(wr_value_time(text, NOW, &time), "\"%s\" is refused", text);
    return time;
}

Test(values, times_are_rfc_3339_or_a_date_or_ms_or_relative)
{
    cr_assert_eq(time_of("1970-01-02T00:00:00Z"), WEIR_DAYS(1));
    cr_assert_eq(time_of("1970-01-02"), WEIR_DAYS(1));
    cr_assert_eq(time_of("1970-01-01T01:00:00+01:00"), 0);
    cr_assert_eq(time_of("1500"), WEIR_MILLISECONDS(1500));
    cr_assert_eq(time_of("now"), NOW);
    cr_assert_eq(time_of("-2h"), NOW - WEIR_HOURS(2));
}

Test(values, what_is_no_time_is_refused)
{
    static const char *const wrong[] = {
        "", "yesterday", "2026-13-01", "2026-03-01T10:00:00", "+2h", "-2", "4611686018427387904"
    };
    weir_time time;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(wr_value_time(wrong[i], NOW, &time), "\"%s\" is taken", wrong[i]);
    }
}

static struct wr_place place_of(const char *text)
{
    struct wr_place place;
    cr_assert(wr_value_place(text, NOW, &place), "\"%s\" is refused", text);
    return place;
}

Test(values, places_are_those_of_kcat)
{
    cr_assert_eq(place_of("beginning").kind, WR_PLACE_BEGINNING);
    cr_assert_eq(place_of("end").kind, WR_PLACE_END);
    cr_assert_eq(place_of("stored").kind, WR_PLACE_STORED);
    cr_assert_eq(place_of("17").kind, WR_PLACE_OFFSET);
    cr_assert_eq(place_of("17").offset, 17);
    cr_assert_eq(place_of("-10").kind, WR_PLACE_BACK);
    cr_assert_eq(place_of("-10").offset, 10);
    cr_assert_eq(place_of("s@1500").kind, WR_PLACE_TIME);
    cr_assert_eq(place_of("s@1500").time, WEIR_MILLISECONDS(1500));
    cr_assert_eq(place_of("e@-1h").kind, WR_PLACE_UNTIL);
    cr_assert_eq(place_of("e@-1h").time, NOW - WEIR_HOURS(1));
}

Test(values, what_is_no_place_is_refused)
{
    static const char *const wrong[] = { "", "start", "-", "--1", "1x", "s@", "s@soon", "x@1" };
    struct wr_place          place;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(wr_value_place(wrong[i], NOW, &place), "\"%s\" is taken", wrong[i]);
    }
}

Test(values, partitions_are_a_list_of_numbers_and_ranges)
{
    uint64_t bits[WR_VALUE_PARTITIONS_MAX / 64] = { 0 };
    cr_assert(wr_value_partitions("0,2-4,1023", bits));
    cr_assert_eq(bits[0], 0x1d);
    cr_assert_eq(bits[15], UINT64_C(1) << 63);
    static const char *const wrong[] = { "", ",", "1,", "4-2", "1024", "-1", "a", "1-", "0-1024" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(wr_value_partitions(wrong[i], bits), "\"%s\" is taken", wrong[i]);
    }
}

Test(values, escapes_are_the_bytes_they_name)
{
    char   to[32];
    size_t length;
    cr_assert(wr_value_bytes("a\\n\\t\\r\\\\\\0\\x41\\xfF", to, &length));
    cr_assert_eq(length, 8);
    cr_assert_eq(memcmp(to, "a\n\t\r\\\0A\xff", 8), 0);
    cr_assert_not(wr_value_bytes("\\q", to, &length));
    cr_assert_not(wr_value_bytes("\\x4", to, &length));
    cr_assert_not(wr_value_bytes("\\", to, &length));
}

Test(values, sizes_and_spans_are_shown_short)
{
    char text[WR_VALUE_TEXT_MAX];
    cr_assert_str_eq(wr_value_size_text(0, text), "0 B");
    cr_assert_str_eq(wr_value_size_text(1023, text), "1023 B");
    cr_assert_str_eq(wr_value_size_text(1024, text), "1 KiB");
    cr_assert_str_eq(wr_value_size_text(1536, text), "1.5 KiB");
    cr_assert_str_eq(wr_value_span_text(0, text), "0");
    cr_assert_str_eq(wr_value_span_text(WEIR_DAYS(7), text), "7d");
    cr_assert_str_eq(wr_value_span_text(WEIR_MINUTES(90), text), "1h30m");
    cr_assert_str_eq(wr_value_span_text(1500001, text), "1s500ms1us");
}

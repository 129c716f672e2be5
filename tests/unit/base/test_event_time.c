#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/event_time.h>

static bool parse(const char *text, weir_time *time)
{
    return weir_time_parse(text, strlen(text), time);
}

static weir_time parsed(const char *text)
{
    weir_time time = 0;
    cr_assert(parse(text, &time), "%s is a time", text);
    return time;
}

static void refuse(const char *text)
{
    weir_time time = 7;
    cr_expect(!parse(text, &time), "%s is no time", text);
    cr_expect(time == 7, "%s must leave the time alone", text);
}

static const char *formatted(weir_time time)
{
    static char  text[WEIR_TIME_TEXT_MAX];
    const size_t length = weir_time_format(time, text);
    cr_assert(length == strlen(text));
    return text;
}

static void expect_text(weir_time time, const char *text)
{
    cr_expect_str_eq(formatted(time), text);
}

static void expect_time(const char *text, weir_time time)
{
    cr_expect(parsed(text) == time, "%s is %lld, not %lld", text, time, parsed(text));
}

// ---- arithmetic ----

Test(event_time, sums_stop_at_the_last_time)
{
    cr_expect(weir_time_add(WEIR_TIME_MAX - 1, 1) == WEIR_TIME_MAX);
    cr_expect(weir_time_add(WEIR_TIME_MAX, 1) == WEIR_TIME_MAX);
    cr_expect(weir_time_add(WEIR_TIME_MAX, WEIR_TIME_MAX) == WEIR_TIME_MAX);
}

Test(event_time, sums_stop_at_the_first_time)
{
    cr_expect(weir_time_add(WEIR_TIME_MIN + 1, -1) == WEIR_TIME_MIN);
    cr_expect(weir_time_add(WEIR_TIME_MIN, -1) == WEIR_TIME_MIN);
    cr_expect(weir_time_add(WEIR_TIME_MIN, WEIR_TIME_MIN) == WEIR_TIME_MIN);
}

Test(event_time, floors_towards_the_past_on_both_sides_of_zero)
{
    cr_expect(weir_time_floor(9, 10, 0) == 0);
    cr_expect(weir_time_floor(10, 10, 0) == 10);
    cr_expect(weir_time_floor(-1, 10, 0) == -10);
    cr_expect(weir_time_floor(-10, 10, 0) == -10);
}

Test(event_time, floors_to_multiples_moved_by_the_offset)
{
    cr_expect(weir_time_floor(12, 10, 3) == 3);
    cr_expect(weir_time_floor(13, 10, 3) == 13);
    cr_expect(weir_time_floor(2, 10, 3) == -7);
}

// ---- writing ----

Test(event_time, writes_the_shortest_exact_fraction)
{
    expect_text(0, "1970-01-01T00:00:00Z");
    expect_text(999000, "1970-01-01T00:00:00.999Z");
    expect_text(1000, "1970-01-01T00:00:00.001Z");
    expect_text(999, "1970-01-01T00:00:00.000999Z");
    expect_text(100001, "1970-01-01T00:00:00.100001Z");
    expect_text(1100, "1970-01-01T00:00:00.001100Z");
}

Test(event_time, writes_times_before_1970)
{
    expect_text(-1, "1969-12-31T23:59:59.999999Z");
    expect_text(-WEIR_DAYS(1), "1969-12-31T00:00:00Z");
}

Test(event_time, writes_the_leap_day_of_a_year_by_400_and_none_by_100)
{
    expect_text(951782400000000, "2000-02-29T00:00:00Z");
    expect_text(951782400000000 + WEIR_DAYS(1), "2000-03-01T00:00:00Z");
    expect_text(4107456000000000, "2100-02-28T00:00:00Z");
    expect_text(4107456000000000 + WEIR_DAYS(1), "2100-03-01T00:00:00Z");
}

Test(event_time, writes_years_past_9999_in_as_many_digits_as_they_need)
{
    expect_text(253402300799999999, "9999-12-31T23:59:59.999999Z");
    expect_text(253402300800000000, "10000-01-01T00:00:00Z");
}

Test(event_time, writes_years_before_0_with_a_minus)
{
    expect_text(-62167219200000000, "0000-01-01T00:00:00Z");
    expect_text(-62167219200000001, "-0001-12-31T23:59:59.999999Z");
}

Test(event_time, writes_the_first_and_the_last_time)
{
    expect_text(WEIR_TIME_MAX, "148108-07-06T14:00:27.387904Z");
    expect_text(WEIR_TIME_MIN, "-144169-06-28T09:59:32.612096Z");
}

// ---- reading ----

Test(event_time, reads_a_time_without_a_fraction)
{
    expect_time("1970-01-01T00:00:00Z", 0);
    expect_time("2026-03-01T10:02:00Z", 1772359320000000);
}

Test(event_time, reads_lower_case_letters) { expect_time("1970-01-01t00:00:00z", 0); }

Test(event_time, reads_a_fraction_of_any_length_and_cuts_it_at_the_microsecond)
{
    expect_time("1970-01-01T00:00:00.1Z", 100000);
    expect_time("1970-01-01T00:00:00.12345Z", 123450);
    expect_time("1970-01-01T00:00:00.123456Z", 123456);
    expect_time("1970-01-01T00:00:00.1234569Z", 123456);
    expect_time("1970-01-01T00:00:00.00000099999999999999999999Z", 0);
}

Test(event_time, reads_a_zone_as_the_time_ahead_of_utc)
{
    expect_time("1970-01-01T01:30:00+01:30", 0);
    expect_time("1969-12-31T22:30:00-01:30", 0);
    expect_time("1970-01-01T00:00:00-00:00", 0);
    expect_time("1970-01-01T23:59:00.5+23:59", 500000);
}

Test(event_time, refuses_a_zone_out_of_range)
{
    refuse("1970-01-01T00:00:00+24:00");
    refuse("1970-01-01T00:00:00+00:60");
}

Test(event_time, refuses_a_zone_of_another_shape)
{
    refuse("1970-01-01T00:00:00");
    refuse("1970-01-01T00:00:00.5");
    refuse("1970-01-01T00:00:00+0130");
    refuse("1970-01-01T00:00:00+01");
    refuse("1970-01-01T00:00:00 01:30");
    refuse("1970-01-01T00:00:00+01:3x");
    refuse("1970-01-01T00:00:00ZZ");
    refuse("1970-01-01T00:00:00Z ");
    refuse("1970-01-01T00:00:00+01:30Z");
}

Test(event_time, reads_the_years_0_to_9999)
{
    expect_time("0000-01-01T00:00:00Z", -62167219200000000);
    expect_time("9999-12-31T23:59:59.999999Z", 253402300799999999);
}

Test(event_time, refuses_years_of_another_length)
{
    refuse("10000-01-01T00:00:00Z");
    refuse("-001-01-01T00:00:00Z");
    refuse("999-01-01T00:00:00.0Z");
}

Test(event_time, refuses_a_month_out_of_range)
{
    expect_time("1970-12-01T00:00:00Z", WEIR_DAYS(334));
    refuse("1970-00-01T00:00:00Z");
    refuse("1970-13-01T00:00:00Z");
}

Test(event_time, refuses_a_day_the_month_does_not_have)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    for (int month = 1; month <= 12; month++) {
        char      text[48];
        weir_time time;
        snprintf(text, sizeof(text), "2026-%02d-%02dT00:00:00Z", month, days[month - 1]);
        cr_expect(parse(text, &time), "%s is a time", text);
        snprintf(text, sizeof(text), "2026-%02d-%02dT00:00:00Z", month, days[month - 1] + 1);
        refuse(text);
    }
    refuse("2026-03-00T00:00:00Z");
}

Test(event_time, knows_which_years_have_a_leap_day)
{
    expect_time("2000-02-29T00:00:00Z", 951782400000000);
    expect_time("2024-02-29T00:00:00Z", 1709164800000000);
    expect_time("0000-02-29T00:00:00Z", -62162121600000000);
    refuse("1900-02-29T00:00:00Z");
    refuse("2100-02-29T00:00:00Z");
    refuse("2023-02-29T00:00:00Z");
    refuse("2024-02-30T00:00:00Z");
}

Test(event_time, refuses_a_time_of_day_out_of_range)
{
    expect_time("1970-01-01T23:59:59Z", WEIR_DAYS(1) - WEIR_SECONDS(1));
    refuse("1970-01-01T24:00:00Z");
    refuse("1970-01-01T00:60:00Z");
    refuse("1970-01-01T00:00:60Z");
    refuse("2016-12-31T23:59:60Z");
}

Test(event_time, refuses_a_fraction_without_digits)
{
    refuse("1970-01-01T00:00:00.Z");
    refuse("1970-01-01T00:00:00.+00:00");
    refuse("1970-01-01T00:00:00.x1Z");
}

Test(event_time, refuses_any_byte_changed_to_another_kind)
{
    const char good[] = "2026-03-01T10:02:00.123+01:30";
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        const char *bad_ones = good[i] >= '0' && good[i] <= '9' ? "/:xZ -\xb2" : "0 x;/,\xb2";
        for (const char *bad = bad_ones; *bad != '\0'; bad++) {
            char text[sizeof(good)];
            memcpy(text, good, sizeof(good));
            text[i] = *bad;
            refuse(text);
        }
    }
}

// Each on memory of its own, so that a read past its end is seen.
Test(event_time, refuses_a_text_that_ends_early)
{
    const char good[] = "2026-03-01T10:02:00.123Z";
    for (size_t length = 0; length < sizeof(good) - 1; length++) {
        weir_time time;
        char     *text = malloc(length + (length == 0));
        memcpy(text, good, length);
        cr_expect(!weir_time_parse(text, length, &time), "%zu bytes are no time", length);
        free(text);
    }
}

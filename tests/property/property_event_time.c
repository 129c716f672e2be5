// Times as text against the C library's calendar: random times go out and back, random fields come
// in as timegm says, and each day of 400 years is counted one by one.
//
// usage: property_event_time [seed]
#include "runtime/base/base.h"
#include "tests/support/trial.h"

static struct trial_random chance;
static uint64_t            case_count;

static int draw_below(int limit) { return (int)trial_below(&chance, (uint32_t)limit); }

// What weir_time_format shall write, by gmtime_r.
static void format_by_library(weir_time time, char *text, size_t bytes)
{
    time_t second      = (time_t)(time / 1000000);
    int    microsecond = (int)(time % 1000000);
    if (microsecond < 0) {
        microsecond += 1000000;
        second--;
    }
    struct tm tm;
    gmtime_r(&second, &tm);
    const long year         = (long)tm.tm_year + 1900;
    char       fraction[16] = "";
    if (microsecond % 1000 != 0) {
        snprintf(fraction, sizeof(fraction), ".%06d", microsecond);
    } else if (microsecond != 0) {
        snprintf(fraction, sizeof(fraction), ".%03d", microsecond / 1000);
    }
    snprintf(text, bytes, "%s%04ld-%02d-%02dT%02d:%02d:%02d%sZ", year < 0 ? "-" : "", labs(year),
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
}

// Of all magnitudes, whole milliseconds and seconds among them.
static weir_time draw_time(void)
{
    static const weir_time units[] = { 1, 1, 1000, 1000000, WEIR_DAYS(1) };
    const weir_time        time    = (weir_time)trial_next(&chance) >> (1 + draw_below(40));
    return time / units[draw_below(5)] * units[draw_below(2)];
}

static void check_out_and_back(void)
{
    const weir_time time = draw_time();
    char            text[WEIR_TIME_TEXT_MAX], wanted[80];
    const size_t    length = weir_time_format(time, text);
    format_by_library(time, wanted, sizeof(wanted));
    TRIAL_CHECK(strcmp(text, wanted) == 0, "%lld: %s, not %s", time, text, wanted);
    TRIAL_CHECK(length == strlen(text), "%s", text);

    weir_time  back       = 0;
    const bool is_time    = weir_time_parse(text, length, &back);
    const bool is_in_form = length >= 20 && text[4] == '-' && text[0] != '-';
    TRIAL_CHECK(is_time == is_in_form, "%s", text);
    TRIAL_CHECK(!is_time || back == time, "%s is %lld, not %lld", text, time, back);
    case_count++;
}

struct fields {
    int year, month, day, hour, minute, second;
    int zone_hour, zone_minute;
    int fraction_digits;
    int fraction[12];
};

// Mostly in range, sometimes just outside.
static struct fields draw_fields(void)
{
    struct fields f   = { .year        = draw_below(10000),
                          .month       = draw_below(14),
                          .day         = draw_below(33),
                          .hour        = draw_below(25),
                          .minute      = draw_below(61),
                          .second      = draw_below(61),
                          .zone_hour   = draw_below(25),
                          .zone_minute = draw_below(61) };
    f.fraction_digits = draw_below(13);
    for (int i = 0; i < f.fraction_digits; i++) {
        f.fraction[i] = draw_below(10);
    }
    return f;
}

static size_t fields_write(const struct fields *f, char sign, char *text, size_t bytes)
{
    int length = snprintf(text, bytes, "%04d-%02d-%02d%c%02d:%02d:%02d", f->year, f->month, f->day,
                          draw_below(2) ? 'T' : 't', f->hour, f->minute, f->second);
    if (f->fraction_digits > 0) {
        text[length++] = '.';
    }
    for (int i = 0; i < f->fraction_digits; i++) {
        text[length++] = (char)('0' + f->fraction[i]);
    }
    if (sign == 'Z') {
        text[length++] = draw_below(2) ? 'Z' : 'z';
        text[length]   = '\0';
    } else {
        length += snprintf(text + length, bytes - (size_t)length, "%c%02d:%02d", sign, f->zone_hour,
                           f->zone_minute);
    }
    return (size_t)length;
}

// The microseconds of the fields by timegm; false if they name no time.
static bool fields_by_library(const struct fields *f, char sign, weir_time *time)
{
    struct tm tm = { .tm_year = f->year - 1900, .tm_mon = f->month - 1, .tm_mday = f->day };
    if (f->hour > 23 || f->minute > 59 || f->second > 59) {
        return false;
    }
    if (sign != 'Z' && (f->zone_hour > 23 || f->zone_minute > 59)) {
        return false;
    }
    const weir_time day = timegm(&tm);
    if (tm.tm_mon != f->month - 1 || tm.tm_mday != f->day) {
        return false; // timegm carried it over
    }
    const int ahead = f->zone_hour * 3600 + f->zone_minute * 60;
    const int zone  = sign == 'Z' ? 0 : sign == '-' ? -ahead : ahead;
    const int local = f->hour * 3600 + f->minute * 60 + f->second;
    *time           = (day + local - zone) * 1000000;
    for (int i = 0, unit = 100000; i < f->fraction_digits; i++, unit /= 10) {
        *time += (weir_time)f->fraction[i] * unit;
    }
    return true;
}

static void check_fields(void)
{
    const struct fields f    = draw_fields();
    const char          sign = "Z+-"[draw_below(3)];
    char                text[96];
    const size_t        length = fields_write(&f, sign, text, sizeof(text));
    weir_time           wanted = 0, got = 0;
    const bool          is_time = fields_by_library(&f, sign, &wanted);
    TRIAL_CHECK(weir_time_parse(text, length, &got) == is_time, "%s: %d is right", text, is_time);
    TRIAL_CHECK(got == wanted, "%s is %lld, not %lld", text, wanted, got);
    case_count++;
}

// One byte changed at random: whatever is still read must say the same when written and read again.
static void check_spoilt(void)
{
    char         text[WEIR_TIME_TEXT_MAX];
    const size_t length           = weir_time_format(draw_time() % WEIR_DAYS(100000), text);
    text[draw_below((int)length)] = (char)trial_next(&chance);
    weir_time time = 0, again = 0;
    if (weir_time_parse(text, length, &time)) {
        char         clean[WEIR_TIME_TEXT_MAX];
        const size_t clean_length = weir_time_format(time, clean);
        TRIAL_CHECK(weir_time_parse(clean, clean_length, &again), "%s", clean);
        TRIAL_CHECK(again == time, "%s and %s", text, clean);
    }
    case_count++;
}

// The calendar counted day by day from 1600-01-01, without a formula.
static void check_each_day(void)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    weir_time        time   = -11676096000000000; // 1600-01-01
    for (int year = 1600; year < 2000; year++) {
        const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            const int last = days[month - 1] + (month == 2 && is_leap);
            for (int day = 1; day <= last; day++, time += WEIR_DAYS(1), case_count++) {
                char text[WEIR_TIME_TEXT_MAX], wanted[80];
                weir_time_format(time, text);
                snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT00:00:00Z", year, month, day);
                TRIAL_CHECK(strcmp(text, wanted) == 0, "%s, not %s", text, wanted);
                weir_time back = 0;
                TRIAL_CHECK(weir_time_parse(text, strlen(text), &back) && back == time, "%s", text);
            }
        }
    }
    TRIAL_CHECK(time == 946684800000000, "2000-01-01 is %lld", time);
}

int main(int argc, char **argv)
{
    chance.state         = trial_seed(argc, argv);
    const uint64_t count = trial_size(10000, 100000, 3000000);
    for (uint64_t i = 0; i < count; i++) {
        check_out_and_back();
        check_fields();
        check_spoilt();
    }
    check_each_day();
    printf("cases: %" PRIu64 "\n", case_count);
    return 0;
}

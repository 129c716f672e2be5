// The text that says how far a replay reads.
#include "runtime/run/until.h"

#include <criterion/criterion.h>
#include <string.h>

static struct wr_until *read_text(const char *text)
{
    char            *sentence = NULL;
    struct wr_until *until    = wr_until_open(text, &sentence);
    cr_assert_not_null(until, "%s", sentence);
    return until;
}

static struct wr_until_point point_of(const char *text, const char *source, const char *partition)
{
    struct wr_until      *until = read_text(text);
    struct wr_until_point point;
    cr_assert(wr_until_find(until, source, partition, &point), "%s: %s", text, partition);
    wr_until_close(until);
    return point;
}

static void is_refused(const char *text, const char *words)
{
    char *sentence = NULL;
    cr_assert_null(wr_until_open(text, &sentence), "%s", text);
    cr_assert_not_null(strstr(sentence, words), "%s", sentence);
    wr_free(sentence);
}

Test(until, takes_a_time_for_all_partitions)
{
    const struct wr_until_point point = point_of("1970-01-01T00:00:02.000001Z", "in", "t/3");
    cr_assert_eq(point.time, 2000001);
    cr_assert_eq(point.offset, UINT64_MAX);
}

Test(until, takes_an_offset_for_all_partitions)
{
    const struct wr_until_point point = point_of("@0", "in", "t/3");
    cr_assert_eq(point.time, WEIR_TIME_MAX);
    cr_assert_eq(point.offset, 0);
}

Test(until, takes_a_partition_by_its_name_with_or_without_its_source)
{
    const char *text = "t/0@7,in/t/1@8,1970-01-01T00:00:00Z";
    cr_assert_eq(point_of(text, "in", "t/0").offset, 7);
    cr_assert_eq(point_of(text, "other", "t/0").offset, 7);
    cr_assert_eq(point_of(text, "in", "t/1").offset, 8);
    cr_assert_eq(point_of(text, "other", "t/1").offset, UINT64_MAX);
    cr_assert_eq(point_of(text, "other", "t/1").time, 0);
    cr_assert_eq(point_of("a@b.jsonl@18446744073709551614", "in", "a@b.jsonl").offset,
                 UINT64_MAX - 1);
}

Test(until, says_nothing_of_what_it_does_not_name)
{
    struct wr_until      *until = read_text("t/0@7");
    struct wr_until_point point;
    cr_assert_not(wr_until_find(until, "in", "t/1", &point));
    cr_assert_str_eq(wr_until_name(until, 0), "t/0");
    cr_assert_null(wr_until_name(until, 1));
    wr_until_close(until);
}

Test(until, refuses_what_is_no_point)
{
    is_refused("", "it is neither a time");
    is_refused("yesterday", "it is neither a time");
    is_refused("7", "nor an offset, as @512");
    is_refused("@", "behind the @ there must be an offset");
    is_refused("t/0@-1", "behind the @ there must be an offset");
    is_refused("@18446744073709551615", "behind the @ there must be an offset");
    is_refused("@1,", "\"\": it is neither");
    is_refused("@1,@2", "another one already that names no partition");
    is_refused("1970-01-01T00:00:00Z,@2", "another one already");
    is_refused("t/0@1,t/0@2", "\"t/0@2\": the partition is named twice");
}

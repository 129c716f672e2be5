#include "connectors/lines/lines.h"
#include "runtime/base/base.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define LINES_MAX 16

// A stream that is cut, and copies of the lines that came.
struct cut {
    struct wr_lines lines;
    struct wr_line  got[LINES_MAX];
    char           *texts[LINES_MAX];
    uint32_t        count;
    char           *fed; // the last fed buffer
};

static struct cut cut_new(size_t max_line_bytes)
{
    struct cut cut = { .count = 0 };
    wr_lines_init(&cut.lines, &(struct wr_lines_options){ .max_line_bytes = max_line_bytes });
    return cut;
}

static void cut_take(struct cut *cut)
{
    struct wr_line line;
    while (wr_lines_next(&cut->lines, &line)) {
        cr_assert_lt(cut->count, LINES_MAX);
        cut->got[cut->count]   = line;
        cut->texts[cut->count] = strndup(line.bytes, line.kept_bytes);
        cut->count++;
    }
}

// Feeds a copy that is exactly as long as promised, so that a sanitizer sees a step too far.
static void cut_feed_bytes(struct cut *cut, const char *bytes, size_t length)
{
    free(cut->fed);
    cut->fed = malloc(length + WR_LINES_PADDING);
    memcpy(cut->fed, bytes, length);
    memset(cut->fed + length, '\n', WR_LINES_PADDING);
    wr_lines_feed(&cut->lines, cut->fed, length);
    cut_take(cut);
}

static void cut_feed(struct cut *cut, const char *text) { cut_feed_bytes(cut, text, strlen(text)); }

static void cut_end(struct cut *cut)
{
    wr_lines_end(&cut->lines);
    cut_take(cut);
}

static void cut_fini(struct cut *cut)
{
    wr_lines_fini(&cut->lines);
    for (uint32_t i = 0; i < cut->count; i++) {
        free(cut->texts[i]);
    }
    free(cut->fed);
}

static char *text_of(size_t length, char filler)
{
    char *const text = malloc(length + 1);
    memset(text, filler, length);
    text[length] = 0;
    return text;
}

Test(lines, cuts_at_each_newline_and_numbers_from_one)
{
    struct cut cut = cut_new(0);
    cut_feed(&cut, "one\n\nthree\n");
    cut_end(&cut);
    cr_assert_eq(cut.count, 3);
    cr_assert_str_eq(cut.texts[0], "one");
    cr_assert_str_eq(cut.texts[1], "");
    cr_assert_str_eq(cut.texts[2], "three");
    cr_assert_eq(cut.got[2].number, 3);
    cr_assert_eq(cut.got[2].offset, 5);
    cr_assert_eq(cut.got[2].length, 5);
    cr_assert(cut.got[2].is_ended);
    cut_fini(&cut);
}

Test(lines, points_into_the_fed_buffer)
{
    struct cut cut = cut_new(0);
    cut_feed(&cut, "one\ntwo\n");
    cr_assert_eq(cut.got[0].bytes, cut.fed);
    cr_assert_eq(cut.got[1].bytes, cut.fed + 4);
    cut_fini(&cut);
}

Test(lines, joins_a_line_that_several_buffers_hold)
{
    struct cut cut = cut_new(0);
    cut_feed(&cut, "a\nbc");
    cut_feed(&cut, "de");
    cut_feed(&cut, "");
    cut_feed(&cut, "f");
    cr_assert_eq(cut.count, 1);
    cut_feed(&cut, "\ng\n");
    cr_assert_eq(cut.count, 3);
    cr_assert_str_eq(cut.texts[1], "bcdef");
    cr_assert_eq(cut.got[1].offset, 2);
    cr_assert_str_eq(cut.texts[2], "g");
    cr_assert_eq(cut.got[2].offset, 8);
    cut_fini(&cut);
}

Test(lines, keep_a_joined_line_while_the_end_of_the_buffer_is_carried)
{
    struct cut     cut = cut_new(0);
    struct wr_line line;
    char           first[8 + WR_LINES_PADDING]  = "aaaa";
    char           second[8 + WR_LINES_PADDING] = "bb\ncccc";
    wr_lines_feed(&cut.lines, first, 4);
    cr_assert_not(wr_lines_next(&cut.lines, &line));
    wr_lines_feed(&cut.lines, second, 7);
    cr_assert(wr_lines_next(&cut.lines, &line));
    struct wr_line later;
    cr_assert_not(wr_lines_next(&cut.lines, &later));
    cr_assert_eq(memcmp(line.bytes, "aaaabb", 6), 0);
    cut_fini(&cut);
}

Test(lines, read_no_fed_buffer_once_they_ask_for_more)
{
    struct cut        cut                          = cut_new(0);
    static const char streams[2][6]                = { "x\nabc", "defg\n" };
    char              buffer[5 + WR_LINES_PADDING] = { 0 };
    for (uint32_t i = 0; i < WR_COUNT_OF(streams); i++) {
        memcpy(buffer, streams[i], 5);
        wr_lines_feed(&cut.lines, buffer, 5);
        cut_take(&cut);
    }
    cr_assert_str_eq(cut.texts[1], "abcdefg");
    cut_fini(&cut);
}

Test(lines, take_what_is_left_at_the_end_for_a_line_if_it_has_a_byte)
{
    struct cut cut = cut_new(0);
    cut_feed(&cut, "a\nb");
    cr_assert_eq(cut.count, 1);
    cut_end(&cut);
    cr_assert_eq(cut.count, 2);
    cr_assert_str_eq(cut.texts[1], "b");
    cr_assert_not(cut.got[1].is_ended);
    cr_assert_eq(cut.lines.offset, 3);
    cut_fini(&cut);
}

Test(lines, find_none_in_an_empty_stream)
{
    struct cut cut = cut_new(0);
    cut_feed(&cut, "");
    cut_end(&cut);
    cr_assert_eq(cut.count, 0);
    cut_fini(&cut);
}

Test(lines, keep_carriage_returns_and_zeros)
{
    struct cut cut = cut_new(0);
    cut_feed_bytes(&cut, "a\r\n\0b\n", 6);
    cr_assert_eq(cut.count, 2);
    cr_assert_str_eq(cut.texts[0], "a\r");
    cr_assert_eq(cut.got[1].length, 2);
    cr_assert_eq(cut.got[1].bytes[0], 0);
    cut_fini(&cut);
}

// A line of `length` bytes and one after it, in pieces of `piece_bytes`.
static struct cut cut_long_line(size_t length, size_t max_line_bytes, size_t piece_bytes)
{
    struct cut  cut  = cut_new(max_line_bytes);
    char *const text = text_of(length + 3, 'x');
    text[length]     = '\n';
    text[length + 1] = 'y';
    text[length + 2] = '\n';
    for (size_t at = 0; at < length + 3; at += piece_bytes) {
        const size_t left = length + 3 - at;
        cut_feed_bytes(&cut, text + at, left < piece_bytes ? left : piece_bytes);
    }
    free(text);
    return cut;
}

Test(lines, take_a_line_of_exactly_the_most_bytes)
{
    const size_t pieces[] = { WR_LINES_MAX_BYTES + 3, WR_LINES_MAX_BYTES, 65536, 1000 };
    for (uint32_t i = 0; i < WR_COUNT_OF(pieces); i++) {
        struct cut cut = cut_long_line(WR_LINES_MAX_BYTES, 0, pieces[i]);
        cr_assert_eq(cut.count, 2);
        cr_assert_not(cut.got[0].is_too_long);
        cr_assert_eq(cut.got[0].length, WR_LINES_MAX_BYTES);
        cr_assert_eq(strlen(cut.texts[0]), WR_LINES_MAX_BYTES);
        cut_fini(&cut);
    }
}

Test(lines, say_too_long_of_a_line_of_one_byte_more)
{
    const size_t pieces[] = { WR_LINES_MAX_BYTES + 4, WR_LINES_MAX_BYTES, 65536, 1000 };
    for (uint32_t i = 0; i < WR_COUNT_OF(pieces); i++) {
        struct cut cut = cut_long_line(WR_LINES_MAX_BYTES + 1, 0, pieces[i]);
        cr_assert_eq(cut.count, 2);
        cr_assert(cut.got[0].is_too_long);
        cr_assert_eq(cut.got[0].length, WR_LINES_MAX_BYTES + 1);
        cr_assert_eq(cut.got[0].kept_bytes, WR_LINES_KEPT_BYTES);
        cr_assert_eq(cut.texts[0][WR_LINES_KEPT_BYTES - 1], 'x');
        cr_assert_str_eq(cut.texts[1], "y");
        cr_assert_not(cut.got[1].is_too_long);
        cr_assert_eq(cut.got[1].offset, WR_LINES_MAX_BYTES + 2);
        cut_fini(&cut);
    }
}

Test(lines, hold_little_memory_however_long_a_line_is)
{
    struct cut  cut  = cut_new(0);
    char *const text = text_of(1 << 20, 'x');
    for (uint32_t i = 0; i < 100; i++) {
        cut_feed_bytes(&cut, text, 1 << 20);
    }
    cr_assert_eq(cut.count, 0);
    cut_feed(&cut, "\n");
    cr_assert_eq(cut.count, 1);
    cr_assert_eq(cut.got[0].length, 100u << 20);
    cr_assert_leq(cut.lines.carries[0].capacity + cut.lines.carries[1].capacity, 4u << 20);
    free(text);
    cut_fini(&cut);
}

Test(lines, take_a_too_long_remainder_for_a_too_long_line)
{
    struct cut  cut  = cut_new(WR_LINES_KEPT_BYTES);
    char *const text = text_of(WR_LINES_KEPT_BYTES + 1, 'z');
    cut_feed(&cut, text);
    cut_end(&cut);
    cr_assert_eq(cut.count, 1);
    cr_assert(cut.got[0].is_too_long);
    cr_assert_eq(cut.got[0].length, WR_LINES_KEPT_BYTES + 1);
    free(text);
    cut_fini(&cut);
}

Test(lines, go_on_from_the_middle_of_a_stream)
{
    struct cut cut = { .count = 0 };
    wr_lines_init(&cut.lines, &(struct wr_lines_options){ .lines_before = 41, .offset = 1000 });
    cut_feed(&cut, "a\nb\n");
    cr_assert_eq(cut.got[0].number, 42);
    cr_assert_eq(cut.got[0].offset, 1000);
    cr_assert_eq(cut.got[1].offset, 1002);
    cr_assert_eq(cut.lines.lines_before, 43);
    cr_assert_eq(cut.lines.offset, 1004);
    cut_fini(&cut);
}

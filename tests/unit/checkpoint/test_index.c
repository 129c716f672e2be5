#include "tests/support/checkpoint_life.h"

#include <criterion/criterion.h>

TestSuite(index, .timeout = 60);

// An index of task 1 with two files, which a test may spoil before it is encoded.
struct made {
    struct life_index    of;
    struct wr_index_file files[2];
};

static void make(struct made *made)
{
    life_fill_index(&made->of, 1, 12);
    made->of.index.id = (struct wr_file_id){ 12, 3, 1 };
    for (uint32_t i = 0; i < LIFE_TABLES; i++) {
        for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
            made->of.segments[i][j].place = (struct wr_block_place){
                .file = 5 + i, .bytes = 100, .offset = 200 * j, .entries = 7, .crc = j
            };
        }
        made->of.tables[i].entries = 7 * LIFE_SEGMENTS;
    }
    made->files[0]            = (struct wr_index_file){ 5, "c0000000011-e00003-t00001", 1000, 0 };
    made->files[1]            = (struct wr_index_file){ 6, "c0000000012-e00003-t00001", 1000, 0 };
    made->of.index.files      = made->files;
    made->of.index.file_count = 2;
}

// NULL: it is taken; else why not, for wr_free.
static char *refusal(struct made *made)
{
    struct wr_index index;
    uint32_t        number;
    size_t          length;
    char           *reason = NULL;
    (void)wr_index_count_used(&made->of.index, &number);
    char *const bytes = wr_index_encode(&made->of.index, &length);
    if (wr_index_decode(bytes, length, &index, &reason)) {
        wr_index_fini(&index);
    } else {
        wr_free(bytes);
    }
    return reason;
}

static void refuses(struct made *made, const char *part)
{
    char *const reason = refusal(made);
    cr_assert(reason != NULL && strstr(reason, part) != NULL, "\"%s\" does not say \"%s\"",
              reason == NULL ? "" : reason, part);
    wr_free(reason);
}

Test(index, is_read_as_it_was_written)
{
    struct made     made;
    struct wr_index index;
    uint32_t        number;
    size_t          length, again_length;
    char           *reason;
    make(&made);
    cr_assert(wr_index_count_used(&made.of.index, &number));
    char *const bytes = wr_index_encode(&made.of.index, &length);
    cr_assert(wr_index_decode(bytes, length, &index, &reason), "%s", reason);
    cr_assert(life_check_index(&index, 1, 12) == NULL, "%s", life_wrong);
    cr_assert_eq(index.file_count, 2);
    cr_assert_str_eq(index.files[1].name, made.files[1].name);
    cr_assert_eq(index.files[1].used, 4 * wr_block_bytes(100));
    cr_assert_eq(index.operators[0].tables[1].segments[3].place.offset, 600);
    char *const again = wr_index_encode(&index, &again_length);
    cr_assert_eq(again_length, length);
    cr_assert_eq(memcmp(again, bytes, length), 0);
    wr_free(again);
    wr_index_fini(&index);
}

Test(index, puts_segments_in_order_and_leaves_out_files_that_are_not_used)
{
    struct made made;
    make(&made);
    for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
        made.of.segments[1][j].place.file = 5;
        made.of.segments[1][j].place.offset += 800;
        made.of.segments[1][j].prefix = (uint64_t)(3 - j) << 61;
    }
    made.files[0].bytes = 4000;
    uint32_t        number;
    size_t          length;
    struct wr_index index;
    char           *reason;
    cr_assert(wr_index_count_used(&made.of.index, &number));
    char *const bytes = wr_index_encode(&made.of.index, &length);
    cr_assert(wr_index_decode(bytes, length, &index, &reason), "%s", reason);
    cr_assert_eq(index.file_count, 1);
    cr_assert_eq(index.operators[0].tables[1].segments[0].prefix, 0);
    wr_index_fini(&index);
}

Test(index, cut_at_any_length_is_refused)
{
    struct made made;
    uint32_t    number;
    size_t      length;
    make(&made);
    cr_assert(wr_index_count_used(&made.of.index, &number));
    char *const bytes = wr_index_encode(&made.of.index, &length);
    for (size_t i = 0; i < length; i++) {
        struct wr_index index;
        char           *reason = NULL;
        char *const     part   = wr_alloc(i + 1);
        memcpy(part, bytes, i);
        cr_assert(!wr_index_decode(part, i, &index, &reason), "%zu bytes", i);
        cr_assert(strstr(reason, "at byte ") != NULL);
        wr_free(reason);
        wr_free(part);
    }
    wr_free(bytes);
}

Test(index, with_a_byte_more_is_refused)
{
    struct made     made;
    struct wr_index index;
    uint32_t        number;
    size_t          length;
    char           *reason = NULL;
    make(&made);
    cr_assert(wr_index_count_used(&made.of.index, &number));
    char *const bytes = wr_index_encode(&made.of.index, &length);
    char *const more  = wr_alloc(length + 1);
    memcpy(more, bytes, length);
    cr_assert(!wr_index_decode(more, length + 1, &index, &reason));
    cr_assert(strstr(reason, "more bytes") != NULL);
    wr_free(reason);
    wr_free(more);
    wr_free(bytes);
}

Test(index, whose_segments_overlap_is_refused)
{
    struct made made;
    make(&made);
    made.of.segments[0][1].prefix = 0;
    refuses(&made, "overlap");
    make(&made);
    made.of.segments[0][0].depth = 2;
    refuses(&made, "overlap");
}

Test(index, whose_segment_lies_outside_of_its_cells_is_refused)
{
    struct made made;
    make(&made);
    made.of.segments[0][3].prefix = 5ull << 61;
    refuses(&made, "key range");
}

Test(index, whose_segment_is_longer_than_its_prefix_is_refused)
{
    struct made made;
    make(&made);
    made.of.segments[0][3].prefix |= 1;
    refuses(&made, "prefix");
}

Test(index, whose_entries_do_not_add_up_is_refused)
{
    struct made made;
    make(&made);
    made.of.tables[1].entries++;
    refuses(&made, "entries");
}

Test(index, whose_segment_ends_behind_its_file_is_refused)
{
    struct made made;
    make(&made);
    made.of.segments[0][0].place.offset = 1000;
    refuses(&made, "behind its file");
    make(&made);
    made.of.segments[0][0].place.offset = UINT64_MAX - 7;
    refuses(&made, "behind its file");
}

Test(index, of_a_file_that_is_not_listed_is_told_by_its_number)
{
    struct made made;
    uint32_t    number = 0;
    make(&made);
    made.of.segments[1][2].place.file = 9;
    cr_assert(!wr_index_count_used(&made.of.index, &number));
    cr_assert_eq(number, 9);
}

Test(index, that_lists_a_file_of_a_later_checkpoint_is_refused)
{
    struct made made;
    make(&made);
    made.files[0].name = "c0000000013-e00003-t00001";
    refuses(&made, "later");
    make(&made);
    made.files[0].name = "c0000000011-e00004-t00001";
    refuses(&made, "later");
    make(&made);
    made.files[0].name = "c0000000012-e00003-t00002";
    refuses(&made, "later");
}

Test(index, with_two_things_of_one_name_is_refused)
{
    struct made made;
    make(&made);
    made.files[0].name = made.files[1].name;
    refuses(&made, "twice");
    make(&made);
    made.of.operators[1].name = made.of.operators[0].name;
    refuses(&made, "operators");
    make(&made);
    made.of.cells[1] = made.of.cells[0];
    refuses(&made, "cells");
    make(&made);
    made.of.tables[1].has_member = false;
    made.of.tables[1].member     = 0;
    refuses(&made, "name and member");
    make(&made);
    made.of.tables[1].number = 0;
    refuses(&made, "one number");
}

Test(index, whose_files_do_not_come_by_rising_number_is_refused)
{
    struct made     made;
    struct wr_index index;
    uint32_t        number;
    size_t          length;
    char           *reason = NULL;
    make(&made);
    cr_assert(wr_index_count_used(&made.of.index, &number));
    char *const bytes = wr_index_encode(&made.of.index, &length);
    char *const name  = memmem(bytes, length, made.files[1].name, strlen(made.files[1].name));
    cr_assert(name != NULL);
    memcpy(name - 8, &made.files[0].number, sizeof(uint32_t));
    cr_assert(!wr_index_decode(bytes, length, &index, &reason));
    cr_assert(strstr(reason, "rise") != NULL, "%s", reason);
    wr_free(reason);
    wr_free(bytes);
}

Test(index, with_cells_that_differ_in_their_key_only_is_taken)
{
    struct made made;
    make(&made);
    made.of.cells[1]     = made.of.cells[0];
    made.of.cells[1].key = "part-1";
    cr_assert(refusal(&made) == NULL);
    made.of.cells[1].key = NULL;
    cr_assert(refusal(&made) == NULL);
}

Test(index, with_an_empty_name_is_refused)
{
    struct made made;
    make(&made);
    made.of.tables[0].name = "";
    refuses(&made, "empty name");
}

Test(index, whose_strings_lie_outside_of_the_value_is_refused)
{
    struct made made;
    make(&made);
    made.of.tables[1].value_bytes = 20;
    refuses(&made, "strings");
}

Test(index, whose_key_range_is_none_is_refused)
{
    struct made made;
    make(&made);
    made.of.index.end_cell = WR_CELL_COUNT + 1;
    refuses(&made, "key range");
    make(&made);
    made.of.index.first_cell = made.of.index.end_cell + 1;
    refuses(&made, "key range");
}

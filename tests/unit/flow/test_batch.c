#include "runtime/flow/flow.h"

#include <criterion/criterion.h>
#include <stdlib.h>

typedef struct tick {
    weir_time at;
    uint64_t  id;
} tick;
WEIR_RECORD(tick, at, id);

typedef struct note {
    uint64_t id;
    weir_str first;
    weir_str second;
} note;
WEIR_RECORD(note, id, first, second);

static char long_text[2u << 20];

static struct wr_batch_layout tick_layout(uint32_t columns)
{
    return wr_batch_layout_of(&tick_type, columns, 4096);
}

static struct wr_batch_layout note_layout(void) { return wr_batch_layout_of(&note_type, 0, 4096); }

static weir_str text_of(uint32_t length)
{
    memset(long_text, 'a', sizeof(long_text));
    return weir_str_of(long_text, length);
}

static bool note_add(struct wr_batch *batch, const struct wr_batch_layout *layout, uint64_t id,
                     uint32_t length)
{
    *(note *)wr_batch_row(batch, batch->row_count) = (note){ .id = id, .first = text_of(length) };
    return wr_batch_seal_row(batch, layout);
}

// Fills a batch with as many rows as there is room for, numbered from `from`.
static void ticks_fill(struct wr_batch *batch, uint64_t from)
{
    while (wr_batch_room(batch) > 0) {
        const uint32_t row                = batch->row_count++;
        *(tick *)wr_batch_row(batch, row) = (tick){ .id = from + row };
    }
}

Test(batch, rows_and_columns_fill_the_block)
{
    const uint32_t columns[] = { 0, WR_COLUMN_TIME, WR_COLUMN_TIME | WR_COLUMN_HASH,
                                 WR_COLUMN_TIME | WR_COLUMN_HASH | WR_COLUMN_CHANGE };
    const uint32_t bytes[]   = { 16, 24, 32, 33 };
    for (uint32_t i = 0; i < WR_COUNT_OF(columns); i++) {
        struct wr_batch_layout layout = tick_layout(columns[i]);
        const size_t           end    = layout.rows_at + layout.row_capacity * sizeof(tick);
        cr_assert_leq(end, layout.block_bytes);
        cr_assert_lt(layout.block_bytes - end, bytes[i] + 16, "%zu of 4096", end);
        wr_batch_layout_fini(&layout);
    }
}

Test(batch, has_its_columns_and_no_others)
{
    struct wr_batch_layout layout = tick_layout(WR_COLUMN_HASH);
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert_null(batch->times);
    cr_assert_not_null(batch->hashes);
    cr_assert_null(batch->changes);
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, aligns_columns_to_8_and_rows_to_16)
{
    for (uint32_t columns = 0; columns < 8; columns++) {
        struct wr_batch_layout layout = tick_layout(columns);
        cr_assert_eq(layout.times_at % 8, 0);
        cr_assert_eq(layout.hashes_at % 8, 0);
        cr_assert_eq(layout.rows_at % 16, 0);
        struct wr_batch *batch = wr_batch_open(&layout);
        cr_assert_eq((uintptr_t)batch % WR_CACHE_LINE, 0);
        wr_batch_close(batch);
        wr_batch_layout_fini(&layout);
    }
}

Test(batch, numbers_rows_in_16_bits)
{
    const weir_field       field  = { "c", NULL, 0, 1, WEIR_KIND_I8, 1, NULL };
    const weir_type        type   = { "byte", &field, 1, 1, 1 };
    struct wr_batch_layout layout = wr_batch_layout_of(&type, 0, 1u << 20);
    cr_assert_eq(layout.row_capacity, 65535);
    wr_batch_layout_fini(&layout);
}

Test(batch, block_grows_to_hold_one_large_row)
{
    const weir_field       field  = { "c", NULL, 0, 100000, WEIR_KIND_CHARS, 1, NULL };
    const weir_type        type   = { "page", &field, 1, 100000, 1 };
    struct wr_batch_layout layout = wr_batch_layout_of(&type, WR_COLUMN_TIME, 4096);
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert_eq(wr_batch_room(batch), 1);
    memset(wr_batch_row(batch, 0), 'x', 100000);
    batch->times[0] = 1;
    cr_assert(wr_batch_seal_row(batch, &layout));
    cr_assert_eq(wr_batch_room(batch), 0);
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, clearing_forgets_rows_control_and_overflow)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert(note_add(batch, &layout, 1, 5000));
    batch->control   = WR_CONTROL_BARRIER;
    batch->barrier   = 7;
    batch->watermark = 9;
    batch->is_idle   = true;
    wr_batch_clear(batch, &layout);
    cr_assert_eq(batch->row_count, 0);
    cr_assert_eq(batch->control, WR_CONTROL_NONE);
    cr_assert_eq(batch->barrier, 0);
    cr_assert_eq(batch->watermark, WEIR_TIME_MIN);
    cr_assert_not(batch->is_idle);
    cr_assert_null(batch->overflow);
    cr_assert_eq(wr_batch_room(batch), layout.row_capacity);
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, sealing_moves_long_strings_into_the_block)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert(note_add(batch, &layout, 1, 13));
    memset(long_text, 'z', 13); // the row no longer looks at it
    const note *row = wr_batch_row(batch, 0);
    cr_assert_eq(memcmp(weir_str_bytes(&row->first), "aaaaaaaaaaaaa", 13), 0);
    cr_assert_eq(batch->string_begin, layout.block_bytes - 13);
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, short_strings_take_no_room)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    while (wr_batch_room(batch) > 0) {
        cr_assert(note_add(batch, &layout, batch->row_count, 12));
    }
    cr_assert_eq(batch->row_count, layout.row_capacity);
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, the_next_row_never_meets_string_bytes)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    while (wr_batch_room(batch) > 0 && note_add(batch, &layout, batch->row_count, 100)) {
        const size_t end = layout.rows_at + (size_t)batch->row_capacity * layout.row_size;
        cr_assert_leq(end, batch->string_begin);
    }
    cr_assert_gt(batch->row_count, 20);
    cr_assert_lt(batch->row_count, layout.row_capacity);
    for (uint32_t row = 0; row < batch->row_count; row++) {
        cr_assert_eq(((note *)wr_batch_row(batch, row))->id, row);
    }
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

// Bytes that are free for the strings of a first row.
static uint32_t first_row_bytes(const struct wr_batch_layout *layout)
{
    return layout->block_bytes - layout->rows_at - layout->row_size;
}

Test(batch, a_first_row_that_just_fits_needs_no_overflow)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert(note_add(batch, &layout, 1, first_row_bytes(&layout)));
    cr_assert_null(batch->overflow);
    cr_assert_eq(wr_batch_room(batch), 0);
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, a_first_row_one_byte_larger_gets_an_overflow)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert(note_add(batch, &layout, 1, first_row_bytes(&layout) + 1));
    cr_assert_not_null(batch->overflow);
    cr_assert_eq(batch->row_count, 1);
    cr_assert_eq(wr_batch_room(batch), 0);
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, a_later_row_that_does_not_fit_is_not_counted)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert(note_add(batch, &layout, 1, 20));
    cr_assert_not(note_add(batch, &layout, 2, 4096));
    cr_assert_eq(batch->row_count, 1);
    cr_assert_null(batch->overflow);
    cr_assert(note_add(batch, &layout, 3, 20), "a smaller one still fits");
    cr_assert(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, a_record_over_the_most_fits_never)
{
    struct wr_batch_layout layout = note_layout();
    layout.max_record_bytes       = 1000;
    note row                      = { .first = text_of(1000 - sizeof(note)) };
    cr_assert_not(wr_batch_row_fits_never(&layout, &row));
    row.first = text_of(1001 - sizeof(note));
    cr_assert(wr_batch_row_fits_never(&layout, &row));
    wr_batch_layout_fini(&layout);
}

Test(batch, a_record_may_have_a_megabyte_by_default)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    note                   row    = { .first = text_of(1u << 20) };
    cr_assert_not(wr_batch_row_fits_never(&layout, &row));
    cr_assert(note_add(batch, &layout, 1, 1u << 20));
    row.first = text_of((1u << 20) + (64u << 10));
    cr_assert(wr_batch_row_fits_never(&layout, &row));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, copying_stops_where_the_target_is_full)
{
    struct wr_batch_layout layout = tick_layout(0);
    struct wr_batch       *from   = wr_batch_open(&layout);
    struct wr_batch       *to     = wr_batch_open(&layout);
    ticks_fill(from, 0);
    cr_assert_eq(wr_batch_copy_rows(to, &layout, from, NULL, 10, from->row_count - 10),
                 from->row_count - 10);
    cr_assert_eq(wr_batch_copy_rows(to, &layout, from, NULL, 0, from->row_count), 10);
    cr_assert_eq(to->row_count, layout.row_capacity);
    cr_assert_eq(wr_batch_copy_rows(to, &layout, from, NULL, 0, 1), 0);
    cr_assert_eq(((tick *)wr_batch_row(to, 0))->id, 10);
    cr_assert_eq(((tick *)wr_batch_row(to, to->row_count - 1))->id, 9);
    wr_batch_close(from);
    wr_batch_close(to);
    wr_batch_layout_fini(&layout);
}

Test(batch, copying_follows_a_selection)
{
    struct wr_batch_layout layout = tick_layout(WR_COLUMN_TIME | WR_COLUMN_HASH | WR_COLUMN_CHANGE);
    struct wr_batch       *from   = wr_batch_open(&layout);
    struct wr_batch       *to     = wr_batch_open(&layout);
    ticks_fill(from, 100);
    from->times[5]              = 50;
    from->hashes[5]             = 500;
    from->changes[5]            = WR_DELETE;
    const uint16_t selection[3] = { 1, 5, 7 };
    cr_assert_eq(wr_batch_copy_rows(to, &layout, from, selection, 0, 3), 3);
    cr_assert_eq(((tick *)wr_batch_row(to, 0))->id, 101);
    cr_assert_eq(((tick *)wr_batch_row(to, 1))->id, 105);
    cr_assert_eq(((tick *)wr_batch_row(to, 2))->id, 107);
    cr_assert_eq(to->times[1], 50);
    cr_assert_eq(to->hashes[1], 500);
    cr_assert_eq(to->changes[1], WR_DELETE);
    wr_batch_close(from);
    wr_batch_close(to);
    wr_batch_layout_fini(&layout);
}

Test(batch, rows_without_a_change_column_are_copied_as_inserts)
{
    struct wr_batch_layout plain   = tick_layout(0);
    struct wr_batch_layout changes = tick_layout(WR_COLUMN_CHANGE);
    struct wr_batch       *from    = wr_batch_open(&plain);
    struct wr_batch       *to      = wr_batch_open(&changes);
    ticks_fill(from, 0);
    memset(to->changes, WR_DELETE, 4);
    cr_assert_eq(wr_batch_copy_rows(to, &changes, from, NULL, 0, 4), 4);
    for (uint32_t row = 0; row < 4; row++) {
        cr_assert_eq(to->changes[row], WR_INSERT);
    }
    wr_batch_close(from);
    wr_batch_close(to);
    wr_batch_layout_fini(&plain);
    wr_batch_layout_fini(&changes);
}

Test(batch, copying_takes_a_row_out_of_an_overflow)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *from   = wr_batch_open(&layout);
    struct wr_batch       *to     = wr_batch_open(&layout);
    cr_assert(note_add(from, &layout, 1, 10000));
    cr_assert_eq(wr_batch_copy_rows(to, &layout, from, NULL, 0, 1), 1);
    wr_batch_close(from);
    cr_assert(wr_batch_is_valid(to, &layout));
    cr_assert_eq(((note *)wr_batch_row(to, 0))->first.length, 10000);
    wr_batch_close(to);
    wr_batch_layout_fini(&layout);
}

Test(batch, the_walk_sees_a_string_that_points_elsewhere)
{
    struct wr_batch_layout layout = note_layout();
    struct wr_batch       *batch  = wr_batch_open(&layout);
    cr_assert(note_add(batch, &layout, 1, 20));
    cr_assert(wr_batch_is_valid(batch, &layout));
    ((note *)wr_batch_row(batch, 0))->first = text_of(20);
    cr_assert_not(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

Test(batch, the_walk_sees_a_broken_header)
{
    struct wr_batch_layout layout = tick_layout(WR_COLUMN_TIME | WR_COLUMN_CHANGE);
    struct wr_batch       *batch  = wr_batch_open(&layout);
    ticks_fill(batch, 0);
    cr_assert(wr_batch_is_valid(batch, &layout));
    batch->row_count++;
    cr_assert_not(wr_batch_is_valid(batch, &layout));
    batch->row_count--;
    batch->changes[3] = 4;
    cr_assert_not(wr_batch_is_valid(batch, &layout));
    batch->changes[3] = 0;
    batch->times[3]   = WEIR_TIME_MAX + 1;
    cr_assert_not(wr_batch_is_valid(batch, &layout));
    batch->times[3] = 0;
    batch->string_begin++;
    cr_assert_not(wr_batch_is_valid(batch, &layout));
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

// A batch is one block: the header, the columns, rows upward, string bytes downward.
//
//      0        times_at  hashes_at  changes_at  rows_at            string_begin       block_bytes
//      | header | times   | hashes   | changes   | rows ->  (free)  | <- string bytes |
//
// Invariants
//   rows_at + row_capacity * row_size <= string_begin, so that the next row never meets string
//   bytes: as strings come in, row_capacity falls every long string of a counted row points into
//   [string_begin, block_bytes), or into the overflow a batch with an overflow has one row and no
//   room
// Threads: its owner's; channels hand it on.
#include "runtime/flow/flow.h"

#include <string.h>

#define ROWS_MAX   65535u // a selection's row numbers have 16 bits
#define BLOCK_MAX  (1u << 30)
#define RECORD_MAX ((1u << 20) + (64u << 10))

// ---- layout ----

// Places `rows` rows and their columns; returns where they end.
static size_t layout_place(struct wr_batch_layout *layout, uint32_t rows)
{
    const size_t row_align = layout->type->align > 16 ? layout->type->align : 16;
    const size_t n         = rows;
    size_t       at        = wr_round_up(sizeof(struct wr_batch), 8);

    layout->times_at = (uint32_t)at;
    at += (layout->columns & WR_COLUMN_TIME) != 0 ? n * sizeof(weir_time) : 0;
    layout->hashes_at = (uint32_t)at;
    at += (layout->columns & WR_COLUMN_HASH) != 0 ? n * sizeof(uint64_t) : 0;
    layout->changes_at = (uint32_t)at;
    at += (layout->columns & WR_COLUMN_CHANGE) != 0 ? n : 0;
    at              = wr_round_up(at, row_align);
    layout->rows_at = (uint32_t)at;
    return at + n * layout->row_size;
}

static uint32_t layout_row_bytes(const struct wr_batch_layout *layout)
{
    return layout->row_size + ((layout->columns & WR_COLUMN_TIME) != 0 ? 8 : 0) +
           ((layout->columns & WR_COLUMN_HASH) != 0 ? 8 : 0) +
           ((layout->columns & WR_COLUMN_CHANGE) != 0 ? 1 : 0);
}

struct wr_batch_layout wr_batch_layout_of(const weir_type *type, uint32_t columns,
                                          uint32_t block_bytes)
{
    WR_ASSERT(type->size > 0 && type->size < BLOCK_MAX && block_bytes <= BLOCK_MAX);
    WR_ASSERT(type->align <= WR_CACHE_LINE && type->size % type->align == 0);
    struct wr_batch_layout layout = {
        .type     = type,
        .strings  = wr_strings_of(type),
        .row_size = type->size,
        .columns  = columns,
    };
    const uint32_t most = block_bytes / layout_row_bytes(&layout);
    uint32_t       rows = most < ROWS_MAX ? most : ROWS_MAX;
    while (rows > 1 && layout_place(&layout, rows) > block_bytes) {
        rows--;
    }
    layout.row_capacity = rows > 1 ? rows : 1;
    const size_t end    = layout_place(&layout, layout.row_capacity);
    const size_t bytes  = wr_round_up(end > block_bytes ? end : block_bytes, WR_CACHE_LINE);
    layout.block_bytes  = (uint32_t)bytes;
    return layout;
}

void wr_batch_layout_fini(struct wr_batch_layout *layout) { wr_strings_fini(&layout->strings); }

// ---- one batch ----

struct wr_batch *wr_batch_open(const struct wr_batch_layout *layout)
{
    char            *block = wr_alloc_aligned(layout->block_bytes, WR_CACHE_LINE);
    struct wr_batch *batch = (struct wr_batch *)(void *)block;
    batch->row_size        = layout->row_size;
    batch->rows            = block + layout->rows_at;
    if ((layout->columns & WR_COLUMN_TIME) != 0) {
        batch->times = (weir_time *)(void *)(block + layout->times_at);
    }
    if ((layout->columns & WR_COLUMN_HASH) != 0) {
        batch->hashes    = (uint64_t *)(void *)(block + layout->hashes_at);
        batch->hashed_by = layout->hashed_by;
    }
    if ((layout->columns & WR_COLUMN_CHANGE) != 0) {
        batch->changes = (uint8_t *)(block + layout->changes_at);
    }
    wr_batch_clear(batch, layout);
    return batch;
}

void wr_batch_close(struct wr_batch *batch)
{
    if (batch != NULL) {
        wr_free(batch->overflow);
        wr_free(batch);
    }
}

// A header-only batch has no rows and stays without room.
void wr_batch_clear(struct wr_batch *batch, const struct wr_batch_layout *layout)
{
    if (batch->overflow != NULL) {
        wr_free(batch->overflow);
        batch->overflow = NULL;
    }
    batch->row_count    = 0;
    batch->row_capacity = batch->rows != NULL ? layout->row_capacity : 0;
    batch->string_begin = layout->block_bytes;
    batch->watermark    = WEIR_TIME_MIN;
    batch->control      = WR_CONTROL_NONE;
    batch->is_idle      = false;
    batch->barrier      = 0;
    batch->next         = NULL;
}

// ---- strings ----

static size_t row_limit(const struct wr_batch_layout *layout)
{
    return layout->max_record_bytes != 0 ? layout->max_record_bytes : RECORD_MAX;
}

bool wr_batch_row_fits_never(const struct wr_batch_layout *layout, const void *row)
{
    return layout->row_size + wr_strings_long_bytes(&layout->strings, row) > row_limit(layout);
}

// The first row of a batch, whose strings are larger than the block.
static void batch_seal_in_overflow(struct wr_batch *batch, const struct wr_batch_layout *layout,
                                   size_t bytes)
{
    WR_ASSERT(batch->overflow == NULL);
    WR_ASSERT(layout->row_size + bytes <= row_limit(layout)); // the caller rejects it
    batch->overflow = wr_alloc(bytes);
    wr_strings_move(&layout->strings, wr_batch_row(batch, 0), batch->overflow);
    batch->row_count = 1;
}

bool wr_batch_seal_row(struct wr_batch *batch, const struct wr_batch_layout *layout)
{
    WR_ASSERT(batch->row_count < batch->row_capacity && batch->overflow == NULL);
    void        *row   = wr_batch_row(batch, batch->row_count);
    const size_t bytes = wr_strings_long_bytes(&layout->strings, row);
    if (bytes == 0) {
        batch->row_count++;
        return true;
    }
    const size_t rows_end = layout->rows_at + (size_t)(batch->row_count + 1) * batch->row_size;
    WR_CHECK(rows_end <= batch->string_begin);
    if (bytes > batch->string_begin - rows_end) {
        if (batch->row_count > 0) {
            return false;
        }
        batch_seal_in_overflow(batch, layout, bytes);
        return true;
    }
    batch->string_begin -= (uint32_t)bytes;
    wr_strings_move(&layout->strings, row, (char *)batch + batch->string_begin);
    batch->row_count++;
    const uint32_t rows_fit = (batch->string_begin - layout->rows_at) / batch->row_size;
    batch->row_capacity     = rows_fit < batch->row_capacity ? rows_fit : batch->row_capacity;
    return true;
}

// ---- copying ----

static inline __attribute__((always_inline)) void
gather(char *to, const char *from, const uint16_t *selection, uint32_t count, size_t size)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(to + i * size, from + selection[i] * size, size);
    }
}

// A constant size becomes a few moves; a variable one is a call for each row.
static void gather_rows(char *to, const char *from, const uint16_t *selection, uint32_t count,
                        uint32_t size)
{
    switch (size) {
    case 1: gather(to, from, selection, count, 1); break;
    case 4: gather(to, from, selection, count, 4); break;
    case 8: gather(to, from, selection, count, 8); break;
    case 16: gather(to, from, selection, count, 16); break;
    case 24: gather(to, from, selection, count, 24); break;
    case 32: gather(to, from, selection, count, 32); break;
    case 40: gather(to, from, selection, count, 40); break;
    case 48: gather(to, from, selection, count, 48); break;
    case 56: gather(to, from, selection, count, 56); break;
    case 64: gather(to, from, selection, count, 64); break;
    default: gather(to, from, selection, count, size); break;
    }
}

// Rows `selection[0..count)`, or from `first` on, of the array `from` to the array `to`.
static void copy_part(void *to, const void *from, const uint16_t *selection, uint32_t first,
                      uint32_t count, uint32_t size)
{
    if (selection == NULL) {
        memcpy(to, (const char *)from + (size_t)first * size, (size_t)count * size);
    } else {
        gather_rows(to, from, selection, count, size);
    }
}

// A stream without the column has inserts only, and says so where the column exists.
static void copy_columns(struct wr_batch *to, const struct wr_batch *from,
                         const uint16_t *selection, uint32_t first, uint32_t count)
{
    const uint32_t at = to->row_count;
    if (to->times != NULL && from->times != NULL) {
        copy_part(to->times + at, from->times, selection, first, count, sizeof(*to->times));
    }
    if (to->hashes != NULL && from->hashes != NULL) {
        copy_part(to->hashes + at, from->hashes, selection, first, count, sizeof(*to->hashes));
    }
    if (to->changes != NULL && from->changes != NULL) {
        copy_part(to->changes + at, from->changes, selection, first, count, 1);
    } else if (to->changes != NULL) {
        memset(to->changes + at, WR_INSERT, count);
    }
}

// With strings the room shrinks as rows come in, so that each is asked for by itself.
static uint32_t copy_rows_with_strings(struct wr_batch *to, const struct wr_batch_layout *layout,
                                       const struct wr_batch *from, const uint16_t *selection,
                                       uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (wr_batch_room(to) == 0) {
            return i;
        }
        const uint32_t row = selection != NULL ? selection[i] : first + i;
        memcpy(wr_batch_row(to, to->row_count), wr_batch_row(from, row), to->row_size);
        copy_columns(to, from, NULL, row, 1);
        if (!wr_batch_seal_row(to, layout)) {
            return i;
        }
    }
    return count;
}

uint32_t wr_batch_copy_rows(struct wr_batch *to, const struct wr_batch_layout *layout,
                            const struct wr_batch *from, const uint16_t *selection, uint32_t first,
                            uint32_t count)
{
    WR_ASSERT(to->row_size == from->row_size && to != from);
    WR_ASSERT(selection != NULL || (uint64_t)first + count <= from->row_count);
    WR_CHECK(selection == NULL || count == 0 || selection[count - 1] < from->row_count);
    if (layout->strings.count > 0) {
        return copy_rows_with_strings(to, layout, from, selection, first, count);
    }
    const uint32_t room  = wr_batch_room(to);
    const uint32_t taken = count < room ? count : room;
    if (taken > 0) {
        copy_part(wr_batch_row(to, to->row_count), from->rows, selection, first, taken,
                  to->row_size);
        copy_columns(to, from, selection, first, taken);
        to->row_count += taken;
    }
    return taken;
}

// ---- the walk ----

static bool string_is_valid(const struct wr_batch *batch, const struct wr_batch_layout *layout,
                            const weir_str *string)
{
    if (weir_str_is_inline(string)) {
        return true;
    }
    const char *bytes = weir_str_bytes(string);
    if (memcmp(bytes, string->head, sizeof(string->head)) != 0) {
        return false;
    }
    if (batch->overflow != NULL) {
        return bytes >= batch->overflow && string->length <= row_limit(layout);
    }
    const char *block = (const char *)batch;
    return bytes >= block + batch->string_begin &&
           bytes + string->length <= block + layout->block_bytes;
}

static bool rows_are_valid(const struct wr_batch *batch, const struct wr_batch_layout *layout)
{
    for (uint32_t row = 0; row < batch->row_count; row++) {
        const char *record = wr_batch_row(batch, row);
        for (uint32_t s = 0; s < layout->strings.count; s++) {
            const void *string = record + layout->strings.offsets[s];
            if (!string_is_valid(batch, layout, string)) {
                return false;
            }
        }
        if (batch->changes != NULL && batch->changes[row] > WR_UPDATE_BEFORE) {
            return false;
        }
        if (batch->times != NULL &&
            (batch->times[row] < WEIR_TIME_MIN || batch->times[row] > WEIR_TIME_MAX)) {
            return false;
        }
    }
    return true;
}

static bool column_is_valid(const struct wr_batch *batch, const void *column, bool is_present,
                            uint32_t at)
{
    return column == (is_present ? (const char *)batch + at : NULL);
}

static bool header_is_valid(const struct wr_batch *batch, const struct wr_batch_layout *layout)
{
    return batch->watermark >= WEIR_TIME_MIN && batch->watermark <= WEIR_TIME_MAX &&
           batch->control <= WR_CONTROL_END && batch->row_count <= batch->row_capacity &&
           batch->row_capacity <= layout->row_capacity;
}

bool wr_batch_is_valid(const struct wr_batch *batch, const struct wr_batch_layout *layout)
{
    if (!header_is_valid(batch, layout)) {
        return false;
    }
    if (batch->rows == NULL) {
        return batch->row_capacity == 0 && batch->overflow == NULL;
    }
    const size_t   rows_end = layout->rows_at + (size_t)batch->row_capacity * layout->row_size;
    const uint32_t columns  = layout->columns;
    return batch->row_size == layout->row_size &&
           batch->rows == (const char *)batch + layout->rows_at &&
           column_is_valid(batch, batch->times, (columns & WR_COLUMN_TIME) != 0,
                           layout->times_at) &&
           column_is_valid(batch, batch->hashes, (columns & WR_COLUMN_HASH) != 0,
                           layout->hashes_at) &&
           column_is_valid(batch, batch->changes, (columns & WR_COLUMN_CHANGE) != 0,
                           layout->changes_at) &&
           batch->string_begin <= layout->block_bytes && rows_end <= batch->string_begin &&
           (batch->overflow == NULL || batch->row_count == 1) && rows_are_valid(batch, layout);
}

// Rows into batches and back: what fits, what compresses, and that no bytes lead outside.
#include "log/pack.h"

#include <criterion/criterion.h>
#include <weir/call.h>

#define SEED 5u

typedef struct point {
    weir_time at;
    uint64_t  value;
} point;
WEIR_RECORD(point, at, value);

typedef struct note {
    uint8_t  level; // padding behind
    weir_str text;
    weir_str more;
} note;
WEIR_RECORD(note, level, text, more);

typedef struct tiny {
    char bytes[3];
} tiny;
WEIR_RECORD(tiny, bytes);

struct packed {
    struct wr_row_shape        shape;
    struct wr_batch_builder    builder;
    struct wr_log_batch_header header;
    char                      *batch, *buffer;
    size_t                     capacity;
    struct wr_unpacked         unpacked;
    const char                *reason;
};

static void packed_init(struct packed *packed, const weir_type *type, size_t target)
{
    *packed = (struct packed){ 0 };
    wr_row_shape_init(&packed->shape, type, "at");
    wr_batch_builder_init(&packed->builder, &packed->shape, target);
}

static void packed_fini(struct packed *packed)
{
    wr_free(packed->batch);
    wr_free(packed->buffer);
    wr_batch_builder_fini(&packed->builder);
    wr_row_shape_fini(&packed->shape);
}

static size_t add(struct packed *packed, const void *rows, const uint8_t *changes, size_t count)
{
    bool         is_too_long;
    const size_t taken = wr_batch_builder_add(&packed->builder, rows, changes, count, &is_too_long);
    cr_expect_not(is_too_long);
    return taken;
}

static void finish(struct packed *packed, weir_compression compression)
{
    wr_free(packed->batch);
    packed->header = (struct wr_log_batch_header){ 0 };
    packed->batch  = wr_batch_builder_finish(&packed->builder, compression, SEED, &packed->header);
}

static bool unpack(struct packed *packed)
{
    return wr_batch_unpack(packed->batch + WR_BATCH_HEADER_BYTES, &packed->header, &packed->shape,
                           &packed->buffer, &packed->capacity, &packed->unpacked, &packed->reason);
}

Test(builder, takes_rows_up_to_its_target)
{
    static const point rows[100];
    struct packed      packed;
    packed_init(&packed, &point_type, (sizeof(point) + 5) * 10);
    cr_expect_eq(add(&packed, rows, NULL, 4), 4);
    cr_expect_eq(add(&packed, rows, NULL, 100), 6);
    cr_expect_eq(add(&packed, rows, NULL, 100), 0);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.rows, 10);
    cr_expect_eq(packed.header.bytes, 256);
    cr_expect_eq(add(&packed, rows, NULL, 100), 10);
    packed_fini(&packed);
}

Test(builder, takes_one_row_however_small_its_target)
{
    const note    rows[2] = { { 1, weir_str_from("a string that is a long one"), { 0 } },
                              { 2, weir_str_from("short"), { 0 } } };
    struct packed packed;
    packed_init(&packed, &note_type, 1);
    cr_expect_eq(add(&packed, rows, NULL, 2), 1);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_assert(unpack(&packed));
    cr_expect(
        weir_str_equal(&((const note *)(const void *)packed.unpacked.rows)->text, &rows[0].text));
    packed_fini(&packed);
}

Test(builder, counts_long_strings)
{
    const weir_str text    = weir_str_from("20 bytes of a string");
    const note     rows[4] = { { 1, text, text }, { 2, text, text }, { 3, text, text } };
    struct packed  packed;
    packed_init(&packed, &note_type, 2 * (sizeof(note) + 5 + 40));
    cr_expect_eq(add(&packed, rows, NULL, 3), 2);
    packed_fini(&packed);
    packed_init(&packed, &note_type, 2 * (sizeof(note) + 5 + 40) - 1);
    cr_expect_eq(add(&packed, rows, NULL, 3), 1);
    packed_fini(&packed);
}

Test(builder, tells_of_a_row_that_no_batch_can_hold)
{
    const size_t  most      = WR_BATCH_BYTES_MAX / 2 - sizeof(note);
    char *const   text      = wr_alloc(most + 1);
    const note    short_one = { 0 };
    note          row       = { 1, weir_str_of(text, most), { 0 } };
    bool          is_too_long;
    struct packed packed;
    packed_init(&packed, &note_type, 1000);
    cr_expect_eq(add(&packed, &row, NULL, 1), 1);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_leq(packed.header.bytes, WR_BATCH_BYTES_MAX);
    row.text = weir_str_of(text, most + 1);
    cr_expect_eq(add(&packed, &short_one, NULL, 1), 1);
    cr_expect_eq(add(&packed, &row, NULL, 1), 0, "not into this one, and that is no fault");
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(wr_batch_builder_add(&packed.builder, &row, NULL, 1, &is_too_long), 0);
    cr_expect(is_too_long);
    wr_free(text);
    packed_fini(&packed);
}

Test(builder, notes_the_least_and_the_greatest_time)
{
    const point   rows[3] = { { 5, 0 }, { -3, 0 }, { 4, 0 } };
    const point   odd     = { INT64_MAX, 0 };
    struct packed packed;
    packed_init(&packed, &point_type, 1000);
    add(&packed, rows, NULL, 3);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.least_time, -3);
    cr_expect_eq(packed.header.greatest_time, 5);
    add(&packed, &odd, NULL, 1);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.least_time, WEIR_TIME_MAX);
    cr_expect_eq(packed.header.greatest_time, WEIR_TIME_MAX);
    packed_fini(&packed);
}

Test(builder, of_a_type_without_time_notes_none)
{
    const tiny    row = { "ab" };
    struct packed packed;
    packed_init(&packed, &tiny_type, 1000);
    add(&packed, &row, NULL, 1);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.least_time, WEIR_TIME_MAX);
    cr_expect_eq(packed.header.greatest_time, WEIR_TIME_MIN);
    packed_fini(&packed);
}

Test(builder, keeps_changes_from_the_first_that_is_no_insert)
{
    const point   rows[3]    = { { 1, 1 }, { 2, 2 }, { 3, 3 } };
    const uint8_t inserts[3] = { 0, 0, 0 };
    const uint8_t changes[3] = { 0, WEIR_DELETE, 0 };
    struct packed packed;
    packed_init(&packed, &point_type, 1000);
    add(&packed, rows, inserts, 3);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.flags, 0);
    add(&packed, rows, NULL, 3);
    add(&packed, rows, changes, 3);
    add(&packed, rows, NULL, 3);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.flags, WR_BATCH_HAS_CHANGES);
    cr_assert(unpack(&packed));
    cr_expect(memcmp(packed.unpacked.changes, "\0\0\0\0\2\0\0\0\0", 9) == 0);
    packed_fini(&packed);
}

Test(builder, takes_rows_that_are_picked)
{
    const point    rows[3]    = { { 1, 10 }, { 2, 20 }, { 3, 30 } };
    const uint8_t  changes[3] = { 0, 1, 2 };
    const uint32_t picks[4]   = { 2, 0, 2, 1 };
    bool           is_too_long;
    struct packed  packed;
    packed_init(&packed, &point_type, 1000);
    cr_expect_eq(
        wr_batch_builder_add_picked(&packed.builder, rows, changes, picks, 4, &is_too_long), 4);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_assert(unpack(&packed));
    const point *const made = (const void *)packed.unpacked.rows;
    cr_expect(made[0].value == 30 && made[1].value == 10 && made[2].value == 30 &&
              made[3].value == 20);
    cr_expect(memcmp(packed.unpacked.changes, "\2\0\2\1", 4) == 0);
    packed_fini(&packed);
}

Test(builder, puts_zeros_between_fields)
{
    note          rows[2];
    struct packed packed;
    memset(rows, 0xee, sizeof(rows));
    rows[0].level = 1;
    rows[0].text = rows[0].more = weir_str_from("x");
    packed_init(&packed, &note_type, 1000);
    add(&packed, rows, NULL, 1);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect(memcmp(packed.batch + WR_BATCH_HEADER_BYTES, "\1\0\0\0\0\0\0\0\1\0\0\0x", 13) == 0);
    packed_fini(&packed);
}

Test(builder, aligns_deltas_and_spans_them)
{
    static const uint32_t deltas[3] = { 1, 4, 9 };
    const tiny            rows[3]   = { { "ab" }, { "cd" }, { "ef" } };
    struct packed         packed;
    packed_init(&packed, &tiny_type, 1000);
    add(&packed, rows, NULL, 3);
    packed.builder.deltas = deltas;
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_eq(packed.header.span, 10);
    cr_expect_eq(packed.header.unpacked_bytes, 12 + 12);
    cr_assert(unpack(&packed));
    cr_expect(memcmp(packed.unpacked.deltas, deltas, sizeof(deltas)) == 0);
    cr_expect_null(packed.builder.deltas, "the next batch has none");
    packed_fini(&packed);
}

static void check_compression(weir_compression compression)
{
    point         same[64] = { { 0, 0 } };
    point         odd[64];
    struct packed packed;
    for (uint64_t i = 0; i < 64; i++) {
        odd[i] = (point){ (weir_time)(wr_mix64(i, 1) >> 2), wr_mix64(i, 2) };
    }
    packed_init(&packed, &point_type, 4000);
    add(&packed, same, NULL, 64);
    finish(&packed, compression);
    cr_expect_eq(packed.header.compression, compression);
    cr_expect_lt(packed.header.bytes, 256);
    cr_assert(unpack(&packed));
    cr_expect(memcmp(packed.unpacked.rows, same, sizeof(same)) == 0);
    add(&packed, odd, NULL, 64);
    finish(&packed, compression);
    cr_expect_eq(packed.header.compression, WEIR_COMPRESSION_NONE, "random bytes do not shrink");
    cr_assert(unpack(&packed));
    cr_expect(memcmp(packed.unpacked.rows, odd, sizeof(odd)) == 0);
    packed_fini(&packed);
}

Test(compression, by_lz4_is_kept_only_if_it_shrinks) { check_compression(WEIR_COMPRESSION_LZ4); }
Test(compression, by_zstd_is_kept_only_if_it_shrinks) { check_compression(WEIR_COMPRESSION_ZSTD); }

// A batch of two notes with long strings; its text begins at `*text`.
static void pack_notes(struct packed *packed, weir_compression compression, uint32_t *text)
{
    const weir_str string  = weir_str_from("20 bytes of a string");
    const note     rows[2] = { { 1, string, string }, { 2, string, string } };
    packed_init(packed, &note_type, 1000);
    add(packed, rows, NULL, 2);
    finish(packed, compression);
    *text = 2 * (uint32_t)sizeof(note);
}

// Whether the notes are taken after their first string says it has so many bytes, at such a place.
static bool are_taken(uint64_t place, uint32_t length)
{
    struct packed packed;
    uint32_t      text;
    pack_notes(&packed, WEIR_COMPRESSION_NONE, &text);
    char *const string = packed.batch + WR_BATCH_HEADER_BYTES + offsetof(note, text);
    memcpy(string, &length, 4);
    memcpy(string + offsetof(weir_str, rest), &place, 8);
    const bool is_taken = unpack(&packed);
    cr_expect_eq(is_taken, packed.reason == NULL);
    packed_fini(&packed);
    return is_taken;
}

Test(unpack, refuses_strings_outside_of_the_batch)
{
    const uint64_t begin = 2 * sizeof(note);
    const uint64_t end   = begin + 80;
    cr_expect(are_taken(begin, 20));
    cr_expect(are_taken(begin, 80));
    cr_expect_not(are_taken(begin, 81));
    cr_expect_not(are_taken(begin - 1, 20));
    cr_expect(are_taken(end - 13, 13));
    cr_expect_not(are_taken(end - 12, 13));
    cr_expect_not(are_taken(end + 1, 13));
    cr_expect_not(are_taken(UINT64_MAX, UINT32_MAX));
    cr_expect(are_taken(UINT64_MAX, 12), "a short one is where it is");
}

Test(unpack, refuses_rows_that_are_not_as_long_as_the_payload)
{
    const point   rows[4] = { { 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 } };
    struct packed packed;
    packed_init(&packed, &point_type, 1000);
    add(&packed, rows, NULL, 4);
    finish(&packed, WEIR_COMPRESSION_NONE);
    packed.header.rows = 3;
    cr_expect_not(unpack(&packed));
    packed.header.rows = 5;
    cr_expect_not(unpack(&packed));
    packed.header.rows  = 4;
    packed.header.flags = WR_BATCH_HAS_CHANGES;
    cr_expect_not(unpack(&packed));
    packed.header.flags = 0;
    packed.header.kind  = WR_BATCH_MARK;
    cr_expect_not(unpack(&packed));
    packed.header.kind = WR_BATCH_ROWS;
    cr_expect(unpack(&packed));
    packed_fini(&packed);
}

static bool is_taken_with_deltas(uint32_t first, uint32_t second, uint32_t span)
{
    const uint32_t deltas[2] = { first, second };
    const point    rows[2]   = { { 1, 1 }, { 2, 2 } };
    struct packed  packed;
    packed_init(&packed, &point_type, 1000);
    add(&packed, rows, NULL, 2);
    packed.builder.deltas = deltas;
    finish(&packed, WEIR_COMPRESSION_NONE);
    packed.header.span  = span;
    const bool is_taken = unpack(&packed);
    packed_fini(&packed);
    return is_taken;
}

Test(unpack, refuses_offsets_that_do_not_rise_within_the_span)
{
    cr_expect(is_taken_with_deltas(0, 1, 2));
    cr_expect_not(is_taken_with_deltas(0, 2, 2));
    cr_expect_not(is_taken_with_deltas(1, 1, 9));
    cr_expect_not(is_taken_with_deltas(2, 1, 9));
    cr_expect(is_taken_with_deltas(UINT32_MAX - 2, UINT32_MAX - 1, UINT32_MAX));
}

Test(unpack, refuses_unknown_changes)
{
    const point   rows[2]    = { { 1, 1 }, { 2, 2 } };
    uint8_t       changes[2] = { 0, WEIR_UPDATE_BEFORE };
    struct packed packed;
    packed_init(&packed, &point_type, 1000);
    add(&packed, rows, changes, 2);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect(unpack(&packed));
    changes[1] = WEIR_UPDATE_BEFORE + 1;
    add(&packed, rows, changes, 2);
    finish(&packed, WEIR_COMPRESSION_NONE);
    cr_expect_not(unpack(&packed));
    packed_fini(&packed);
}

// Whether a compressed batch is taken after its block says it has `more` bytes more, and the header
// that its payload was so many longer.
static bool is_decompressed(weir_compression compression, uint32_t more, uint32_t longer)
{
    const point   rows[64] = { { 0, 0 } };
    struct packed packed;
    uint32_t      block;
    packed_init(&packed, &point_type, 4000);
    add(&packed, rows, NULL, 64);
    finish(&packed, compression);
    cr_assert_eq(packed.header.compression, compression);
    memcpy(&block, packed.batch + WR_BATCH_HEADER_BYTES, 4);
    block += more;
    memcpy(packed.batch + WR_BATCH_HEADER_BYTES, &block, 4);
    packed.header.unpacked_bytes += longer;
    const bool is_taken = unpack(&packed);
    packed_fini(&packed);
    return is_taken;
}

Test(unpack, refuses_blocks_that_are_not_what_the_header_says)
{
    for (uint32_t compression = 1; compression <= 2; compression++) {
        const weir_compression by = (weir_compression)compression;
        cr_expect(is_decompressed(by, 0, 0));
        cr_expect_not(is_decompressed(by, UINT32_MAX, 0)); // one byte less
        cr_expect_not(is_decompressed(by, 1000, 0));
        cr_expect_not(is_decompressed(by, 0, 16));
        cr_expect_not(is_decompressed(by, 0, 1u << 25));
        cr_expect_not(is_decompressed(by, 0, UINT32_MAX - 15));
    }
}

Test(unpack, works_in_place_where_rows_are_aligned)
{
    struct packed packed;
    uint32_t      text;
    pack_notes(&packed, WEIR_COMPRESSION_NONE, &text);
    cr_assert(unpack(&packed));
    cr_expect_eq(packed.unpacked.rows, packed.batch + WR_BATCH_HEADER_BYTES);
    cr_expect_null(packed.buffer);
    packed_fini(&packed);
}

Test(unpack, aligns_rows_that_are_not)
{
    struct packed packed;
    uint32_t      text;
    pack_notes(&packed, WEIR_COMPRESSION_NONE, &text);
    char *const moved = wr_alloc_aligned(packed.header.bytes, 64);
    memcpy(moved + 4, packed.batch + WR_BATCH_HEADER_BYTES, packed.header.unpacked_bytes);
    cr_assert(wr_batch_unpack(moved + 4, &packed.header, &packed.shape, &packed.buffer,
                              &packed.capacity, &packed.unpacked, &packed.reason));
    cr_expect_eq((uintptr_t)packed.unpacked.rows % 8, 0);
    const note *const rows = (const void *)packed.unpacked.rows;
    cr_expect(memcmp(weir_str_bytes(&rows[1].more), "20 bytes of a string", 20) == 0);
    wr_free(moved);
    packed_fini(&packed);
}

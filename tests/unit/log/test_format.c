// Headers and footers: each field that makes no sense is refused, also behind a right checksum, and
// what is just within its limits is not.
#include "log/format.h"

#include <criterion/criterion.h>
#include <weir/log.h>

#define SEED 77u

static const struct wr_log_place place = { { { 1, 2 } }, { { 3 } }, 4 };

// ---- batch headers ----

static struct wr_log_batch_header rows_header(void)
{
    return (struct wr_log_batch_header){ .bytes          = 128,
                                         .base_offset    = 100,
                                         .rows           = 4,
                                         .span           = 4,
                                         .kind           = WR_BATCH_ROWS,
                                         .unpacked_bytes = 32 };
}

static struct wr_log_batch_header mark_header(void)
{
    return (struct wr_log_batch_header){ .bytes = 96, .base_offset = 100, .kind = WR_BATCH_MARK };
}

static enum wr_batch_check decode(const struct wr_log_batch_header *header, size_t length)
{
    static char                bytes[256];
    struct wr_log_batch_header decoded;
    const char                *reason = NULL;
    wr_batch_header_encode(header, SEED, bytes);
    const enum wr_batch_check check =
        wr_batch_header_decode(bytes, length, SEED, &decoded, &reason);
    cr_expect((reason == NULL) == (check == WR_BATCH_VALID));
    cr_expect((decoded.bytes == header->bytes) ==
              (check == WR_BATCH_VALID || (check == WR_BATCH_SHORT && length >= 96)));
    return check;
}

static bool is_taken(const struct wr_log_batch_header *header)
{
    const enum wr_batch_check check = decode(header, WR_BATCH_BYTES_MAX + 64);
    cr_expect(check == WR_BATCH_VALID || check == WR_BATCH_INVALID);
    return check == WR_BATCH_VALID;
}

Test(batch_header, is_read_as_it_was_written)
{
    const struct wr_log_batch_header header = { .bytes          = 160,
                                                .payload_crc    = 1,
                                                .base_offset    = UINT64_MAX - 9,
                                                .rows           = 3,
                                                .span           = 9,
                                                .epoch          = 5,
                                                .schema         = 6,
                                                .kind           = WR_BATCH_ROWS,
                                                .compression    = WEIR_COMPRESSION_ZSTD,
                                                .flags          = WR_BATCH_HAS_DELTAS,
                                                .unpacked_bytes = 8000,
                                                .durable_upto   = 9,
                                                .transaction    = 10,
                                                .least_time     = -11,
                                                .greatest_time  = 12,
                                                .appended       = 13,
                                                .cut            = 14 };
    struct wr_log_batch_header       decoded;
    const char                      *reason;
    char                             bytes[160] = { 0 };
    char                             again[96];
    wr_batch_header_encode(&header, SEED, bytes);
    cr_assert(wr_batch_header_decode(bytes, 160, SEED, &decoded, &reason) == WR_BATCH_VALID);
    wr_batch_header_encode(&decoded, SEED, again);
    cr_expect(memcmp(bytes, again, 96) == 0);
    cr_expect_eq(decoded.base_offset, UINT64_MAX - 9);
    cr_expect_eq(decoded.least_time, -11);
    cr_expect_eq(decoded.cut, 14);
}

Test(batch_header, lies_where_the_format_says)
{
    struct wr_log_batch_header header = rows_header();
    char                       bytes[96];
    uint32_t                   crc, length;
    header.kind = WR_BATCH_ROWS;
    header.cut  = 0x0102030405060708;
    wr_batch_header_encode(&header, SEED, bytes);
    memcpy(&crc, bytes + 4, 4);
    memcpy(&length, bytes + 8, 4);
    cr_expect(memcmp(bytes, "wrb1", 4) == 0);
    cr_expect_eq(crc, wr_crc32c(SEED, bytes + 8, 88));
    cr_expect_eq(length, 128);
    cr_expect_eq(bytes[38], WR_BATCH_ROWS);
    cr_expect(memcmp(bytes + 88, "\x08\x07\x06\x05\x04\x03\x02\x01", 8) == 0);
}

Test(batch_header, is_short_where_the_bytes_end_before_the_batch)
{
    const struct wr_log_batch_header header = rows_header();
    cr_expect(decode(&header, 0) == WR_BATCH_SHORT);
    cr_expect(decode(&header, 95) == WR_BATCH_SHORT);
    cr_expect(decode(&header, 96) == WR_BATCH_SHORT);
    cr_expect(decode(&header, 127) == WR_BATCH_SHORT);
    cr_expect(decode(&header, 128) == WR_BATCH_VALID);
}

Test(batch_header, of_zeros_is_told_from_a_damaged_one)
{
    char                       bytes[96] = { 0 };
    struct wr_log_batch_header header;
    const char                *reason;
    cr_expect(wr_batch_header_decode(bytes, 96, SEED, &header, &reason) == WR_BATCH_ZEROS);
    bytes[95] = 1;
    cr_expect(wr_batch_header_decode(bytes, 96, SEED, &header, &reason) == WR_BATCH_INVALID);
}

Test(batch_header, of_another_partition_does_not_parse)
{
    const struct wr_log_batch_header header = rows_header();
    struct wr_log_batch_header       decoded;
    const char                      *reason;
    char                             bytes[128] = { 0 };
    wr_batch_header_encode(&header, SEED, bytes);
    cr_expect(wr_batch_header_decode(bytes, 128, SEED + 1, &decoded, &reason) == WR_BATCH_INVALID);
}

Test(batch_header, has_a_length_that_is_a_multiple_of_32)
{
    struct wr_log_batch_header header = rows_header();
    header.bytes                      = 129;
    cr_expect_not(is_taken(&header));
    header.bytes = 64;
    cr_expect_not(is_taken(&header));
    header.bytes = 160; // not that of 32 bytes
    cr_expect_not(is_taken(&header));
    header.unpacked_bytes = 33;
    cr_expect(is_taken(&header));
    header.unpacked_bytes = 64;
    cr_expect(is_taken(&header));
    header.unpacked_bytes = 65;
    cr_expect_not(is_taken(&header));
}

Test(batch_header, is_of_64_mib_at_most)
{
    struct wr_log_batch_header header = rows_header();
    header.bytes                      = WR_BATCH_BYTES_MAX;
    header.unpacked_bytes             = WR_BATCH_BYTES_MAX - 96;
    cr_expect(is_taken(&header));
    header.bytes += 32;
    header.unpacked_bytes += 32;
    cr_expect_not(is_taken(&header));
    header.bytes       = 128; // compressed from too much
    header.compression = WEIR_COMPRESSION_LZ4;
    cr_expect_not(is_taken(&header));
    header.unpacked_bytes -= 32;
    cr_expect(is_taken(&header));
}

Test(batch_header, says_of_a_compressed_payload_that_it_became_shorter)
{
    struct wr_log_batch_header header = rows_header();
    header.compression                = WEIR_COMPRESSION_LZ4;
    cr_expect_not(is_taken(&header));
    header.unpacked_bytes = 33;
    cr_expect(is_taken(&header));
    header.compression = WEIR_COMPRESSION_ZSTD;
    cr_expect(is_taken(&header));
    header.compression = WEIR_COMPRESSION_ZSTD + 1;
    cr_expect_not(is_taken(&header));
}

Test(batch_header, has_no_more_rows_than_offsets)
{
    struct wr_log_batch_header header = rows_header();
    header.rows                       = 5;
    cr_expect_not(is_taken(&header));
    header.span = 5;
    cr_expect(is_taken(&header));
    header.rows = 0;
    cr_expect(is_taken(&header));
    header.span = 0;
    cr_expect_not(is_taken(&header));
}

Test(batch_header, has_offsets_that_are_numbers)
{
    struct wr_log_batch_header header = rows_header();
    header.base_offset                = UINT64_MAX - 4;
    cr_expect(is_taken(&header));
    header.base_offset++;
    cr_expect_not(is_taken(&header));
}

Test(batch_header, is_of_a_known_kind)
{
    struct wr_log_batch_header header = rows_header();
    header.kind                       = 0;
    cr_expect_not(is_taken(&header));
    header.kind = 4;
    cr_expect_not(is_taken(&header));
    header.kind = WR_BATCH_ROWS;
    cr_expect(is_taken(&header));
}

Test(batch_header, has_the_flags_of_its_kind)
{
    struct wr_log_batch_header header = rows_header();
    header.flags                      = WR_BATCH_HAS_DELTAS | WR_BATCH_HAS_CHANGES;
    cr_expect(is_taken(&header));
    header.flags = WR_BATCH_IS_CLEAN;
    cr_expect_not(is_taken(&header));
    header.flags = 8;
    cr_expect_not(is_taken(&header));
    header       = mark_header();
    header.flags = WR_BATCH_IS_CLEAN;
    cr_expect(is_taken(&header));
    header.flags = WR_BATCH_HAS_CHANGES;
    cr_expect_not(is_taken(&header));
}

Test(batch_header, has_times_in_their_range_and_order)
{
    struct wr_log_batch_header header = rows_header();
    header.least_time                 = WEIR_TIME_MIN;
    header.greatest_time              = WEIR_TIME_MAX;
    cr_expect(is_taken(&header));
    header.least_time--;
    cr_expect_not(is_taken(&header));
    header.least_time = WEIR_TIME_MIN;
    header.greatest_time++;
    cr_expect_not(is_taken(&header));
    header.least_time    = 6;
    header.greatest_time = 6;
    cr_expect(is_taken(&header));
    header.greatest_time = 5;
    cr_expect_not(is_taken(&header));
    header.least_time    = WEIR_TIME_MAX; // none
    header.greatest_time = WEIR_TIME_MIN;
    cr_expect(is_taken(&header));
    header.appended = WEIR_TIME_MAX + 1;
    cr_expect_not(is_taken(&header));
}

Test(batch_header, of_a_mark_has_no_rows_and_no_payload)
{
    struct wr_log_batch_header header = mark_header();
    cr_expect(is_taken(&header));
    header.span = 1;
    cr_expect_not(is_taken(&header));
    header.rows = 1;
    cr_expect_not(is_taken(&header));
    header             = mark_header();
    header.transaction = 1;
    cr_expect_not(is_taken(&header));
    header                = mark_header();
    header.bytes          = 128;
    header.unpacked_bytes = 32;
    cr_expect_not(is_taken(&header));
}

Test(batch_payload, is_checked_with_its_padding)
{
    struct wr_log_batch_header header     = rows_header();
    char                       bytes[128] = { 0 };
    header.payload_crc                    = wr_batch_payload_crc(bytes + 96, 32, SEED);
    cr_expect(wr_batch_payload_is_valid(bytes, &header, SEED));
    cr_expect_not(wr_batch_payload_is_valid(bytes, &header, SEED + 1));
    bytes[127] = 1;
    cr_expect_not(wr_batch_payload_is_valid(bytes, &header, SEED));
}

// ---- segment headers ----

static struct wr_segment_header segment_header(void)
{
    return (struct wr_segment_header){ .format      = WR_LOG_FORMAT,
                                       .log         = place.log,
                                       .topic       = place.topic,
                                       .partition   = place.partition,
                                       .epoch       = 5,
                                       .generation  = 6,
                                       .base_offset = 7,
                                       .created     = 8 };
}

static bool segment_is_taken(const struct wr_segment_header *header)
{
    char                      bytes[WR_SEGMENT_HEADER_BYTES];
    struct wr_segment_header  decoded;
    const char               *reason;
    const struct wr_log_place own  = { header->log, header->topic, header->partition };
    const uint32_t            seed = wr_log_crc_seed(&own);
    wr_segment_header_encode(header, seed, bytes);
    const bool is_taken = wr_segment_header_decode(bytes, seed, &decoded, &reason);
    cr_expect(is_taken == (reason == NULL));
    return is_taken;
}

Test(segment_header, is_read_as_it_was_written)
{
    char                           bytes[WR_SEGMENT_HEADER_BYTES];
    const struct wr_segment_header header = segment_header();
    struct wr_segment_header       decoded;
    const char                    *reason;
    const uint32_t                 seed = wr_log_crc_seed(&place);
    wr_segment_header_encode(&header, seed, bytes);
    cr_expect(memcmp(bytes, "weirseg1", 8) == 0);
    cr_assert(wr_segment_header_decode(bytes, seed, &decoded, &reason));
    cr_expect(memcmp(&decoded.topic, &place.topic, 16) == 0);
    cr_expect(memcmp(&decoded.log, &place.log, 16) == 0);
    cr_expect_eq(decoded.partition, 4);
    cr_expect_eq(decoded.epoch, 5);
    cr_expect_eq(decoded.generation, 6);
    cr_expect_eq(decoded.base_offset, 7);
    cr_expect_eq(decoded.created, 8);
}

Test(segment_header, of_another_partition_is_told_from_a_damaged_one)
{
    char                           bytes[WR_SEGMENT_HEADER_BYTES];
    const struct wr_segment_header header = segment_header();
    struct wr_segment_header       decoded;
    const char                    *other = NULL, *damaged = NULL;
    const uint32_t                 seed = wr_log_crc_seed(&place);
    wr_segment_header_encode(&header, seed, bytes);
    cr_expect_not(wr_segment_header_decode(bytes, seed + 1, &decoded, &other));
    bytes[4095] = 1;
    cr_expect_not(wr_segment_header_decode(bytes, seed, &decoded, &damaged));
    cr_expect(strcmp(other, damaged) != 0);
}

Test(segment_header, that_makes_no_sense_is_refused)
{
    struct wr_segment_header header = segment_header();
    cr_expect(segment_is_taken(&header));
    header.format = WR_LOG_FORMAT + 1;
    cr_expect_not(segment_is_taken(&header));
    header         = segment_header();
    header.created = WEIR_TIME_MAX;
    cr_expect(segment_is_taken(&header));
    header.created++;
    cr_expect_not(segment_is_taken(&header));
}

static bool segment_bytes_are_taken(const char *bytes, uint32_t seed)
{
    struct wr_segment_header decoded;
    const char              *reason;
    return wr_segment_header_decode(bytes, seed, &decoded, &reason);
}

Test(segment_header, ends_in_zeros)
{
    char                           bytes[WR_SEGMENT_HEADER_BYTES];
    const struct wr_segment_header header = segment_header();
    const uint32_t                 seed   = wr_log_crc_seed(&place);
    wr_segment_header_encode(&header, seed, bytes);
    bytes[76]          = 1;
    const uint32_t crc = wr_crc32c(seed, bytes + 12, WR_SEGMENT_HEADER_BYTES - 12);
    memcpy(bytes + 8, &crc, 4);
    cr_expect_not(segment_bytes_are_taken(bytes, seed));
}

Test(segment_header, that_lost_any_bit_is_refused)
{
    char                           bytes[WR_SEGMENT_HEADER_BYTES];
    const struct wr_segment_header header = segment_header();
    const uint32_t                 seed   = wr_log_crc_seed(&place);
    wr_segment_header_encode(&header, seed, bytes);
    for (size_t i = 0; i < 8 * sizeof(bytes); i++) {
        bytes[i / 8] = (char)(bytes[i / 8] ^ (1 << i % 8));
        cr_assert_not(segment_bytes_are_taken(bytes, seed), "bit %zu", i);
        bytes[i / 8] = (char)(bytes[i / 8] ^ (1 << i % 8));
    }
}

// ---- the footer ----

static void index_with(struct wr_segment_index *index, uint32_t batches, uint32_t bytes)
{
    uint64_t position = WR_SEGMENT_HEADER_BYTES;
    wr_segment_index_init(index, 10);
    for (uint32_t i = 0; i < batches; i++) {
        const struct wr_log_batch_header header = { .bytes       = bytes,
                                                    .base_offset = 10 + 3 * (uint64_t)i,
                                                    .rows        = 2,
                                                    .span        = 3,
                                                    .kind        = WR_BATCH_ROWS,
                                                    .transaction = i,
                                                    .flags      = i == 1 ? WR_BATCH_HAS_CHANGES : 0,
                                                    .least_time = 100 - (weir_time)i,
                                                    .greatest_time = 100 + (weir_time)i,
                                                    .appended      = 50 + (weir_time)i };
        wr_segment_index_add(index, &header, position);
        position += bytes;
    }
}

Test(index, sums_up_its_batches)
{
    struct wr_segment_index index;
    index_with(&index, 3, 128);
    cr_expect_eq(index.end_offset, 19);
    cr_expect_eq(index.rows, 6);
    cr_expect_eq(index.bytes, 4096 + 3 * 128);
    cr_expect_eq(index.least_time, 98);
    cr_expect_eq(index.greatest_time, 102);
    cr_expect_eq(index.first_appended, 50);
    cr_expect_eq(index.last_appended, 52);
    cr_expect_eq(index.transaction_batches, 2);
    cr_expect_eq(index.changes, 2);
    cr_expect_eq(index.count, 1);
    wr_segment_index_fini(&index);
}

Test(index, has_an_entry_every_64_kib)
{
    struct wr_segment_index index;
    index_with(&index, 5, WR_INDEX_STRIDE);
    cr_expect_eq(index.count, 5);
    cr_expect_eq(index.entries[4].offset, 22);
    cr_expect_eq(index.entries[4].position, 4096 + 4 * WR_INDEX_STRIDE);
    cr_expect_eq(index.entries[4].latest, 103);
    cr_expect_eq(index.entries[0].latest, WEIR_TIME_MIN);
    wr_segment_index_fini(&index);
    index_with(&index, 5, WR_INDEX_STRIDE - 32);
    cr_expect_eq(index.count, 3);
    wr_segment_index_fini(&index);
}

Test(index, of_a_long_segment_has_fewer_entries_farther_apart)
{
    struct wr_segment_index index;
    index_with(&index, WR_INDEX_ENTRIES_MAX, WR_INDEX_STRIDE);
    cr_expect_eq(index.count, WR_INDEX_ENTRIES_MAX);
    wr_segment_index_fini(&index);
    index_with(&index, WR_INDEX_ENTRIES_MAX + 1, WR_INDEX_STRIDE);
    cr_expect_eq(index.count, WR_INDEX_ENTRIES_MAX / 2 + 1);
    cr_expect_eq(index.stride, 2 * WR_INDEX_STRIDE);
    cr_expect_eq(index.entries[1].offset, 16);
    wr_segment_index_fini(&index);
}

static char *footer_of(uint32_t batches, struct wr_log_batch_header *header)
{
    struct wr_segment_index index;
    size_t                  bytes;
    const char             *reason;
    index_with(&index, batches, WR_INDEX_STRIDE);
    char *const footer = wr_footer_encode(
        &index, &(struct wr_log_batch_header){ .epoch = 9, .cut = 8, .appended = 7 }, SEED, &bytes);
    cr_assert(wr_batch_header_decode(footer, bytes, SEED, header, &reason) == WR_BATCH_VALID);
    cr_expect(wr_batch_payload_is_valid(footer, header, SEED));
    wr_segment_index_fini(&index);
    return footer;
}

Test(footer, is_read_as_it_was_written)
{
    for (uint32_t batches = 0; batches < 6; batches++) {
        struct wr_log_batch_header header;
        struct wr_segment_index    index;
        char *const                footer = footer_of(batches, &header);
        cr_assert(wr_footer_decode(footer, &header, &index));
        cr_expect_eq(index.count, batches);
        cr_expect_eq(index.end_offset, 10 + 3 * (uint64_t)batches);
        cr_expect_eq(header.base_offset, index.end_offset);
        cr_expect_eq(header.epoch, 9);
        cr_expect_eq(header.cut, 8);
        cr_expect_eq(header.appended, 7);
        wr_segment_index_fini(&index);
        wr_free(footer);
    }
}

Test(footer, says_at_its_end_where_it_begins)
{
    struct wr_log_batch_header header;
    char *const                footer = footer_of(3, &header);
    uint32_t                   tail[2];
    memcpy(tail, footer + header.bytes - 8, 8);
    cr_expect_eq(tail[0], header.bytes);
    cr_expect_eq(tail[1], WR_FOOTER_MAGIC);
    wr_free(footer);
}

// Whether a footer of three entries is taken after the bytes at `at` were changed.
static bool is_taken_with(size_t at, uint64_t value, size_t bytes)
{
    struct wr_log_batch_header header;
    struct wr_segment_index    index;
    char *const                footer = footer_of(3, &header);
    memcpy(footer + at, &value, bytes);
    const bool is_taken = wr_footer_decode(footer, &header, &index);
    cr_expect(is_taken || index.entries == NULL);
    wr_segment_index_fini(&index);
    wr_free(footer);
    return is_taken;
}

Test(footer, that_makes_no_sense_is_refused)
{
    struct wr_log_batch_header header;
    char *const                footer = footer_of(3, &header);
    const size_t               totals = header.bytes - 80;
    wr_free(footer);
    cr_expect(is_taken_with(96, 10, 8)); // as it was
    cr_expect_not(is_taken_with(96, 13, 8), "two entries of one offset");
    cr_expect_not(is_taken_with(96 + 2 * 24, 19, 8), "an entry at the end");
    cr_expect_not(is_taken_with(96 + 8, 4064, 8), "an entry in the header");
    cr_expect_not(is_taken_with(96 + 8, 4097, 8), "an entry that is not aligned");
    cr_expect_not(is_taken_with(96 + 16, 101, 8), "a latest time that falls");
    cr_expect_not(is_taken_with(96 + 3 * 24, 1, 1), "padding that is not zero");
    cr_expect_not(is_taken_with(totals, 20, 8), "an end that is not the footer's offset");
    cr_expect_not(is_taken_with(totals + 8, 20, 8), "more rows than offsets");
    cr_expect_not(is_taken_with(totals + 16, 4096, 8), "entries behind the batches");
    cr_expect_not(is_taken_with(totals + 24, UINT64_MAX / 2, 8), "an impossible time");
    cr_expect_not(is_taken_with(totals + 64, 2, 4), "fewer entries than there is room for");
    cr_expect_not(is_taken_with(totals + 64, UINT32_MAX, 4), "more than there can be");
    cr_expect_not(is_taken_with(totals + 68, 1, 4), "a number where there is none");
    cr_expect_not(is_taken_with(totals + 72, 32, 4), "another length");
    cr_expect_not(is_taken_with(totals + 76, 1, 4), "another magic number");
}

// ---- seeds ----

Test(format, seeds_of_checksums_differ_by_log_topic_and_partition_and_are_never_zero)
{
    struct wr_log_place other = place;
    const uint32_t      seed  = wr_log_crc_seed(&place);
    cr_expect(seed != 0);
    other.log.bytes[15] = 1;
    cr_expect(wr_log_crc_seed(&other) != seed);
    other                 = place;
    other.topic.bytes[15] = 1;
    cr_expect(wr_log_crc_seed(&other) != seed);
    for (uint32_t partition = 0; partition < 1024; partition++) {
        other           = place;
        other.partition = partition;
        cr_expect((wr_log_crc_seed(&other) == seed) == (partition == place.partition));
    }
}

#include "runtime/checkpoint/block.h"

#include <criterion/criterion.h>
#include <string.h>

#define OFFSET  4096u
#define PAYLOAD 13u

static const struct wr_file_id id = { 12, 3, 7 };

// A sealed block, in a buffer that a test may damage.
static struct wr_block_header make(char *block)
{
    struct wr_block_header header = {
        .prefix = 5ull << 61, .depth = 3, .table = 2, .entries = 4, .bytes = PAYLOAD
    };
    memset(block, 0xaa, WR_BLOCK_HEADER_BYTES + 16);
    memcpy(block + WR_BLOCK_HEADER_BYTES, "thirteen byte", PAYLOAD);
    wr_block_seal(block, &id, OFFSET, &header);
    return header;
}

// Whether it reads as a block at all.
static bool is_read(const char *block, const struct wr_file_id *as, uint64_t offset)
{
    struct wr_block_header found;
    return wr_block_header_decode(block, as, offset, &found) == NULL &&
           wr_block_payload_is_valid(block, as, offset, &found);
}

Test(block, is_read_as_it_was_written)
{
    char                         block[128];
    struct wr_block_header       found;
    const struct wr_block_header header = make(block);
    cr_assert(wr_block_header_decode(block, &id, OFFSET, &found) == NULL);
    cr_assert(found.prefix == header.prefix && found.depth == header.depth);
    cr_assert(found.table == header.table && found.entries == header.entries);
    cr_assert(found.bytes == header.bytes && found.crc == header.crc);
    cr_assert(wr_block_payload_is_valid(block, &id, OFFSET, &found));
    cr_assert_eq(wr_block_bytes(PAYLOAD), 64 + 16);
}

Test(block, lies_where_the_format_says)
{
    static const unsigned char expected[] = { 'w', 'c', 'b', '1' };
    char                       block[128];
    uint64_t                   words[7];
    (void)make(block);
    memcpy(words, block + 8, sizeof(words));
    cr_assert_eq(memcmp(block, expected, 4), 0);
    cr_assert_eq(words[0], 12);
    cr_assert_eq(words[1], 3 | 7ull << 32);
    cr_assert_eq(words[2], OFFSET);
    cr_assert_eq(words[3], 5ull << 61);
    cr_assert_eq(words[4], 3 | 2ull << 32);
    cr_assert_eq(words[5], 4 | (uint64_t)PAYLOAD << 32);
    cr_assert_eq(words[6] >> 32, 0);
}

Test(block, with_any_bit_flipped_does_not_parse)
{
    char block[128];
    (void)make(block);
    for (uint32_t bit = 0; bit < wr_block_bytes(PAYLOAD) * 8; bit++) {
        block[bit / 8] = (char)(block[bit / 8] ^ (1 << bit % 8));
        cr_assert(!is_read(block, &id, OFFSET), "bit %u", bit);
        block[bit / 8] = (char)(block[bit / 8] ^ (1 << bit % 8));
    }
    cr_assert(is_read(block, &id, OFFSET));
}

Test(block, of_another_file_or_place_is_told_from_a_damaged_one)
{
    const struct wr_file_id others[] = { { 13, 3, 7 }, { 12, 4, 7 }, { 12, 3, 8 }, { 12, 3, 7 } };
    char                    block[128];
    struct wr_block_header  found;
    (void)make(block);
    for (uint32_t i = 0; i < WR_COUNT_OF(others); i++) {
        const uint64_t offset = i == 3 ? OFFSET + 8 : OFFSET;
        cr_assert_eq(wr_block_header_decode(block, &others[i], offset, &found), wr_state_foreign);
    }
    block[30]          = (char)(block[30] ^ 1);
    const char *reason = wr_block_header_decode(block, &id, OFFSET, &found);
    cr_assert(reason != NULL && reason != wr_state_foreign);
}

Test(block, and_trailer_of_zeros_never_parse)
{
    const char             zeros[WR_BLOCK_HEADER_BYTES] = { 0 };
    struct wr_block_header header;
    struct wr_trailer      trailer;
    for (uint64_t offset = 0; offset < 1 << 16; offset += 8) {
        cr_assert(wr_block_header_decode(zeros, &id, offset, &header) != NULL);
        cr_assert(wr_trailer_decode(zeros, &id, offset, &trailer) != NULL);
        cr_assert_neq(wr_state_seed(&id, offset), 0);
    }
}

Test(trailer, is_read_as_it_was_written_and_with_no_bit_flipped)
{
    const struct wr_trailer trailer = {
        .index_offset = 800, .index_bytes = 123, .block_count = 9, .index_crc = 0x12345678
    };
    struct wr_trailer found;
    char              bytes[WR_TRAILER_BYTES];
    wr_trailer_encode(&trailer, &id, 928, bytes);
    cr_assert(wr_trailer_decode(bytes, &id, 928, &found) == NULL);
    cr_assert_eq(found.index_offset, 800);
    cr_assert_eq(found.index_bytes, 123);
    cr_assert_eq(found.block_count, 9);
    cr_assert_eq(found.index_crc, 0x12345678);
    for (uint32_t bit = 0; bit < WR_TRAILER_BYTES * 8; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        cr_assert(wr_trailer_decode(bytes, &id, 928, &found) != NULL, "bit %u", bit);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
    }
}

Test(trailer, whose_index_does_not_end_where_it_begins_is_refused)
{
    const struct wr_trailer trailer = { .index_offset = 800, .index_bytes = 500 };
    struct wr_trailer       found;
    char                    bytes[WR_TRAILER_BYTES];
    wr_trailer_encode(&trailer, &id, 928, bytes);
    cr_assert(wr_trailer_decode(bytes, &id, 928, &found) != NULL);
}

Test(state_file_name, is_read_in_one_way_of_writing_it_only)
{
    static const char *const wrong[] = { "",
                                         "c12-e3-t7",
                                         "c0000000012-e00003-t00007x",
                                         "c00000000012-e00003-t00007",
                                         "c0000000012-e00003",
                                         "c0000000012-e00003-t",
                                         "C0000000012-e00003-t00007",
                                         "c-000000012-e00003-t00007",
                                         "c99999999999999999999-e00003-t00007" };
    struct wr_file_id        found;
    char                     name[WR_STATE_NAME_BYTES];
    wr_state_name(&id, name);
    cr_assert_str_eq(name, "c0000000012-e00003-t00007");
    cr_assert(wr_state_name_parse(name, &found) && wr_file_id_is(&found, &id));
    const struct wr_file_id most = { UINT64_MAX, UINT32_MAX, UINT32_MAX };
    wr_state_name(&most, name);
    cr_assert(wr_state_name_parse(name, &found) && wr_file_id_is(&found, &most));
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        cr_assert(!wr_state_name_parse(wrong[i], &found), "%s", wrong[i]);
    }
}

#include "runtime/checkpoint/block.h"

#include "runtime/base/checksum.h"
#include "runtime/base/text_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MAGIC   0x31626377u // "wcb1"
#define TRAILER_MAGIC 0x31746377u // "wct1"
#define CRC_FROM      8u          // of a header and a trailer: what the crc is of

static void put_u32(char *to, uint32_t value) { memcpy(to, &value, sizeof(value)); }
static void put_u64(char *to, uint64_t value) { memcpy(to, &value, sizeof(value)); }

static uint32_t get_u32(const char *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static uint64_t get_u64(const char *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

const char wr_state_foreign[] = "it belongs to another file or another place";

// ---- names ----

void wr_state_name(const struct wr_file_id *id, char *name)
{
    (void)snprintf(name, WR_STATE_NAME_BYTES, "c%010" PRIu64 "-e%05" PRIu32 "-t%05" PRIu32,
                   id->checkpoint, id->epoch, id->task);
}

// A number after `letter`, with zeros in front or without; they are judged as a whole.
static bool take_part(const char **text, const char *letter, uint64_t most, uint64_t *number)
{
    if (!wr_text_take_word(text, letter)) {
        return false;
    }
    while (**text == '0' && (*text)[1] >= '0' && (*text)[1] <= '9') {
        (*text)++;
    }
    return wr_text_take_number(text, most, number);
}

bool wr_state_name_parse(const char *name, struct wr_file_id *id)
{
    const char *at = name;
    uint64_t    checkpoint, epoch, task;
    char        again[WR_STATE_NAME_BYTES];
    if (!take_part(&at, "c", UINT64_MAX, &checkpoint) ||
        !take_part(&at, "-e", UINT32_MAX, &epoch) || !take_part(&at, "-t", UINT32_MAX, &task)) {
        return false;
    }
    *id = (struct wr_file_id){ checkpoint, (uint32_t)epoch, (uint32_t)task };
    wr_state_name(id, again);
    return strcmp(name, again) == 0;
}

// ---- what headers and trailers have in common ----

uint32_t wr_state_seed(const struct wr_file_id *id, uint64_t offset)
{
    char bytes[24];
    put_u64(bytes, id->checkpoint);
    put_u32(bytes + 8, id->epoch);
    put_u32(bytes + 12, id->task);
    put_u64(bytes + 16, offset);
    const uint32_t seed = wr_crc32c(0, bytes, sizeof(bytes));
    return seed != 0 ? seed : 1;
}

// Magic, identity and offset; the crc comes last.
static void head_encode(char *to, uint32_t magic, const struct wr_file_id *id, uint64_t offset)
{
    put_u32(to, magic);
    put_u64(to + 8, id->checkpoint);
    put_u32(to + 16, id->epoch);
    put_u32(to + 20, id->task);
    put_u64(to + 24, offset);
}

static void head_seal(char *to, const struct wr_file_id *id, uint64_t offset)
{
    put_u32(to + 4,
            wr_crc32c(wr_state_seed(id, offset), to + CRC_FROM, WR_BLOCK_HEADER_BYTES - CRC_FROM));
}

static const char *head_check(const char *from, uint32_t magic, const struct wr_file_id *id,
                              uint64_t offset)
{
    const struct wr_file_id found = { get_u64(from + 8), get_u32(from + 16), get_u32(from + 20) };
    const uint32_t          crc   = get_u32(from + 4);
    if (get_u32(from) != magic) {
        return "its magic number is another";
    }
    if (crc ==
        wr_crc32c(wr_state_seed(id, offset), from + CRC_FROM, WR_BLOCK_HEADER_BYTES - CRC_FROM)) {
        return wr_file_id_is(&found, id) && get_u64(from + 24) == offset
                   ? NULL
                   : "its checksum is right, and its identity is another";
    }
    // Right by itself: whole, and in the wrong place.
    const bool is_elsewhere = crc == wr_crc32c(wr_state_seed(&found, get_u64(from + 24)),
                                               from + CRC_FROM, WR_BLOCK_HEADER_BYTES - CRC_FROM);
    return is_elsewhere ? wr_state_foreign : "its checksum is wrong";
}

// ---- blocks ----

void wr_block_seal(char *block, const struct wr_file_id *id, uint64_t offset,
                   struct wr_block_header *header)
{
    const size_t padded = wr_round_up(header->bytes, WR_BLOCK_ALIGN);
    WR_ASSERT(header->bytes <= WR_BLOCK_PAYLOAD_MAX && offset % WR_BLOCK_ALIGN == 0);
    WR_ASSERT(header->depth <= 64 && (header->depth == 64 || header->prefix << header->depth == 0));
    memset(block, 0, WR_BLOCK_HEADER_BYTES);
    memset(block + WR_BLOCK_HEADER_BYTES + header->bytes, 0, padded - header->bytes);
    header->crc = wr_crc32c(wr_state_seed(id, offset), block + WR_BLOCK_HEADER_BYTES, padded);
    head_encode(block, BLOCK_MAGIC, id, offset);
    put_u64(block + 32, header->prefix);
    put_u32(block + 40, header->depth);
    put_u32(block + 44, header->table);
    put_u32(block + 48, header->entries);
    put_u32(block + 52, header->bytes);
    put_u32(block + 56, header->crc);
    head_seal(block, id, offset);
}

const char *wr_block_header_decode(const char *from, const struct wr_file_id *id, uint64_t offset,
                                   struct wr_block_header *header)
{
    const char *const reason = head_check(from, BLOCK_MAGIC, id, offset);
    *header                  = (struct wr_block_header){
                         .prefix  = get_u64(from + 32),
                         .depth   = get_u32(from + 40),
                         .table   = get_u32(from + 44),
                         .entries = get_u32(from + 48),
                         .bytes   = get_u32(from + 52),
                         .crc     = get_u32(from + 56),
    };
    if (reason != NULL) {
        return reason;
    }
    const bool is_prefix =
        header->depth == 64 || (header->depth < 64 && header->prefix << header->depth == 0);
    return is_prefix && header->bytes <= WR_BLOCK_PAYLOAD_MAX && get_u32(from + 60) == 0
               ? NULL
               : "its checksum is right, and its fields make no sense together";
}

bool wr_block_payload_is_valid(const char *block, const struct wr_file_id *id, uint64_t offset,
                               const struct wr_block_header *header)
{
    return header->crc == wr_crc32c(wr_state_seed(id, offset), block + WR_BLOCK_HEADER_BYTES,
                                    wr_round_up(header->bytes, WR_BLOCK_ALIGN));
}

// ---- trailers ----

void wr_trailer_encode(const struct wr_trailer *trailer, const struct wr_file_id *id,
                       uint64_t offset, char *to)
{
    memset(to, 0, WR_TRAILER_BYTES);
    head_encode(to, TRAILER_MAGIC, id, offset);
    put_u64(to + 32, trailer->index_offset);
    put_u64(to + 40, trailer->index_bytes);
    put_u32(to + 48, trailer->index_crc);
    put_u32(to + 52, WR_STATE_FORMAT);
    put_u64(to + 56, trailer->block_count);
    head_seal(to, id, offset);
}

const char *wr_trailer_decode(const char *from, const struct wr_file_id *id, uint64_t offset,
                              struct wr_trailer *trailer)
{
    const char *const reason = head_check(from, TRAILER_MAGIC, id, offset);
    *trailer                 = (struct wr_trailer){
                        .index_offset = get_u64(from + 32),
                        .index_bytes  = get_u64(from + 40),
                        .index_crc    = get_u32(from + 48),
                        .block_count  = get_u64(from + 56),
    };
    if (reason != NULL) {
        return reason;
    }
    if (get_u32(from + 52) != WR_STATE_FORMAT) {
        return "its format is another one than this program knows: use a newer one";
    }
    return trailer->index_offset <= offset && trailer->index_offset % WR_BLOCK_ALIGN == 0 &&
                   trailer->index_bytes <= offset &&
                   trailer->index_offset + wr_round_up(trailer->index_bytes, WR_BLOCK_ALIGN) ==
                       offset
               ? NULL
               : "its checksum is right, and its index does not end where it begins";
}

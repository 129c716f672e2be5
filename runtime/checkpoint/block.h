// block: what lies in a state file, byte by byte. Everything is little-endian.
//
//   state file   [block][block] ... [block][index][zeros up to a multiple of 8][trailer, 64 bytes]
//   block        [header, 64 bytes][payload][zeros up to a multiple of 8]
//   its name     c0000000012-e00003-t00000: checkpoint, epoch, task; each in decimal, with as many
//                digits at least
//
// Block header                            Trailer, the last 64 bytes of the file
//    0  u32 magic "wcb1"                     0  u32 magic "wct1"
//    4  u32 crc of bytes 8 to 63             4  u32 crc of bytes 8 to 63
//    8  u64 checkpoint                       8  u64 checkpoint
//   16  u32 epoch                           16  u32 epoch
//   20  u32 task                            20  u32 task
//   24  u64 offset of the block             24  u64 offset of the trailer
//   32  u64 prefix of the hashes in it      32  u64 offset of the index
//   40  u32 bits of the prefix              40  u64 bytes of the index
//   44  u32 number of its table             48  u32 crc of the index
//   48  u32 entries                         52  u32 format (1)
//   52  u32 bytes of the payload            56  u64 blocks
//   56  u32 crc of payload and zeros
//   60  zeros
//
// The payload is an image, one segment of a table as the table packs it; the index is index.h's.
//
// Validity. Every crc is CRC-32C over the bytes named, begun with a seed: the CRC-32C of checkpoint
// (u64), epoch (u32), task (u32) and the offset (u64) of the block, the index or the trailer, or 1
// if that is zero. So a block of another file, or of another place in the same one, does not parse,
// nor do zeros. The blocks lie one behind the other from offset 0 to the index.
//
// Crash argument. A state file is created with O_EXCL, written once from front to back, synced, and
// never opened for writing again; its name has the epoch of the process, so that no two ever write
// the same. Only a published manifest makes it count, and that is written after the file and its
// directory entry are synced. So a file that a manifest names is whole, or damaged; a file that
// none names is a leftover, whatever is in it.
//
// Who refers to it keeps its checksum too: the manifest that of the index, the index those of the
// payloads. A block that was exchanged for one with the same identity is found by that.
#ifndef WR_BLOCK_H
#define WR_BLOCK_H

#include "runtime/base/base.h"

#define WR_BLOCK_HEADER_BYTES 64u
#define WR_TRAILER_BYTES      64u
#define WR_BLOCK_ALIGN        8u
#define WR_BLOCK_PAYLOAD_MAX  (1u << 30)
#define WR_STATE_FORMAT       1u
#define WR_STATE_NAME_BYTES   64u

// What a state file is: of which checkpoint and task, and written by which process.
struct wr_file_id {
    uint64_t checkpoint;
    uint32_t epoch;
    uint32_t task;
};

struct wr_block_header {
    uint64_t prefix; // the first `depth` bits of the hash of all its entries, at the top; then 0
    uint32_t depth;
    uint32_t table;
    uint32_t entries;
    uint32_t bytes; // of the payload
    uint32_t crc;   // of the payload
};

struct wr_trailer {
    uint64_t index_offset, index_bytes;
    uint64_t block_count;
    uint32_t index_crc;
};

// The bytes that a block with such a payload takes in a file.
static inline uint64_t wr_block_bytes(uint32_t payload_bytes)
{
    return WR_BLOCK_HEADER_BYTES + wr_round_up(payload_bytes, WR_BLOCK_ALIGN);
}

static inline bool wr_file_id_is(const struct wr_file_id *id, const struct wr_file_id *other)
{
    return id->checkpoint == other->checkpoint && id->epoch == other->epoch &&
           id->task == other->task;
}

// `name` has WR_STATE_NAME_BYTES.
void wr_state_name(const struct wr_file_id *id, char *name);
bool wr_state_name_parse(const char *name, struct wr_file_id *id);

// What the checksums of what lies at `offset` of the file begin with; never 0.
uint32_t wr_state_seed(const struct wr_file_id *id, uint64_t offset);

// The reason for what is whole, and lies in the wrong file or place.
extern const char wr_state_foreign[];

// `block` has room for a header, then the payload, then up to 7 bytes more. Writes the header and
// the zeros, and sets header->crc.
void wr_block_seal(char *block, const struct wr_file_id *id, uint64_t offset,
                   struct wr_block_header *header);
// The header at `from`, WR_BLOCK_HEADER_BYTES of which are there. NULL if it is the one of the
// block at `offset` of the file; else why not (static).
const char *wr_block_header_decode(const char *from, const struct wr_file_id *id, uint64_t offset,
                                   struct wr_block_header *header);
// Whether payload and zeros, which follow the valid header at `block`, are what was written.
bool wr_block_payload_is_valid(const char *block, const struct wr_file_id *id, uint64_t offset,
                               const struct wr_block_header *header);

void wr_trailer_encode(const struct wr_trailer *trailer, const struct wr_file_id *id,
                       uint64_t offset, char *to); // WR_TRAILER_BYTES
// As wr_block_header_decode; also that index and trailer lie one behind the other.
const char *wr_trailer_decode(const char *from, const struct wr_file_id *id, uint64_t offset,
                              struct wr_trailer *trailer);

#endif // WR_BLOCK_H

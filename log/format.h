// format: what lies in a segment file, byte by byte. Everything is little-endian.
//
//   segment   [header, 4,096 bytes][batch][batch] ... [batch][zeros, room set aside]
//   sealed    [header, 4,096 bytes][batch][batch] ... [footer]              and not one byte more
//   batch     [header, 96 bytes][payload][zeros up to a multiple of 32]
//
// Segment header                          Batch header
//    0  magic "weirseg1"                     0  u32 magic "wrb1"
//    8  u32 crc of bytes 12 to 4,095         4  u32 crc of bytes 8 to 95
//   12  u32 format (1)                       8  u32 bytes of the whole batch
//   16  u8[16] log id                       12  u32 crc of bytes 96 to the end of the batch
//   32  u8[16] topic id                     16  u64 base offset
//   48  u32 partition                       24  u32 rows
//   52  u32 epoch it was begun in           28  u32 span: offsets it covers, >= rows
//   56  u64 base offset                     32  u32 epoch it was written in
//   64  i64 created, wall clock             36  u16 schema version of the rows
//   72  u32 generation: 0, or 1 + that      38  u8 kind
//       of what compaction made it of       39  u8 compression
//   76  zeros                               40  u32 flags
//                                           44  u32 payload bytes when unpacked
//                                           48  u64 durable_upto
//                                           56  u64 transaction, 0: none
//                                           64  i64 least time of its rows
//                                           72  i64 greatest time of its rows
//                                           80  i64 appended, wall clock
//                                           88  u64 cut: how often the partition was truncated
//                                               from an offset
//
// A payload that is not compressed is its unpacked bytes; one that is has in front of its block how
// long that is, as u32 (see log/pack.h). All times lie within [WEIR_TIME_MIN, WEIR_TIME_MAX]; least
// and greatest are MAX and MIN where the rows' type has no time, until the writer sets others.
//
// Validity. Every crc is CRC-32C over the bytes named, begun with the segment's seed: the CRC-32C
// of log id, topic id and partition (u32), or 1 if that is zero. So a batch of another log, topic
// or partition does not parse, nor do zeros. A batch belongs where it is if its base offset is the
// end (base + span) of the one before, its epoch is not below it, and it fits in the file.
//
// Crash argument. A partition's records are durable below D, the greatest durable_upto of any valid
// batch of it (of a sealed segment: its end). Bytes that are no valid batch are damage if they are
// before D, and a torn tail, never acknowledged, if they are behind it. Only the last segment may
// have a tail. durable_upto is the durable end known when the batch was written, so a batch cannot
// vouch for itself: the last acknowledged ones are vouched for by the next batch, or by the mark
// that follows after a moment of silence and at a clean close.
#ifndef WR_LOG_FORMAT_H
#define WR_LOG_FORMAT_H

#include "runtime/base/base.h"
#include "runtime/base/checksum.h"
#include <weir/event_time.h>

#define WR_SEGMENT_HEADER_BYTES 4096u
#define WR_BATCH_HEADER_BYTES   96u
#define WR_BATCH_ALIGN          32u
#define WR_BATCH_BYTES_MAX      (64u << 20) // of a whole batch, packed or unpacked
#define WR_LOG_FORMAT           1u

struct wr_log_id {
    uint8_t bytes[16];
};

// Of which partition the bytes are; what seeds the checksums.
struct wr_log_place {
    struct wr_log_id log;
    struct wr_log_id topic;
    uint32_t         partition;
};

enum wr_batch_kind {
    WR_BATCH_ROWS   = 1,
    WR_BATCH_MARK   = 2, // no rows: carries durable_upto
    WR_BATCH_FOOTER = 3  // no rows: ends a sealed segment; its payload is the index
};

enum wr_batch_flag {
    WR_BATCH_HAS_DELTAS  = 1, // u32 a row: its offset less the base
    WR_BATCH_HAS_CHANGES = 2, // u8 a row: weir_change
    WR_BATCH_IS_CLEAN    = 4  // of a mark: the writer closed here
};

struct wr_segment_header {
    uint32_t         format;
    struct wr_log_id log, topic;
    uint32_t         partition, epoch, generation;
    uint64_t         base_offset;
    weir_time        created;
};

struct wr_log_batch_header {
    uint32_t  bytes; // of the whole batch, a multiple of WR_BATCH_ALIGN
    uint32_t  payload_crc;
    uint64_t  base_offset;
    uint32_t  rows, span, epoch;
    uint16_t  schema;
    uint8_t   kind, compression;
    uint32_t  flags, unpacked_bytes;
    uint64_t  durable_upto, transaction;
    weir_time least_time, greatest_time, appended;
    uint64_t  cut;
};

// What every checksum of a partition begins with; never 0.
uint32_t wr_log_crc_seed(const struct wr_log_place *place);

// `to` has WR_SEGMENT_HEADER_BYTES.
void wr_segment_header_encode(const struct wr_segment_header *header, uint32_t seed, char *to);
// False, and why in *reason (static): not this partition's, or damaged. `seed` is the expected one.
bool wr_segment_header_decode(const char *from, uint32_t seed, struct wr_segment_header *header,
                              const char **reason);

// Writes the header and its crc; the payload and its padding lie behind it already, and
// header->payload_crc is theirs (wr_batch_payload_crc).
void     wr_batch_header_encode(const struct wr_log_batch_header *header, uint32_t seed, char *to);
uint32_t wr_batch_payload_crc(const char *payload, size_t bytes, uint32_t seed);

enum wr_batch_check {
    WR_BATCH_VALID,
    WR_BATCH_SHORT,  // `length` ends before the batch does (the header is valid if it fits)
    WR_BATCH_ZEROS,  // the header is all zeros
    WR_BATCH_INVALID // anything else; *reason (static) says what
};
// Checks the header at `from`, `length` bytes of which are there: its crc, and that its fields make
// sense together. *header is zeroed, and filled if the header is valid (VALID, and SHORT if it
// fits: then header->bytes is not 0). *reason is NULL if it is VALID.
enum wr_batch_check wr_batch_header_decode(const char *from, size_t length, uint32_t seed,
                                           struct wr_log_batch_header *header, const char **reason);
// Checks the payload that belongs to a valid header; `from` is the batch's start.
bool wr_batch_payload_is_valid(const char *from, const struct wr_log_batch_header *header,
                               uint32_t seed);

// ---- the footer's index ----
//
//   payload   [entries: u64 offset, u64 position, i64 latest][zeros to a multiple of 32]
//             [totals: u64 end offset, u64 rows, u64 bytes, i64 least, i64 greatest time, i64
//             first, i64 last appended, u32 transaction batches, u32 changes, u32 entries, u32
//             zero] [u32 bytes of the footer batch, u32 WR_FOOTER_MAGIC]
//
// So the file's last 8 bytes say where its footer begins. An entry is of a batch with rows: the
// first one, and then of the first that begins `stride` bytes or more behind the entry before (64
// KiB; each time the entries would be more than WR_INDEX_ENTRIES_MAX every other one goes, and it
// doubles).
#define WR_FOOTER_MAGIC      0x31787277u // "wrx1"
#define WR_INDEX_STRIDE      (64u << 10)
#define WR_INDEX_ENTRIES_MAX 32768u

struct wr_index_entry {
    uint64_t  offset;   // base of the batch
    uint64_t  position; // of the batch in the file
    weir_time latest; // greatest time of all batches before it in the segment; WEIR_TIME_MIN: none
};

struct wr_segment_index {
    struct wr_index_entry *entries;
    uint32_t               count, capacity;
    uint64_t               stride;
    // Totals.
    uint64_t  end_offset, rows, bytes;       // bytes: position of the footer
    weir_time least_time, greatest_time;     // of rows; MAX, MIN without any
    weir_time first_appended, last_appended; // of batches with rows; MAX, MIN without any
    uint32_t  transaction_batches;           // batches that belong to a transaction
    uint32_t  changes; // rows of batches that have changes: no more of them are deletions
};

void wr_segment_index_init(struct wr_segment_index *index, uint64_t base_offset);
void wr_segment_index_fini(struct wr_segment_index *index);
// Takes note of the next batch, which lies at `position`.
void wr_segment_index_add(struct wr_segment_index *index, const struct wr_log_batch_header *header,
                          uint64_t position);
// The footer as a whole batch (wr_alloc'ed), its bytes in *bytes. header: epoch, cut, appended,
// durable_upto are the caller's.
char *wr_footer_encode(const struct wr_segment_index    *index,
                       const struct wr_log_batch_header *header, uint32_t seed, size_t *bytes);
// From a valid footer batch into an index that was not begun, or is finished; wr_segment_index_fini
// frees it. False: its payload makes no sense, and *index is empty.
bool wr_footer_decode(const char *from, const struct wr_log_batch_header *header,
                      struct wr_segment_index *index);

#endif // WR_LOG_FORMAT_H

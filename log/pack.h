// pack: rows as the payload of a batch, and back.
//
//   payload, unpacked     [rows][zeros to a multiple of 4, if deltas are flagged]
//                         [deltas: u32 each, if flagged][changes: u8 each, if flagged]
//                         [bytes of long strings]
//   payload, compressed   [u32 bytes of the block][block]
//
// A long weir_str in a row has, in place of its pointer, where its bytes begin in the unpacked
// payload. Bytes between and behind fields are zero, so equal rows are equal bytes. The block is
// the unpacked payload, compressed as one (LZ4 block, Zstandard frame); unpacked_bytes of the
// header says how long it was. Zeros up to the batch's end follow.
#ifndef WR_LOG_PACK_H
#define WR_LOG_PACK_H

#include "log/format.h"
#include "log/schema.h"
#include <weir/log.h>

struct wr_row_part {
    uint32_t at, bytes;
};

// How a type's rows are packed; made once.
struct wr_row_shape {
    const weir_type    *type;
    struct wr_strings   strings;
    bool                is_whole; // no padding: rows are copied as they are
    uint32_t            time_at;  // offset of the time field (time or i64); UINT32_MAX: none
    struct wr_row_part *parts;    // what is copied of a row otherwise
    uint32_t            part_count;
};
void wr_row_shape_init(struct wr_row_shape *shape, const weir_type *type, const char *time_field);
void wr_row_shape_fini(struct wr_row_shape *shape);

// Rows being gathered for one batch. The packed batch is built in place: header room, rows, then
// (kept apart until the end) changes and string bytes.
struct wr_batch_builder {
    const struct wr_row_shape *shape;
    char                      *bytes; // WR_BATCH_HEADER_BYTES of room, then rows
    size_t                     capacity, row_limit;
    uint32_t                   rows;
    uint8_t                   *changes; // of `row_limit` rows; NULL until one is no insert
    char                      *text;    // long strings
    size_t                     text_bytes, text_capacity;
    weir_time                  least_time, greatest_time; // MAX, MIN without rows or time field
    // Offsets of the rows less the base, rising; the caller may set them before it finishes. NULL:
    // 0, 1, 2, ...
    const uint32_t *deltas;
    size_t          target_bytes, last_bytes; // aimed at; of the batch before
};

// For batches of up to about `target_bytes`. May be begun anew after each finish.
void wr_batch_builder_init(struct wr_batch_builder *builder, const struct wr_row_shape *shape,
                           size_t target_bytes);
void wr_batch_builder_fini(struct wr_batch_builder *builder);
// Takes as many of the rows as fit (at least one if it is empty, unless that row alone is over
// WR_BATCH_BYTES_MAX / 2: then 0 and *is_too_long). Returns how many. `rows` are structs of the
// shape's type, `changes` NULL for inserts.
size_t wr_batch_builder_add(struct wr_batch_builder *builder, const void *rows,
                            const uint8_t *changes, size_t count, bool *is_too_long);
// Takes rows number picks[0 .. count - 1] of `rows`, in that order, likewise.
size_t wr_batch_builder_add_picked(struct wr_batch_builder *builder, const void *rows,
                                   const uint8_t *changes, const uint32_t *picks, size_t count,
                                   bool *is_too_long);
// Finishes the payload (strings, padding, compression if it shrinks), empties the builder, and
// gives the whole batch (wr_alloc_aligned to 64, *header->bytes long) without its header; the
// header's fields that the rows decide are set: bytes, payload_crc, rows, span, compression, flags,
// unpacked_bytes, times (kind ROWS). With deltas the span ends after the last row; the caller may
// lengthen it. Base offset, epoch, ... are the caller's, who calls
// wr_batch_header_encode.
char *wr_batch_builder_finish(struct wr_batch_builder *builder, weir_compression compression,
                              uint32_t seed, struct wr_log_batch_header *header);

// An unpacked payload, in the caller's memory. Pointers point into it.
struct wr_unpacked {
    char           *rows;
    const uint32_t *deltas;
    const uint8_t  *changes;
};
// Unpacks a batch whose checksums were right: decompresses into *buffer (NULL at first;
// replaced by a longer one as needed, wr_free frees it; *capacity) or, if it is not compressed,
// works in place in
// `payload`, which it changes (pointers of strings), unless that is not aligned for the rows. The
// header was checked by wr_batch_header_decode, and header->bytes less its own lie at `payload`.
// Checks all lengths and places, so that no
// bytes whatever make it read or write outside. False: *reason (static).
bool wr_batch_unpack(char *payload, const struct wr_log_batch_header *header,
                     const struct wr_row_shape *stored, char **buffer, size_t *capacity,
                     struct wr_unpacked *unpacked, const char **reason);

#endif // WR_LOG_PACK_H

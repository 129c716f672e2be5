// Partials: what is left of some rows of one key and slice, on its way to the window.
//
//   record   | accumulator | key |       columns: time (slice or event), hash (of the key)
//
// And what combine and window share beside them: keys as tables want them.
#ifndef WR_OPERATORS_PARTIAL_H
#define WR_OPERATORS_PARTIAL_H

#include "runtime/base/type.h"
#include "runtime/state/state.h"
#include <weir/bind.h>

// Rows that go through a table in one group.
#define WR_GROUP_ROWS 512u

// The accumulator is at 0. Their record type: wr_partial_layout_of, in operators.h.
uint32_t wr_partial_key_at(const weir_aggregate_binding *aggregate);

// ---- keys of up to WR_GROUP_ROWS rows ----

struct wr_key_block {
    struct wr_key_codec codec;
    uint32_t            width;   // 4, 8 or 16; of WR_KEY_BYTES 0
    char               *fixed;   // rows x width
    const char        **bytes;   // WR_KEY_BYTES: where each key's encoding is
    uint32_t           *lengths; // and how long
    char               *encoded; // encodings made here
    size_t              encoded_bytes;
    char               *structs; // key structs made here
    struct wr_keys      keys;    // for the functions of tables
};

void wr_key_block_init(struct wr_key_block *block, const weir_type *key);
void wr_key_block_fini(struct wr_key_block *block);

// Takes the key structs at first + rows[i] * stride (rows NULL: i * stride).
void wr_key_block_fill(struct wr_key_block *block, const void *first, size_t stride,
                       const uint16_t *rows, uint32_t count);
// Takes keys as wr_table_next gave them; encodings stay where they are.
void wr_key_block_load(struct wr_key_block *block, const void *const *keys, const uint32_t *lengths,
                       uint32_t count);
// Makes structs[i] of keys as wr_table_next gave them: the block's memory, or the table's.
void wr_key_block_structs(struct wr_key_block *block, const void *const *keys,
                          const uint32_t *lengths, uint32_t count, const void **structs);
// The i-th key, for the functions of tables that take one.
const void *wr_key_block_at(const struct wr_key_block *block, uint32_t i, uint32_t *length);

#endif // WR_OPERATORS_PARTIAL_H

// Partials and blocks of keys; see partial.h.
#include "operators/partial.h"

#include "operators/operators.h"

#include <string.h>

uint32_t wr_partial_key_at(const weir_aggregate_binding *aggregate)
{
    return (uint32_t)wr_round_up(aggregate->accumulator->size, aggregate->key->align);
}

struct wr_partial_layout wr_partial_layout_of(const weir_aggregate_binding *aggregate)
{
    const weir_type *accumulator = aggregate->accumulator;
    const weir_type *key         = aggregate->key;
    const uint32_t   key_at      = wr_partial_key_at(aggregate);
    const uint32_t   align     = accumulator->align > key->align ? accumulator->align : key->align;
    const weir_field fields[2] = {
        { "accumulator", accumulator, 0, accumulator->size, WEIR_KIND_RECORD, 1, NULL },
        { "key", key, key_at, key->size, WEIR_KIND_RECORD, 1, NULL },
    };
    const uint32_t size = (uint32_t)wr_round_up(key_at + key->size, align);
    weir_type     *type = weir_type_open(aggregate->name, size, align, fields, 2);
    WR_ASSERT(type != NULL);
    return (struct wr_partial_layout){ type, key_at };
}

// ---- keys ----

static uint32_t key_width(enum wr_key_kind kind)
{
    return kind == WR_KEY_4 ? 4 : kind == WR_KEY_8 ? 8 : kind == WR_KEY_16 ? 16 : 0;
}

void wr_key_block_init(struct wr_key_block *block, const weir_type *key)
{
    *block       = (struct wr_key_block){ .codec = wr_key_codec_of(key) };
    block->width = key_width(block->codec.kind);
    if (block->width > 0) {
        block->fixed = wr_alloc((size_t)WR_GROUP_ROWS * block->width);
    } else {
        block->bytes   = wr_alloc(WR_GROUP_ROWS * sizeof(*block->bytes));
        block->lengths = wr_alloc(WR_GROUP_ROWS * sizeof(*block->lengths));
        block->structs = wr_alloc((size_t)WR_GROUP_ROWS * key->size);
    }
    block->keys = (struct wr_keys){ block->fixed, block->bytes, block->lengths };
}

void wr_key_block_fini(struct wr_key_block *block)
{
    wr_free(block->fixed);
    wr_free(block->bytes);
    wr_free(block->lengths);
    wr_free(block->encoded);
    wr_free(block->structs);
    wr_key_codec_fini(&block->codec);
    *block = (struct wr_key_block){ .width = 0 };
}

static inline const char *key_row(const char *first, size_t stride, const uint16_t *rows,
                                  uint32_t i)
{
    return first + (rows != NULL ? rows[i] : i) * stride;
}

// `size` is a constant where it is called, so that each copy is one move.
static inline __attribute__((always_inline)) void gather(char *to, size_t width, const char *first,
                                                         size_t stride, const uint16_t *rows,
                                                         uint32_t count, size_t size)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(to + i * width, key_row(first, stride, rows, i), size);
    }
}

static void keys_gather(struct wr_key_block *block, const char *first, size_t stride,
                        const uint16_t *rows, uint32_t count)
{
    const size_t size = block->codec.type->size;
    switch (size) {
    case 4: gather(block->fixed, 4, first, stride, rows, count, 4); break;
    case 8: gather(block->fixed, 8, first, stride, rows, count, 8); break;
    case 16: gather(block->fixed, 16, first, stride, rows, count, 16); break;
    default: // what follows the key's own bytes stays zero
        gather(block->fixed, block->width, first, stride, rows, count, size);
    }
}

static void keys_encode(struct wr_key_block *block, const char *first, size_t stride,
                        const uint16_t *rows, uint32_t count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        const void *key   = key_row(first, stride, rows, i);
        block->lengths[i] = (uint32_t)wr_key_encoded_bytes(&block->codec, key);
        total += block->lengths[i];
    }
    if (total > block->encoded_bytes) {
        block->encoded       = wr_realloc(block->encoded, total * 2);
        block->encoded_bytes = total * 2;
    }
    char *at = block->encoded;
    for (uint32_t i = 0; i < count; i++) {
        block->bytes[i] = at;
        at += wr_key_encode(&block->codec, key_row(first, stride, rows, i), at);
    }
}

void wr_key_block_fill(struct wr_key_block *block, const void *first, size_t stride,
                       const uint16_t *rows, uint32_t count)
{
    WR_CHECK(count <= WR_GROUP_ROWS);
    if (block->width > 0) {
        keys_gather(block, first, stride, rows, count);
    } else {
        keys_encode(block, first, stride, rows, count);
    }
}

void wr_key_block_load(struct wr_key_block *block, const void *const *keys, const uint32_t *lengths,
                       uint32_t count)
{
    WR_CHECK(count <= WR_GROUP_ROWS);
    for (uint32_t i = 0; i < count; i++) {
        if (block->width > 0) {
            memcpy(block->fixed + (size_t)i * block->width, keys[i], block->width);
        } else {
            block->bytes[i]   = keys[i];
            block->lengths[i] = lengths[i];
        }
    }
}

void wr_key_block_structs(struct wr_key_block *block, const void *const *keys,
                          const uint32_t *lengths, uint32_t count, const void **structs)
{
    WR_CHECK(count <= WR_GROUP_ROWS);
    for (uint32_t i = 0; i < count; i++) {
        structs[i] = keys[i];
        if (block->width == 0) {
            char *key = block->structs + (size_t)i * block->codec.type->size;
            wr_key_decode(&block->codec, keys[i], lengths[i], key);
            structs[i] = key;
        }
    }
}

const void *wr_key_block_at(const struct wr_key_block *block, uint32_t i, uint32_t *length)
{
    *length = block->width > 0 ? block->width : block->lengths[i];
    return block->width > 0 ? block->fixed + (size_t)i * block->width : block->bytes[i];
}

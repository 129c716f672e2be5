// The keys of a batch's rows; see keyed.h.
#include "operators/keyed.h"

void wr_keyed_init(struct wr_keyed *keyed, const weir_key_binding *binding, uint64_t seed)
{
    *keyed       = (struct wr_keyed){ .binding = binding, .seed = seed };
    keyed->codec = wr_key_codec_of(binding->key);
    keyed->keys = wr_alloc_aligned((size_t)WR_KEYED_CHUNK * binding->key->size + 16, WR_CACHE_LINE);
    keyed->hashes  = wr_alloc(sizeof(*keyed->hashes) * WR_KEYED_CHUNK);
    keyed->starts  = wr_alloc(sizeof(*keyed->starts) * WR_KEYED_CHUNK);
    keyed->lengths = wr_alloc(sizeof(*keyed->lengths) * WR_KEYED_CHUNK);
}

void wr_keyed_fini(struct wr_keyed *keyed)
{
    wr_key_codec_fini(&keyed->codec);
    wr_free(keyed->keys);
    wr_free(keyed->padded);
    wr_free(keyed->hashes);
    wr_free(keyed->encoded);
    wr_free((void *)(uintptr_t)keyed->starts);
    wr_free(keyed->lengths);
    *keyed = (struct wr_keyed){ 0 };
}

struct wr_table *wr_keyed_open_table(const struct wr_keyed *keyed, const struct wr_node *node,
                                     uint32_t value_size, const struct wr_strings *value_strings)
{
    const struct wr_table_options options = {
        .key_kind      = keyed->codec.kind,
        .value_size    = value_size,
        .value_strings = value_strings != NULL && value_strings->count > 0 ? value_strings : NULL,
        .range_bits    = node->range_bits,
        .seed          = keyed->seed,
    };
    return wr_table_open(node->pool, &options);
}

const void *wr_keyed_key(const struct wr_keyed *keyed, uint32_t i)
{
    return keyed->keys + (size_t)i * keyed->binding->key->size;
}

static uint32_t key_kind_bytes(enum wr_key_kind kind)
{
    return kind == WR_KEY_4 ? 4 : kind == WR_KEY_8 ? 8 : 16;
}

// The keys as the table compares them: as they are, or padded with zeros.
static const void *keyed_fixed(struct wr_keyed *keyed, uint32_t count)
{
    const uint32_t size  = keyed->binding->key->size;
    const uint32_t bytes = key_kind_bytes(keyed->codec.kind);
    if (size == bytes) {
        return keyed->keys;
    }
    if (keyed->padded == NULL) {
        keyed->padded = wr_alloc_aligned((size_t)WR_KEYED_CHUNK * 16, WR_CACHE_LINE);
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(keyed->padded + (size_t)i * bytes, wr_keyed_key(keyed, i), size);
    }
    return keyed->padded;
}

// Lays the encodings of all keys behind one another.
static void keyed_encode(struct wr_keyed *keyed, uint32_t count)
{
    size_t needed = 0;
    for (uint32_t i = 0; i < count; i++) {
        needed += wr_key_encoded_bytes(&keyed->codec, wr_keyed_key(keyed, i));
    }
    if (needed > keyed->encoded_bytes) {
        keyed->encoded       = wr_realloc(keyed->encoded, needed * 2);
        keyed->encoded_bytes = needed * 2;
    }
    char *to = keyed->encoded;
    for (uint32_t i = 0; i < count; i++) {
        keyed->starts[i]  = to;
        keyed->lengths[i] = (uint32_t)wr_key_encode(&keyed->codec, wr_keyed_key(keyed, i), to);
        to += keyed->lengths[i];
    }
}

void wr_keyed_take(struct wr_keyed *keyed, const struct wr_inlet *inlet, uint32_t count)
{
    const struct wr_batch *batch = inlet->batch;
    WR_ASSERT(count <= WR_KEYED_CHUNK && inlet->next + count <= inlet->count);

    if (inlet->selection != NULL) {
        keyed->binding->rows(batch->rows, inlet->selection + inlet->next, count, keyed->keys);
    } else {
        keyed->binding->rows(wr_batch_row(batch, inlet->next), NULL, count, keyed->keys);
    }
    if (batch->hashes != NULL && batch->hashed_by == keyed->binding) {
        for (uint32_t i = 0; i < count; i++) {
            keyed->hashes[i] = batch->hashes[wr_inlet_row(inlet, inlet->next + i)];
        }
    } else {
        wr_key_hash_many(&keyed->codec, keyed->keys, count, keyed->seed, keyed->hashes);
    }
    if (keyed->codec.kind == WR_KEY_BYTES) {
        keyed_encode(keyed, count);
        keyed->column = (struct wr_keys){ .bytes = keyed->starts, .lengths = keyed->lengths };
    } else {
        keyed->column = (struct wr_keys){ .fixed = keyed_fixed(keyed, count) };
    }
}

bool wr_keyed_out_of_budget(struct wr_node *node)
{
    wr_node_fail(node,
                 "its state needs more than its share of the state budget, %zu bytes a task; raise "
                 "the budget, or let state expire sooner",
                 wr_pool_budget_bytes(node->pool));
    return false;
}

bool wr_keyed_resolve(const struct wr_keyed *keyed, struct wr_node *node, struct wr_table *table,
                      uint32_t count, void **values, uint8_t *is_new)
{
    return wr_table_resolve_many(table, keyed->hashes, &keyed->column, count, values, is_new) ==
               count ||
           wr_keyed_out_of_budget(node);
}

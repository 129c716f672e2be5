#include "cli/checkpoint/entries.h"

#include <inttypes.h>

enum { GROUP = 64 }; // entries taken at once

void wr_entries_init(struct wr_entries *entries, struct wr_store *store)
{
    *entries = (struct wr_entries){ .store = store, .pool = wr_pool_open(0) };
}

void wr_entries_fini(struct wr_entries *entries)
{
    wr_pool_close(entries->pool);
    wr_free(entries->buffer);
}

static struct wr_table *table_of(const struct wr_entries     *entries,
                                 const struct wr_index_table *table, struct wr_strings *strings)
{
    strings->count   = table->string_count;
    strings->offsets = (uint32_t *)(uintptr_t)table->string_offsets; // read only
    const struct wr_table_options options = {
        .key_kind      = table->key_kind,
        .value_size    = table->value_bytes,
        .value_strings = table->string_count > 0 ? strings : NULL,
        .stores_hash   = table->stores_hash,
        .seed          = wr_store_manifest(entries->store)->hash_seed,
    };
    return wr_table_open(entries->pool, &options);
}

static void walk(struct wr_table *table,
                 bool (*each)(void *opaque, const void *key, uint32_t length, const void *value),
                 void *opaque)
{
    struct wr_table_cursor cursor = { 0 };
    const void            *keys[GROUP], *values[GROUP];
    uint32_t               lengths[GROUP], count;
    while ((count = wr_table_next(table, &cursor, GROUP, keys, lengths, NULL, values)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (!each(opaque, keys[i], lengths[i], values[i])) {
                return;
            }
        }
    }
}

weir_status
wr_entries_walk(struct wr_entries *entries, uint32_t at, const struct wr_index_table *table,
                const struct wr_index_segment *segment,
                bool (*each)(void *opaque, const void *key, uint32_t length, const void *value),
                void *opaque, struct wr_error *error)
{
    const uint64_t needed = wr_block_bytes(segment->place.bytes);
    if (needed > entries->buffer_bytes) {
        wr_free(entries->buffer);
        entries->buffer       = wr_alloc_aligned(needed, 64);
        entries->buffer_bytes = needed;
    }
    weir_status status = wr_store_read_block(entries->store, at, segment, entries->buffer, error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_strings          strings;
    struct wr_table           *unpacked = table_of(entries, table, &strings);
    const struct wr_image      image    = { .prefix  = segment->prefix,
                                            .depth   = segment->depth,
                                            .entries = segment->place.entries };
    const struct wr_hash_range all      = { 0, UINT64_MAX };
    const enum wr_unpack result = wr_table_unpack(unpacked, entries->buffer + WR_BLOCK_HEADER_BYTES,
                                                  segment->place.bytes, &image, all, NULL);
    if (result == WR_UNPACK_DONE) {
        walk(unpacked, each, opaque);
    } else {
        status = wr_error_set(
            error, WEIR_DAMAGED,
            "checkpoint %" PRIu64 " of %s: table %s: the segment at byte %" PRIu64
            " of %s: %s; its checksum is right, so that a broken program wrote it",
            wr_store_manifest(entries->store)->checkpoint, wr_store_manifest(entries->store)->job,
            table->name, segment->place.offset,
            wr_index_find_file(wr_store_index(entries->store, at), segment->place.file)->name,
            wr_unpack_text(result));
    }
    wr_table_close(unpacked);
    return status;
}

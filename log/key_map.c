#include "log/key_map.h"

#include <string.h>

#define LEAST_SLOTS 256u
#define LEAST_BYTES (LEAST_SLOTS * 2 * sizeof(struct wr_key_entry))

void wr_key_map_init(struct wr_key_map *map, size_t limit_bytes)
{
    memset(map, 0, sizeof(*map));
    map->limit_bytes = limit_bytes > LEAST_BYTES ? limit_bytes : LEAST_BYTES;
    map->slot_count  = LEAST_SLOTS;
    map->entries     = wr_alloc(map->slot_count * sizeof(*map->entries));
    map->greatest    = UINT64_MAX;
}

void wr_key_map_fini(struct wr_key_map *map)
{
    wr_free(map->entries);
    wr_free(map->bytes);
}

void wr_key_map_begin(struct wr_key_map *map, uint64_t least)
{
    memset(map->entries, 0, map->slot_count * sizeof(*map->entries));
    map->count      = 0;
    map->byte_count = 0;
    map->least      = least;
    map->greatest   = UINT64_MAX;
}

// The entry of the key, or the empty one where it belongs.
static struct wr_key_entry *map_find(const struct wr_key_map *map, uint64_t hash, const void *key,
                                     uint32_t length)
{
    for (uint64_t i = hash;; i++) {
        struct wr_key_entry *entry = &map->entries[i & (map->slot_count - 1)];
        if (!entry->is_used || (entry->hash == hash && entry->length == length &&
                                memcmp(map->bytes + entry->at, key, length) == 0)) {
            return entry;
        }
    }
}

// Puts a key that is not there into its empty entry.
static void map_insert(struct wr_key_map *map, struct wr_key_entry *entry, uint64_t hash,
                       const void *key, uint32_t length, uint64_t row)
{
    if (map->byte_count + length > map->byte_capacity) {
        map->byte_capacity = (map->byte_count + length) * 2;
        map->bytes         = wr_realloc(map->bytes, map->byte_capacity);
    }
    memcpy(map->bytes + map->byte_count, key, length);
    *entry = (struct wr_key_entry){ hash, row, map->byte_count, length, true };
    map->byte_count += length;
    map->count++;
}

// Puts what it holds, up to `greatest`, into a new table of so many slots.
static void map_rebuild(struct wr_key_map *map, uint64_t slot_count)
{
    struct wr_key_map from = *map;
    map->entries           = wr_alloc(slot_count * sizeof(*map->entries));
    map->slot_count        = slot_count;
    map->bytes             = NULL;
    map->byte_count        = 0;
    map->byte_capacity     = 0;
    map->count             = 0;
    for (uint64_t i = 0; i < from.slot_count; i++) {
        const struct wr_key_entry *old = &from.entries[i];
        if (old->is_used && old->hash <= map->greatest) {
            const char *key = from.bytes + old->at;
            map_insert(map, map_find(map, old->hash, key, old->length), old->hash, key, old->length,
                       old->row);
        }
    }
    wr_key_map_fini(&from);
}

static size_t map_bytes(const struct wr_key_map *map, uint64_t slot_count)
{
    return slot_count * sizeof(*map->entries) + map->byte_count;
}

static bool map_is_crowded(const struct wr_key_map *map)
{
    return map->count * 4 > map->slot_count * 3 ||
           map_bytes(map, map->slot_count) > map->limit_bytes;
}

// Makes room for one more key: a larger table, or fewer keys.
static void map_make_room(struct wr_key_map *map)
{
    if (map->count * 2 >= map->slot_count &&
        map_bytes(map, map->slot_count * 2) <= map->limit_bytes) {
        map_rebuild(map, map->slot_count * 2);
    }
    while (map_is_crowded(map) && map->count > 1 && map->greatest > map->least) {
        map->greatest = map->least + (map->greatest - map->least) / 2;
        map_rebuild(map, map->slot_count);
    }
}

uint64_t wr_key_map_put(struct wr_key_map *map, uint64_t hash, const void *key, uint32_t length,
                        uint64_t row)
{
    if (hash < map->least || hash > map->greatest) {
        return WR_KEY_MAP_NO_ROW;
    }
    struct wr_key_entry *entry = map_find(map, hash, key, length);
    if (entry->is_used) {
        const uint64_t before = entry->row;
        entry->row            = row;
        return before;
    }
    map_insert(map, entry, hash, key, length, row);
    map_make_room(map);
    return WR_KEY_MAP_NO_ROW;
}

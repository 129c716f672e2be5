// key_map: the keys that a compaction has met, whole, with the last row of each.
//
// It holds the keys whose hashes are at or below `greatest`. When it has no room for more, that is
// halved and the rest forgotten, to be met again in another pass over the same records.
//
// Invariant: two keys are the same if all their bytes are; hashes only find them.
//
// Thread rule: belongs to one thread.
#ifndef WR_LOG_KEY_MAP_H
#define WR_LOG_KEY_MAP_H

#include "runtime/base/base.h"

#define WR_KEY_MAP_NO_ROW UINT64_MAX

struct wr_key_map {
    struct wr_key_entry {
        uint64_t hash, row;
        uint64_t at; // of its bytes
        uint32_t length;
        bool     is_used;
    } * entries;
    uint64_t slot_count, count; // slot_count: a power of two
    char    *bytes;             // of keys, one after the other
    size_t   byte_count, byte_capacity;
    size_t   limit_bytes;
    uint64_t least, greatest; // hashes it holds
};

void wr_key_map_init(struct wr_key_map *map, size_t limit_bytes);
void wr_key_map_fini(struct wr_key_map *map);
// Empties it, for hashes from `least` on.
void wr_key_map_begin(struct wr_key_map *map, uint64_t least);
// Notes that `row` is the last of the key; returns the one before, or WR_KEY_MAP_NO_ROW. Nothing if
// the hash is outside of what it holds.
uint64_t wr_key_map_put(struct wr_key_map *map, uint64_t hash, const void *key, uint32_t length,
                        uint64_t row);

#endif // WR_LOG_KEY_MAP_H

// state: what operators remember, in segmented tables.
//
//   hash  [ top bits: directory ][ ... next bits: tag ... ][ low bits: slot ]
//
//   directory            segment (512 bytes to 64 KiB, one block of the pool)
//   +-----+     +--------------------------------------------------------------+
//   | 000 |---->| header | tags, probed 16 at a time | slots: key, value | heap |
//   | 001 |--+  +--------------------------------------------------------------+
//   | ... |  +-> ...
//
// A full segment splits alone, at a limit staggered by its prefix; there is no table-wide rehash. A
// segment that a split would not halve grows instead, past 64 KiB if it must. Keys of WR_KEY_BYTES
// and long strings of values live in the segment's heap; when it is full, what nobody points at any
// more is dropped before the segment grows. An entry moves only when its segment is made anew
// (split, grown, compacted, shrunk by a sweep), never because another one was added or erased.
//
// What a table holds at a moment can be captured for a checkpoint while it goes on being written,
// segment by segment, and a table be filled from what was captured: see the end of this file.
//
// Where the pool spills (spill.h), segments that are not in use may be in a file. Every call brings
// what it needs and what it hands out pointers into; until wr_spill_release that stays, so that all
// that is said below of how long pointers are valid holds up to there. Such a pool is never out of
// budget. If what went to the file cannot be read again entries seem to be missing, and none can be
// made: wr_spill_has_lost tells.
//
// Thread rule: one task owns a table and makes every call, captures included. No locks.
#ifndef WR_STATE_H
#define WR_STATE_H

#include "runtime/base/conversion.h"

struct wr_table;

// A split needs every entry's hash. Keys of WR_KEY_BYTES keep it. For the other kinds it is
// computed again from the key and `seed` as wr_key_hash_many does, unless `stores_hash`: then it
// takes 8 bytes an entry, and may be anything that is the same for equal keys.
struct wr_table_options {
    enum wr_key_kind         key_kind;
    uint32_t                 value_size;    // bytes, may be 0; aligned as it divides, to 8 at most
    const struct wr_strings *value_strings; // kept; NULL: values have none
    uint32_t                 range_bits; // top bits of every hash that are the same in this table
    bool                     stores_hash;
    uint64_t                 seed; // of the hashes, where they are not stored
};

// A column of keys: `fixed` is an array of 4, 8 or 16 byte keys; for WR_KEY_BYTES `bytes[i]` and
// `lengths[i]`.
struct wr_keys {
    const void        *fixed;
    const char *const *bytes;
    const uint32_t    *lengths;
};

struct wr_table *wr_table_open(struct wr_pool *pool, const struct wr_table_options *options);
// As it was opened with.
struct wr_table_options wr_table_options_of(const struct wr_table *table);
// Every segment goes back to the pool. A capture must not be under way: who drops a table before
// that is over keeps it and captures on (wr_table_is_captured), or gives up (wr_table_unmark).
void wr_table_close(struct wr_table *table);
// Makes room for about so many keys in a table that is still empty, so that it need not grow to
// them; a hint, without effect on tables of WR_KEY_BYTES or values with strings.
void     wr_table_reserve(struct wr_table *table, uint64_t count);
uint64_t wr_table_count(const struct wr_table *table);
size_t   wr_table_bytes(const struct wr_table *table); // of its segments and directory

// Pointers to values: a call whose name ends in _read, and wr_table_next, hand them out for reading
// only; wr_table_write_at turns one into a pointer for writing. All others are for writing, until
// the next wr_table_mark: that the old value is what a capture sees is seen to when one is handed
// out, not when it is written through. Reading where nothing is written is cheaper while a capture
// is under way, and leaves the segment unchanged for the next one.

// Finds or makes the entries of `count` keys: values[i] points at the value of keys[i], the same
// pointer for equal keys; is_new[i] (may be NULL) is 1 for the first of the batch that made its
// entry. New values are zeros. One pass prefetches, one finds and makes room (splitting), one takes
// pointers; pointers are valid until the next call that can add or remove. Returns how many keys
// were resolved: fewer than count only when the pool is out of budget.
uint32_t wr_table_resolve_many(struct wr_table *table, const uint64_t *hashes,
                               const struct wr_keys *keys, uint32_t count, void **values,
                               uint8_t *is_new);
// The same without making any: NULL for a key that is not there.
void wr_table_find_many(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
                        uint32_t count, void **values);
void wr_table_find_many_read(struct wr_table *table, const uint64_t *hashes,
                             const struct wr_keys *keys, uint32_t count, const void **values);
// Starts fetching what looking up these hashes will touch, for calls that come one by one soon
// after: a fetched line is a hint only. Does nothing for a table that is small.
void wr_table_warm_many(struct wr_table *table, const uint64_t *hashes, uint32_t count);

// One key: `key` points at the 4, 8 or 16 bytes, or at the `length` bytes of WR_KEY_BYTES.
void *wr_table_resolve(struct wr_table *table, uint64_t hash, const void *key, uint32_t length,
                       bool *is_new); // NULL: out of budget
void *wr_table_find(struct wr_table *table, uint64_t hash, const void *key, uint32_t length);
const void *wr_table_find_read(struct wr_table *table, uint64_t hash, const void *key,
                               uint32_t length);
// The value at `value`, whose entry's hash is `hash`, for writing. Moves nothing.
void *wr_table_write_at(struct wr_table *table, uint64_t hash, const void *value);
bool  wr_table_erase(struct wr_table *table, uint64_t hash, const void *key, uint32_t length);

// After user code wrote through values[0..count): long strings in them that point outside their
// segment's heap are copied in. May move values: values[] is set anew, all other pointers taken
// before are void. A string may have been copied from another entry of the table.
// False: out of budget; some strings still point outside and are void with what they point at.
bool wr_table_keep_strings_many(struct wr_table *table, const uint64_t *hashes,
                                const struct wr_keys *keys, uint32_t count, void **values);

// Walks all entries in an order of its own; start from a zeroed cursor. Between two calls nothing
// may be added or removed, except that entries just returned may be erased by wr_table_erase_at.
// Returns up to `count` entries in keys_out[i] (the key's bytes), lengths (its length), hashes,
// values, for reading; 0 at the end. Any out array may be NULL.
struct wr_table_cursor {
    uint64_t segment;
    uint32_t slot;
};
uint32_t wr_table_next(struct wr_table *table, struct wr_table_cursor *cursor, uint32_t count,
                       const void **keys_out, uint32_t *lengths_out, uint64_t *hashes_out,
                       const void **values_out);
// Erases the entry whose value is at `value` and whose hash is `hash`; moves no other.
void wr_table_erase_at(struct wr_table *table, uint64_t hash, const void *value);
// Keeps the entries for which `keep` is true, segment by segment, up to about `budget` entries a
// call; true when the walk (from a zeroed cursor) is over. Other calls may come between two of
// these. Makes segments smaller that have become mostly empty.
bool wr_table_sweep(struct wr_table *table, struct wr_table_cursor *cursor, uint32_t budget,
                    bool (*keep)(void *opaque, const void *key, uint32_t length, const void *value),
                    void *opaque);
// Every entry whose full hash is `hash`: calls each, which may change the value but neither add nor
// erase; used where the key is not known (timers).
void wr_table_find_hash(struct wr_table *table, uint64_t hash,
                        void (*each)(void *opaque, const void *key, uint32_t length, void *value),
                        void *opaque);

// Walks everything. Strings of values must have been kept.
bool wr_table_is_valid(const struct wr_table *table);

// ---- captures ----
//
//   mark      what the table holds now is what the capture sees
//   capture   between the owner's steps: segment by segment, each as it was at the mark, until all
//             have been visited; the table is read and written meanwhile as ever
//
// A capture hands over one image for each segment that had entries: packed anew (pack.c has the
// format), or, where nothing was written since its last image, that one's place again. All images
// of one capture together are the table at the mark: their prefixes part the range of hashes.
// Every new table counts as changed as a whole.
//
// The first write to an entry after the mark saves its old slot, some bytes more than it takes; a
// segment that is about to be made anew is captured first, within the step. Strings of values must
// have been kept at the mark.

// Where an image lies. The capture's owner chooses what a file's number means.
struct wr_image_place {
    uint32_t file;
    uint32_t bytes;
    uint64_t offset;
    uint32_t entries; // at least 1
    uint32_t crc;     // the owner's
};

struct wr_packed_values;
struct wr_image {
    uint64_t              prefix; // the top `depth` bits of its entries' hashes; zeros below
    uint32_t              depth;  // 0 to 32
    uint32_t              entries;
    size_t                bytes;
    bool                  is_packed; // its bytes have just been packed; else it lies at `place`
    struct wr_image_place place;
    // Of one to be unpacked into a table whose values are of another type; else NULL.
    const struct wr_packed_values *values;
};

// Values as they were packed, and how they become those of the table.
struct wr_packed_values {
    uint32_t                    size;
    const struct wr_strings    *strings; // NULL: they have none
    const struct wr_conversion *conversion;
};

// Where images go. Neither function may call the table.
struct wr_capture {
    void           *opaque;
    struct wr_pool *pool; // for saved slots; where it is out of budget, segments are captured at
                          // once instead
    // A place for so many bytes, filled before `put` is called with the image.
    void *(*room)(void *opaque, size_t bytes);
    // Of a packed image, fills place.file, place.offset and place.crc.
    void (*put)(void *opaque, struct wr_image *image);
};

// No other capture may be under way. Pointers for writing taken before are void. Costs a byte a
// segment. `to` is kept until the capture is over.
void wr_table_mark(struct wr_table *table, const struct wr_capture *to);
// Visits segments until about so many bytes have been packed, at least one; true when the capture
// is over, or none is under way. Moves no entry.
bool wr_table_capture(struct wr_table *table, size_t budget_bytes);
bool wr_table_is_captured(const struct wr_table *table); // no capture is under way
// Gives the capture under way, if any, up: what it has not packed yet stays changed. What it has
// packed is taken for written, until wr_table_touch_file.
void wr_table_unmark(struct wr_table *table);
// What lies in that file is packed again by the next capture. Not while one is under way. Looks at
// every segment.
void wr_table_touch_file(struct wr_table *table, uint32_t file);
// In blocks of the capture's pool.
size_t wr_table_undo_bytes(const struct wr_table *table);

// Hashes from first to last, both included.
struct wr_hash_range {
    uint64_t first, last;
};

enum wr_unpack {
    WR_UNPACK_DONE,
    WR_UNPACK_OUT_OF_BUDGET,
    WR_UNPACK_TRUNCATED, // an entry goes past the end, or entries are missing
    WR_UNPACK_TRAILING,  // bytes after the last entry
    WR_UNPACK_PREFIX,    // an entry's hash is not of the image's prefix
    WR_UNPACK_TWICE,     // a key that is in the table already
    WR_UNPACK_STRING,    // a string that was not packed so
};

// Pointers into all tables of the pool are void, where it spills.
// Adds the entries of a packed image (of its description, prefix, depth, entries and values are
// used) whose hashes lie in the range, which lies in the table's. A table of the same options must
// have packed it, but for range_bits, and for the size and strings of values where `values` says
// what they were. Any bytes may be given: malformed ones are refused, with entries before
// the fault added. `added` (may be NULL) counts up.
enum wr_unpack wr_table_unpack(struct wr_table *table, const void *bytes, size_t length,
                               const struct wr_image *image, struct wr_hash_range range,
                               uint64_t *added);
const char    *wr_unpack_text(enum wr_unpack unpacked); // what is wrong, to end a sentence

// ---- other owners ----

// A table, and the range in which all its hashes lie, and its range_bits.
struct wr_part {
    struct wr_table     *table;
    struct wr_hash_range range;
};
// Takes from each part what lies in `range`, into a table that is empty and of the same options but
// for range_bits. Segments that lie in it as a whole change hands as they are, and pointers to
// their values stay valid; of others the entries are copied. No capture of a part may be under way.
// What the parts have left is theirs to close, and for wr_table_adopt only. False: the budget is
// too small for what had to be copied, or what a part had spilled could not be read; both sides may
// only be closed then.
bool wr_table_adopt(struct wr_table *to, struct wr_hash_range range, const struct wr_part *parts,
                    uint32_t count);

#endif // WR_STATE_H

// index: where all of one task's state lies at one checkpoint. A plain tree, which a task fills and
// hands to the store, and which a reader gets back; at the end of the task's state file it is these
// bytes (little-endian, without gaps):
//
//   index      u32 magic "wcx1", u32 format (1),
//              u64 checkpoint, u32 epoch, u32 task             of the file it lies in
//              u32 stage, text its name, u32 instance, u32 first cell, u32 end cell
//              u32 n, n files, u32 n, n operators
//   file       u32 number, text name, u64 bytes in all, u64 bytes of blocks that the index names
//   operator   text name, i64 watermark, u32 n, n counters, u32 n, n cells, u32 n, n tables
//   counter    text name, u64 value
//   cell       text name, u8 whether it has a key, text key if so, u32 n, n bytes
//   table      text name, u8 whether it has a member, i64 member (0 if not), u32 number,
//              u8 kind of key, u8 whether hashes are stored, u32 bytes of a value,
//              u32 n, n u32 offsets of strings in a value, text its types, u64 entries,
//              u32 n, n segments
//   segment    u32 file, u32 bytes of the payload, u64 offset of the block, u32 entries,
//              u32 crc of the payload, u64 prefix, u32 bits of the prefix
//   text       u32 n, n bytes none of which is zero, a zero byte
//
// Its checksum is in the trailer of the file and in the manifest.
//
// Invariants, checked by who decodes: files have rising numbers and names that differ, none of a
// later checkpoint; operators, counters of one, cells (name and key) of one, tables (name and
// member) of one differ; tables have numbers of their own; a table's segments come by rising
// prefix, do not overlap, and each lies partly in the task's cells; entries and bytes add up; each
// block lies within its file.
//
// Thread rule: owned by one thread.
#ifndef WR_INDEX_H
#define WR_INDEX_H

#include "runtime/base/type.h"
#include "runtime/checkpoint/block.h"

#define WR_CELL_COUNT 65536u // of the hash's range; a key's cell is the top 16 bits of its hash

// Where an image lies. File numbers are the task's own: wr_index.files says which they are.
struct wr_block_place {
    uint32_t file;
    uint32_t bytes; // of the payload
    uint64_t offset;
    uint32_t entries;
    uint32_t crc;
};

struct wr_index_segment {
    struct wr_block_place place;
    uint64_t              prefix; // as in wr_block_header
    uint32_t              depth;
};

struct wr_index_table {
    const char      *name;
    bool             has_member; // one of a family, by `member`
    int64_t          member;
    uint32_t         number; // what its blocks in this checkpoint's file are marked with
    enum wr_key_kind key_kind;
    bool             stores_hash;
    uint32_t         value_bytes;
    const uint32_t  *string_offsets; // in a value
    uint32_t         string_count;
    const char      *types; // of key and value; the caller's own text
    uint64_t         entries;
    const struct wr_index_segment *segments;
    uint32_t                       segment_count;
};

struct wr_index_counter {
    const char *name;
    uint64_t    value;
};

// A small named piece of state: one a task, or one a key (a partition's name).
struct wr_index_cell {
    const char *name;
    const char *key; // NULL: one a task
    const void *bytes;
    uint32_t    length;
};

struct wr_index_operator {
    const char                    *name; // stable: state is found by it
    int64_t                        watermark;
    const struct wr_index_counter *counters;
    uint32_t                       counter_count;
    const struct wr_index_cell    *cells;
    uint32_t                       cell_count;
    const struct wr_index_table   *tables;
    uint32_t                       table_count;
};

struct wr_index_file {
    uint32_t    number;
    const char *name;
    uint64_t    bytes; // of the whole file
    uint64_t    used;  // of blocks that this index names; the store counts them
};

struct wr_index {
    struct wr_file_id               id; // the store's to set
    uint32_t                        stage;
    const char                     *stage_name;
    uint32_t                        instance;
    uint32_t                        first_cell, end_cell; // [first, end)
    struct wr_index_file           *files;
    uint32_t                        file_count;
    const struct wr_index_operator *operators;
    uint32_t                        operator_count;

    char *memory; // of one that was decoded: the texts; else NULL
};

// The file of this number, or NULL.
struct wr_index_file *wr_index_find_file(const struct wr_index *index, uint32_t number);
// The operator of this name, or NULL.
const struct wr_index_operator *wr_index_find_operator(const struct wr_index *index,
                                                       const char            *name);
// Sets `used` of each file. False: *number is that of a file which a segment names and the list
// lacks.
bool wr_index_count_used(struct wr_index *index, uint32_t *number);

// The bytes (wr_alloc'ed). Files of which nothing is used are left out; segments are put in order.
char *wr_index_encode(const struct wr_index *index, size_t *length);
// Into a tree that wr_index_fini frees; `bytes` (wr_alloc'ed) are handed over. False: they are
// none, stay the caller's, and *reason is a sentence's end that says why (wr_alloc'ed).
bool wr_index_decode(char *bytes, size_t length, struct wr_index *index, char **reason);
void wr_index_fini(struct wr_index *index); // only of a decoded one

#endif // WR_INDEX_H

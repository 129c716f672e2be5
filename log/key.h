// key: the fields of a record that make its key, gathered into a struct of their own, by which
// records find their partition and compaction knows what is out of date.
//
// The hash of a key and the partition it leads to are part of the format: they never change.
#ifndef WR_LOG_KEY_H
#define WR_LOG_KEY_H

#include "runtime/base/type.h"

struct wr_log_key {
    weir_type          *type; // of a key: its fields one after the other
    struct wr_key_codec codec;
    struct wr_log_key_part {
        uint32_t from, to, size; // bytes of the record, of the key
    } * parts;
    uint32_t part_count;
};

// `fields`: names, divided by commas. False: `type` has no such field, or it cannot be part of a
// key; *error (wr_alloc'ed) names it.
bool wr_log_key_init(struct wr_log_key *key, const weir_type *type, const char *fields,
                     char **error);
void wr_log_key_fini(struct wr_log_key *key);

// keys[i] (key->type->size bytes each) of rows[i]; long strings still point where they pointed.
void wr_log_key_gather(const struct wr_log_key *key, const void *rows, uint32_t row_bytes,
                       uint32_t count, void *keys);
// The partition of each key, of `partitions`. hashes has room for `count`.
void wr_log_key_partitions(const struct wr_log_key *key, const void *keys, uint32_t count,
                           uint32_t partitions, uint64_t *hashes, uint32_t *numbers);

#endif // WR_LOG_KEY_H

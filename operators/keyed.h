// keyed: the keys of a batch's rows, their hashes, and the state they lead to. What every operator
// by key does first: copy the keys out, encode those that are not of 4, 8 or 16 bytes, take the
// hashes that travelled along or compute them, and resolve all of them in a table at once.
#ifndef WR_KEYED_H
#define WR_KEYED_H

#include "runtime/operator.h"

enum { WR_KEYED_CHUNK = 512 }; // rows looked up together

struct wr_keyed {
    const weir_key_binding *binding;
    struct wr_key_codec     codec;
    uint64_t                seed;
    char                   *keys; // count key structs
    char          *padded;        // the same at 4, 8 or 16 bytes each, where a key has another size
    uint64_t      *hashes;
    char          *encoded; // WR_KEY_BYTES: all encodings, one after the other
    size_t         encoded_bytes;
    const char   **starts; // of each encoding
    uint32_t      *lengths;
    struct wr_keys column; // of the rows taken last
};

void wr_keyed_init(struct wr_keyed *keyed, const weir_key_binding *binding, uint64_t seed);
void wr_keyed_fini(struct wr_keyed *keyed);

// A table by this key for the node's range; `value_strings` is kept, and may have none.
struct wr_table *wr_keyed_open_table(const struct wr_keyed *keyed, const struct wr_node *node,
                                     uint32_t value_size, const struct wr_strings *value_strings);

// Takes the keys and hashes of the inlet's next `count` (<= WR_KEYED_CHUNK) rows.
void wr_keyed_take(struct wr_keyed *keyed, const struct wr_inlet *inlet, uint32_t count);

// The key struct of the i-th row taken.
const void *wr_keyed_key(const struct wr_keyed *keyed, uint32_t i);

// Finds or makes the state of each row taken. False: the job has been failed for want of memory.
bool wr_keyed_resolve(const struct wr_keyed *keyed, struct wr_node *node, struct wr_table *table,
                      uint32_t count, void **values, uint8_t *is_new);

// Ends the job with a sentence about the state budget. Returns false.
bool wr_keyed_out_of_budget(struct wr_node *node);

#endif // WR_KEYED_H

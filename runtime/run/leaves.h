// leaves: the fields of a record by their paths, of which a record type is made again.
//
//   price.cents i64, price.currency u32, tags i32   -->   { price { cents, currency }, tags }
//
// Offsets are those of the outermost record: nested records begin where it does.
//
// Thread rule: owned by one thread; the type made may be read by all.
#ifndef WR_LEAVES_H
#define WR_LEAVES_H

#include "runtime/run/table_types.h"

struct wr_leaf {
    char     *path;
    weir_kind kind;
    uint32_t  offset, bytes;
};

struct wr_leaves {
    struct wr_leaf *at;
    uint32_t        count;
    uint32_t        bytes;  // up to the end of the last leaf
    void          **memory; // of the types made of them
    uint32_t        memory_count;
};

// A field's line as a leaf `base` bytes in; its path behind `part` and a point, if that is not
// empty.
void             wr_leaves_add(struct wr_leaves *leaves, const char *part, uint32_t base,
                               const struct wr_types_line *line);
const weir_type *wr_leaves_type(struct wr_leaves *leaves); // valid until wr_leaves_fini
void             wr_leaves_fini(struct wr_leaves *leaves);

#endif // WR_LEAVES_H

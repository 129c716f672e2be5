// described: keys and values of a table as JSON, by the text that a checkpoint has of them
// (runtime/run/table_types.h).
//
//   key   {"card_id":9}, {"deadline":"2026-03-01T10:00:00Z","owner":{"card_id":9}}; or, where the
//         text says nothing of it, "0900000000000000": its bytes in hexadecimal digits
//   value {"state":{"count":3},"other":{"24":"00ff"}}: bytes that no field describes, by where they
//         are, if they are not all zero
//
// Nothing depends on the operators of the program that wrote it. A text that does not fit the bytes
// is no failure: what it does not explain is printed as bytes.
#ifndef WR_CLI_CHECKPOINT_DESCRIBED_H
#define WR_CLI_CHECKPOINT_DESCRIBED_H

#include "runtime/checkpoint/index.h"

struct wr_described;

// `types` and what else is told of the table is not needed any more once it is made.
struct wr_described *wr_described_open(const struct wr_index_table *table);
void                 wr_described_close(struct wr_described *described);

// The JSON text (wr_alloc'ed); a key as tables compare them, a value as it lies in a table.
char *wr_described_key(struct wr_described *described, const void *key, uint32_t length);
char *wr_described_value(struct wr_described *described, const void *value);

// "00ff" of any bytes, without quotes (wr_alloc'ed).
char *wr_described_hex(const void *bytes, size_t length);

#endif // WR_CLI_CHECKPOINT_DESCRIBED_H

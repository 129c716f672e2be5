// What both ways between an index and its bytes know. Private to index.c and index_decode.c.
#ifndef WR_INDEX_BYTES_H
#define WR_INDEX_BYTES_H

#define WR_INDEX_MAGIC  0x31786377u // "wcx1"
#define WR_INDEX_FORMAT 1u

// The least that one of each takes, so that a count can be judged before memory is taken for it.
#define WR_INDEX_FILE_LEAST     25u
#define WR_INDEX_OPERATOR_LEAST 25u
#define WR_INDEX_COUNTER_LEAST  13u
#define WR_INDEX_CELL_LEAST     10u
#define WR_INDEX_TABLE_LEAST    45u
#define WR_INDEX_SEGMENT_BYTES  36u

#endif // WR_INDEX_BYTES_H

// file_progress: how far a file target has come: one text file with a checksum, replaced as a
// whole (runtime/base/text_file.h), which is the moment a transaction of the target counts.
//
//   weir outbox 1
//   name alerts                      of the outbox
//   id 0f3c...                       of the topic
//   epoch 7                          how often the target was opened
//   publisher 00c4f1e0a9b8d7c6       who opened it last
//   number 41                        of the last part
//   part 7 2 1234                    its epoch, its partition, the offset of its first record
//   next 0 980                       a partition, and the offset that comes next
//   next 2 1301                      those of which something is published
//   crc32c 1a2b3c4d
#ifndef WR_FILE_PROGRESS_H
#define WR_FILE_PROGRESS_H

#include "runtime/base/text_file.h"
#include <weir/outbox.h>

struct wr_file_progress {
    char      name[128], id[WEIR_OUTBOX_ID_BYTES];
    uint64_t  epoch, publisher;
    uint64_t  number; // 0: there is no part yet
    uint64_t  part_epoch;
    uint32_t  part_partition;
    uint64_t  part_from;
    uint32_t  partition_count;
    uint64_t *nexts; // UINT64_MAX: nothing is published of it
};

// WEIR_NOT_FOUND: there is none. Finish it in either case.
weir_status wr_file_progress_read(struct wr_environment *environment, const char *path,
                                  uint32_t partitions, struct wr_file_progress *progress,
                                  struct wr_error *error);
weir_status wr_file_progress_write(struct wr_environment *environment, const char *path,
                                   const struct wr_file_progress *progress, struct wr_error *error);
// Of a target that holds nothing yet.
void wr_file_progress_init(struct wr_file_progress *progress, uint32_t partitions);
void wr_file_progress_fini(struct wr_file_progress *progress);

#endif // WR_FILE_PROGRESS_H

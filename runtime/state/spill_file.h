// The file that a task's cold segments lie in: blocks of powers of two, in a file without a name.
//
//   file    | block | block |      | block | ...    classes: 512 bytes << c, each at a multiple of
//                                                   its size or, from 4 KiB on, of 4 KiB
//
// A block that is free stays of its class, but may be halved for a smaller one; halves are not
// joined again. The file never gets shorter. Nothing of it is synced: it is of no use to anybody
// when the process is gone, and then it is gone too.
//
// Thread rule: one task owns it.
#ifndef WR_SPILL_FILE_H
#define WR_SPILL_FILE_H

#include "runtime/base/environment.h"

#define WR_SPILL_CLASSES 40u

struct wr_spill_file {
    struct wr_environment *environment;
    int                    file;
    uint64_t               end;  // multiple of 4 KiB
    uint64_t               used; // bytes in blocks that are not free
    struct {
        uint64_t *offsets;
        uint32_t  count, capacity;
    } free[WR_SPILL_CLASSES];
};

struct wr_spill_place {
    uint64_t offset;
    uint32_t block_log2;
    uint32_t crc; // of all of it
};

// 0 or -errno.
int  wr_spill_file_open(struct wr_spill_file *file, struct wr_environment *environment,
                        const char *directory);
void wr_spill_file_close(struct wr_spill_file *file);
// Writes a block of 2^block_log2 bytes, 512 or more, into a place of its own. 0 or -errno: then
// there is no place.
int wr_spill_file_write(struct wr_spill_file *file, const void *block, uint32_t block_log2,
                        struct wr_spill_place *place);
// 0, -errno, or -EBADMSG: what is there is not what was written.
int wr_spill_file_read(struct wr_spill_file *file, const struct wr_spill_place *place, void *block);
// The same of what is in the system's memory; else -EAGAIN.
int wr_spill_file_read_now(struct wr_spill_file *file, const struct wr_spill_place *place,
                           void *block);
// What will soon be read: the disk may begin with it.
void wr_spill_file_read_ahead(struct wr_spill_file *file, const struct wr_spill_place *place);
void wr_spill_file_free(struct wr_spill_file *file, const struct wr_spill_place *place);

#endif // WR_SPILL_FILE_H

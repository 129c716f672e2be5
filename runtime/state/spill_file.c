#include "runtime/state/spill_file.h"

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"

#include <errno.h>

#define BLOCK_SMALLEST_LOG2 9u
#define PAGE_LOG2           12u // the file grows by as much at least

int wr_spill_file_open(struct wr_spill_file *file, struct wr_environment *environment,
                       const char *directory)
{
    *file = (struct wr_spill_file){
        .environment = environment,
        .file        = environment->ops->open(environment, directory, WR_OPEN_UNNAMED),
    };
    return file->file < 0 ? file->file : 0;
}

void wr_spill_file_close(struct wr_spill_file *file)
{
    for (uint32_t class = 0; class < WR_SPILL_CLASSES; class ++) {
        wr_free(file->free[class].offsets);
    }
    file->environment->ops->close(file->environment, file->file);
}

// ---- places ----

static void free_push(struct wr_spill_file *file, uint32_t block_log2, uint64_t offset)
{
    const uint32_t class = block_log2 - BLOCK_SMALLEST_LOG2;
    if (file->free[class].count == file->free[class].capacity) {
        file->free[class].capacity = file->free[class].capacity * 2 + 16;
        file->free[class].offsets =
            wr_realloc(file->free[class].offsets,
                       file->free[class].capacity * sizeof(*file->free[class].offsets));
    }
    file->free[class].offsets[file->free[class].count++] = offset;
}

// A free block of at least 2^block_log2 bytes, or the class past the last.
static uint32_t free_class(const struct wr_spill_file *file, uint32_t block_log2)
{
    uint32_t class = block_log2 - BLOCK_SMALLEST_LOG2;
    while (class < WR_SPILL_CLASSES && file->free[class].count == 0) {
        class ++;
    }
    return class;
}

static uint64_t place_take(struct wr_spill_file *file, uint32_t block_log2)
{
    uint32_t class = free_class(file, block_log2);
    if (class == WR_SPILL_CLASSES) {
        const uint32_t grown_log2 = block_log2 < PAGE_LOG2 ? PAGE_LOG2 : block_log2;
        free_push(file, grown_log2, file->end);
        file->end += (uint64_t)1 << grown_log2;
        class = grown_log2 - BLOCK_SMALLEST_LOG2;
    }
    const uint64_t offset = file->free[class].offsets[--file->free[class].count];
    for (uint32_t log2 = class + BLOCK_SMALLEST_LOG2; log2 > block_log2; log2--) {
        free_push(file, log2 - 1, offset + ((uint64_t)1 << (log2 - 1)));
    }
    file->used += (uint64_t)1 << block_log2;
    return offset;
}

void wr_spill_file_free(struct wr_spill_file *file, const struct wr_spill_place *place)
{
    file->used -= (uint64_t)1 << place->block_log2;
    free_push(file, place->block_log2, place->offset);
}

// ---- blocks ----

int wr_spill_file_write(struct wr_spill_file *file, const void *block, uint32_t block_log2,
                        struct wr_spill_place *place)
{
    const size_t bytes = (size_t)1 << block_log2;
    WR_ASSERT(block_log2 >= BLOCK_SMALLEST_LOG2 &&
              block_log2 < BLOCK_SMALLEST_LOG2 + WR_SPILL_CLASSES);
    *place = (struct wr_spill_place){
        .offset     = place_take(file, block_log2),
        .block_log2 = block_log2,
        .crc        = wr_crc32c(0, block, bytes),
    };
    const int status = wr_file_write(file->environment, file->file, block, bytes, place->offset);
    if (status < 0) {
        wr_spill_file_free(file, place);
    }
    return status;
}

static bool is_whole(const struct wr_spill_place *place, const void *block)
{
    return wr_crc32c(0, block, (size_t)1 << place->block_log2) == place->crc;
}

int wr_spill_file_read(struct wr_spill_file *file, const struct wr_spill_place *place, void *block)
{
    const size_t  bytes = (size_t)1 << place->block_log2;
    const int64_t got   = wr_file_read(file->environment, file->file, block, bytes, place->offset);
    if (got < 0) {
        return (int)got;
    }
    return (size_t)got == bytes && is_whole(place, block) ? 0 : -EBADMSG;
}

int wr_spill_file_read_now(struct wr_spill_file *file, const struct wr_spill_place *place,
                           void *block)
{
    const size_t  bytes = (size_t)1 << place->block_log2;
    const int64_t got   = file->environment->ops->read_now(file->environment, file->file, block,
                                                           bytes, (int64_t)place->offset);
    if (got < 0) {
        return (int)got;
    }
    return (size_t)got < bytes ? -EAGAIN : is_whole(place, block) ? 0 : -EBADMSG;
}

void wr_spill_file_read_ahead(struct wr_spill_file *file, const struct wr_spill_place *place)
{
    file->environment->ops->read_ahead(file->environment, file->file,
                                       (size_t)1 << place->block_log2, (int64_t)place->offset);
}

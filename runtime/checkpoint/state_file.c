#include "runtime/checkpoint/state_file.h"

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/checkpoint/load.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static weir_status io_fail(struct wr_error *error, int io_error, const struct wr_state_file *file,
                           const char *what)
{
    return wr_error_set(error, wr_error_status(io_error), "%s: cannot %s: %s", file->path, what,
                        strerror(-io_error));
}

weir_status wr_state_file_init(struct wr_state_file *file, struct wr_environment *environment,
                               const char *directory, const struct wr_file_id *id, uint32_t number,
                               struct wr_error *error)
{
    *file = (struct wr_state_file){ .environment = environment, .id = *id, .number = number };
    wr_state_name(id, file->name);
    file->path = wr_format("%s/%s", directory, file->name);
    file->file = environment->ops->open(environment, file->path, WR_OPEN_EXCLUSIVE);
    if (file->file == -EEXIST) {
        return wr_error_set(error, WEIR_CONFLICT,
                            "%s: it is there already, and no state file is written twice: another "
                            "process writes to this directory; stop one of them",
                            file->path);
    }
    if (file->file < 0) {
        return io_fail(error, file->file, file, "make it");
    }
    file->is_made = true;
    return WEIR_OK;
}

void wr_state_file_remove(struct wr_state_file *file)
{
    if (file->file >= 0) {
        file->environment->ops->close(file->environment, file->file);
        file->file = -1;
    }
    if (file->is_made) {
        (void)file->environment->ops->unlink(file->environment, file->path);
        file->is_made = false;
    }
}

void wr_state_file_fini(struct wr_state_file *file)
{
    if (file->file >= 0) {
        file->environment->ops->close(file->environment, file->file);
        file->file = -1;
    }
    wr_index_fini(&file->index);
    wr_free(file->path);
    file->path = NULL;
}

// ---- blocks ----

static weir_status append(struct wr_state_file *file, const char *bytes, size_t length,
                          struct wr_error *error)
{
    const int status = wr_file_write(file->environment, file->file, bytes, length, file->bytes);
    if (status < 0) {
        return wr_error_set(error, wr_error_status(status),
                            "%s: cannot write %zu bytes at byte %" PRIu64 ": %s", file->path,
                            length, file->bytes, strerror(-status));
    }
    file->bytes += length;
    return WEIR_OK;
}

weir_status wr_state_file_write(struct wr_state_file *file, char *buffer, struct wr_block *blocks,
                                uint32_t count, struct wr_error *error)
{
    WR_ASSERT(file->file >= 0 && !file->is_finished);
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct wr_block *block = &blocks[i];
        WR_ASSERT(block->at == length);
        const uint64_t offset = file->bytes + length;
        wr_block_seal(buffer + block->at, &file->id, offset, &block->header);
        block->place = (struct wr_block_place){ .file    = file->number,
                                                .bytes   = block->header.bytes,
                                                .offset  = offset,
                                                .entries = block->header.entries,
                                                .crc     = block->header.crc };
        length += wr_block_bytes(block->header.bytes);
    }
    file->block_count += count;
    return append(file, buffer, length, error);
}

weir_status wr_state_file_append(struct wr_state_file *file, const char *bytes, size_t length,
                                 uint32_t block_count, struct wr_error *error)
{
    WR_ASSERT(file->file >= 0 && !file->is_finished);
    file->block_count += block_count;
    return append(file, bytes, length, error);
}

// ---- the end ----

// Whether the index is one; keeps what was stored. Takes `bytes`.
static weir_status index_keep(struct wr_state_file *file, char *bytes, size_t length,
                              struct wr_error *error)
{
    char *reason;
    if (wr_index_decode(bytes, length, &file->index, &reason)) {
        return WEIR_OK;
    }
    (void)wr_error_set(error, WEIR_USAGE,
                       "%s: the index that task %" PRIu32
                       " hands over is none: %s; this is a mistake in weir",
                       file->path, file->id.task, reason);
    wr_free(reason);
    wr_free(bytes);
    return WEIR_USAGE;
}

// Each file that is not this one is there, as long as the index says.
static weir_status check_others(const struct wr_state_file *file, const char *directory,
                                struct wr_error *error)
{
    for (uint32_t i = 0; i < file->index.file_count; i++) {
        const struct wr_index_file *other = &file->index.files[i];
        if (strcmp(other->name, file->name) != 0) {
            const weir_status status = wr_load_check_file(file->environment, directory, other->name,
                                                          other->bytes, file->name, NULL, error);
            if (status != WEIR_OK) {
                return status;
            }
        }
    }
    return WEIR_OK;
}

// Sets what the store knows of the index: who it is, what is used of which file, how long this one
// will be. Returns the bytes it is stored as, or NULL: a sentence.
static char *index_complete(struct wr_state_file *file, struct wr_index *index, size_t *length,
                            struct wr_error *error)
{
    uint32_t number;
    index->id = file->id;
    if (!wr_index_count_used(index, &number)) {
        (void)wr_error_set(error, WEIR_USAGE,
                           "%s: a segment of task %" PRIu32 " lies in file number %" PRIu32
                           ", which its index does not list; this is a mistake in weir",
                           file->path, file->id.task, number);
        return NULL;
    }
    struct wr_index_file *own = wr_index_find_file(index, file->number);
    // How long the index is depends on no number in it.
    wr_free(wr_index_encode(index, length));
    if (own != NULL) {
        own->bytes = file->bytes + wr_round_up(*length, WR_BLOCK_ALIGN) + WR_TRAILER_BYTES;
    }
    return wr_index_encode(index, length);
}

static weir_status sync_file(struct wr_state_file *file, struct wr_error *error)
{
    const int status  = file->environment->ops->sync_data(file->environment, file->file);
    file->is_unsynced = status < 0;
    return status < 0 ? wr_error_set(error, WEIR_DISK_FAILED,
                                     "%s: cannot sync it: %s; what was written may be lost, and "
                                     "is not tried again",
                                     file->path, strerror(-status))
                      : WEIR_OK;
}

weir_status wr_state_file_finish(struct wr_state_file *file, const char *directory,
                                 struct wr_index *index, struct wr_error *error)
{
    WR_ASSERT(file->file >= 0 && !file->is_finished);
    size_t length;
    char  *bytes = index_complete(file, index, &length, error);
    if (bytes == NULL) {
        return error->status;
    }
    const size_t padded = wr_round_up(length, WR_BLOCK_ALIGN);
    char *const  end    = wr_alloc(padded + WR_TRAILER_BYTES);
    memcpy(end, bytes, length);
    file->index_crc = wr_crc32c(wr_state_seed(&file->id, file->bytes), end, length);

    const struct wr_trailer trailer = { .index_offset = file->bytes,
                                        .index_bytes  = length,
                                        .block_count  = file->block_count,
                                        .index_crc    = file->index_crc };
    wr_trailer_encode(&trailer, &file->id, file->bytes + padded, end + padded);

    weir_status status = index_keep(file, bytes, length, error);
    if (status == WEIR_OK) {
        status = check_others(file, directory, error);
    }
    if (status == WEIR_OK) {
        status = append(file, end, padded + WR_TRAILER_BYTES, error);
    }
    wr_free(end);
    status = status != WEIR_OK ? status : sync_file(file, error);
    file->environment->ops->close(file->environment, file->file);
    file->file        = -1;
    file->is_finished = status == WEIR_OK;
    return status;
}

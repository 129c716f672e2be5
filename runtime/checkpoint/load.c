#include "runtime/checkpoint/load.h"

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/base/text_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ADVICE "put back a copy of it, or " WR_LOAD_ELSE

void wr_load_fault_fini(struct wr_load_fault *fault)
{
    wr_free(fault->path);
    *fault = (struct wr_load_fault){ .kind = WR_STORE_CLEAN };
}

static void fault_set(struct wr_load_fault *fault, enum wr_store_kind kind, const char *path,
                      uint64_t byte)
{
    if (fault != NULL) {
        wr_free(fault->path);
        *fault = (struct wr_load_fault){ kind, wr_copy_text(path), byte };
    }
}

static weir_status read_fail(int io_error, const char *path, struct wr_load_fault *fault,
                             struct wr_error *error)
{
    fault_set(fault, io_error == -ENOENT ? WR_STORE_MISSING : WR_STORE_UNREADABLE, path,
              UINT64_MAX);
    // What a manifest refers to must be there.
    return wr_error_set(error, io_error == -ENOENT ? WEIR_DAMAGED : wr_error_status(io_error),
                        "%s: cannot read it: %s", path, strerror(-io_error));
}

// ---- small files ----

weir_status wr_epoch_read(struct wr_environment *environment, const char *directory,
                          struct wr_epoch *epoch, struct wr_error *error)
{
    struct wr_text_lines lines;
    size_t               length;
    uint64_t             number = 0;
    char *const          path   = wr_format("%s/epoch", directory);
    char *const          text   = wr_text_file_read(environment, path, &length, error);
    weir_status          status = WEIR_OK;
    *epoch                      = (struct wr_epoch){ .epoch = 0 };
    if (text == NULL ||
        !wr_text_lines_begin(&lines, text, "weir epoch", WR_EPOCH_FORMAT, path, error)) {
        status = error->status;
    } else if (!wr_text_lines_number(&lines, "epoch", UINT32_MAX, &number) ||
               !wr_text_lines_number(&lines, "newest", UINT64_MAX - 1, &epoch->newest)) {
        status = wr_text_lines_fail(path, error);
    } else {
        (void)wr_text_lines_number(&lines, "last", UINT64_MAX - 1, &epoch->last);
        status = *lines.at == 0 ? WEIR_OK : wr_text_lines_fail(path, error);
    }
    epoch->epoch = (uint32_t)number;
    wr_free(text);
    wr_free(path);
    return status;
}

weir_status wr_epoch_write(struct wr_environment *environment, const char *directory,
                           const struct wr_epoch *epoch, struct wr_error *error)
{
    char *const path = wr_format("%s/epoch", directory);
    char *const last =
        epoch->last > 0 ? wr_format("last %" PRIu64 "\n", epoch->last) : wr_copy_text("");
    char *const       text   = wr_format("weir epoch %u\nepoch %" PRIu32 "\nnewest %" PRIu64 "\n%s",
                                         WR_EPOCH_FORMAT, epoch->epoch, epoch->newest, last);
    const weir_status status = wr_text_file_write(environment, path, text, error);
    wr_free(last);
    wr_free(text);
    wr_free(path);
    return status;
}

weir_status wr_load_manifest(struct wr_environment *environment, const char *directory,
                             uint64_t checkpoint, struct wr_manifest *manifest,
                             struct wr_load_fault *fault, struct wr_error *error)
{
    char   name[WR_MANIFEST_NAME_BYTES];
    size_t length;
    wr_manifest_name(checkpoint, name);
    char *const path = wr_format("%s/%s", directory, name);
    char *const text = wr_text_file_read(environment, path, &length, error);
    *manifest        = (struct wr_manifest){ .memory = NULL };
    weir_status status =
        text == NULL ? error->status : wr_manifest_parse(text, path, manifest, error);
    if (status == WEIR_OK && manifest->checkpoint != checkpoint) {
        status = wr_error_set(error, WEIR_DAMAGED,
                              "%s: it is the manifest of checkpoint %" PRIu64
                              ", under the name of another: put back a copy of it",
                              path, manifest->checkpoint);
        wr_manifest_fini(manifest);
    }
    if (status != WEIR_OK) {
        const bool is_unreadable = status != WEIR_DAMAGED && status != WEIR_CONFLICT;
        fault_set(fault, is_unreadable ? WR_STORE_UNREADABLE : WR_STORE_MANIFEST, path, UINT64_MAX);
    }
    if (status == WEIR_DAMAGED) { // who reads text files knows of no other checkpoint
        (void)wr_error_set(error, status, "%s, or " WR_LOAD_ELSE, error->sentence);
    }
    wr_free(path);
    return status;
}

// ---- state files ----

weir_status wr_load_check_file(struct wr_environment *environment, const char *directory,
                               const char *name, uint64_t bytes, const char *referrer,
                               struct wr_load_fault *fault, struct wr_error *error)
{
    struct wr_file_info info;
    char *const         path   = wr_format("%s/%s", directory, name);
    const int           found  = environment->ops->info(environment, path, &info);
    weir_status         status = WEIR_OK;
    if (found == -ENOENT) {
        fault_set(fault, WR_STORE_MISSING, path, UINT64_MAX);
        status = wr_error_set(error, WEIR_DAMAGED,
                              "%s: it is not there, and %s refers to it: " ADVICE, path, referrer);
    } else if (found < 0) {
        status = read_fail(found, path, fault, error);
    } else if (!info.is_regular || info.size_bytes != bytes) {
        fault_set(fault, WR_STORE_SHORT, path, UINT64_MAX);
        status = wr_error_set(error, WEIR_DAMAGED,
                              "%s: it has %" PRIu64 " bytes, and %s says %" PRIu64 ": " ADVICE,
                              path, info.size_bytes, referrer, bytes);
    }
    wr_free(path);
    return status;
}

// The trailer and the bytes of the index; NULL: a sentence.
static char *index_read(struct wr_environment *environment, int file, const char *path,
                        const struct wr_manifest_task *task, const struct wr_file_id *id,
                        struct wr_trailer *trailer, struct wr_load_fault *fault,
                        struct wr_error *error)
{
    char           bytes[WR_TRAILER_BYTES];
    const uint64_t at     = task->bytes - WR_TRAILER_BYTES;
    const int64_t  got    = wr_file_read(environment, file, bytes, sizeof(bytes), at);
    const char    *reason = "it ends within it";
    if (got < 0) {
        (void)read_fail((int)got, path, fault, error);
        return NULL;
    }
    if (got == (int64_t)sizeof(bytes)) {
        reason = wr_trailer_decode(bytes, id, at, trailer);
    }
    if (reason != NULL) {
        fault_set(fault, reason == wr_state_foreign ? WR_STORE_FOREIGN : WR_STORE_DAMAGED, path,
                  at);
        (void)wr_error_set(error, WEIR_DAMAGED,
                           "%s: the trailer at byte %" PRIu64
                           " is not what was written: %s; " ADVICE,
                           path, at, reason);
        return NULL;
    }
    // Decoding the trailer showed that it lies in the file.
    char *const   index = wr_alloc_unset(trailer->index_bytes + 1, WR_CACHE_LINE);
    const int64_t read =
        wr_file_read(environment, file, index, trailer->index_bytes, trailer->index_offset);
    const uint32_t crc =
        wr_crc32c(wr_state_seed(id, trailer->index_offset), index, read < 0 ? 0 : (size_t)read);
    if (read < 0) {
        (void)read_fail((int)read, path, fault, error);
    } else if ((uint64_t)read != trailer->index_bytes || crc != trailer->index_crc) {
        fault_set(fault, WR_STORE_DAMAGED, path, trailer->index_offset);
        (void)wr_error_set(
            error, WEIR_DAMAGED,
            "%s: the index of %" PRIu64 " bytes at byte %" PRIu64 " has the checksum %08" PRIx32
            ", and its trailer says %08" PRIx32 ": " ADVICE,
            path, trailer->index_bytes, trailer->index_offset, crc, trailer->index_crc);
    } else if (crc != task->index_crc) {
        fault_set(fault, WR_STORE_REFERENCE, path, trailer->index_offset);
        (void)wr_error_set(error, WEIR_DAMAGED,
                           "%s: its index has the checksum %08" PRIx32
                           ", and the manifest says %08" PRIx32
                           ": it is another file of this name; " ADVICE,
                           path, crc, task->index_crc);
    } else {
        return index;
    }
    wr_free(index);
    return NULL;
}

// Zeros between index and trailer, which no checksum covers.
static bool padding_is_zero(struct wr_environment *environment, int file,
                            const struct wr_trailer *trailer)
{
    static const char zeros[WR_BLOCK_ALIGN];
    char              found[WR_BLOCK_ALIGN] = { 0 };
    const size_t length = wr_round_up(trailer->index_bytes, WR_BLOCK_ALIGN) - trailer->index_bytes;
    const uint64_t at   = trailer->index_offset + trailer->index_bytes;
    return wr_file_read(environment, file, found, length, at) == (int64_t)length &&
           memcmp(found, zeros, length) == 0;
}

static bool fits(const struct wr_index *index, const struct wr_manifest_task *task,
                 const struct wr_file_id *id)
{
    return wr_file_id_is(&index->id, id) && index->stage == task->stage &&
           index->instance == task->instance && index->first_cell == task->first_cell &&
           index->end_cell == task->end_cell;
}

static weir_status index_load(struct wr_environment *environment, int file, const char *path,
                              const struct wr_manifest_task *task, const struct wr_file_id *id,
                              struct wr_index *index, struct wr_trailer *trailer,
                              struct wr_load_fault *fault, struct wr_error *error)
{
    char *reason;
    char *bytes = index_read(environment, file, path, task, id, trailer, fault, error);
    if (bytes == NULL) {
        return error->status;
    }
    if (!padding_is_zero(environment, file, trailer)) {
        fault_set(fault, WR_STORE_DAMAGED, path, trailer->index_offset + trailer->index_bytes);
        wr_free(bytes);
        return wr_error_set(error, WEIR_DAMAGED,
                            "%s: between its index and the trailer there are other bytes than "
                            "zeros: " ADVICE,
                            path);
    }
    if (!wr_index_decode(bytes, trailer->index_bytes, index, &reason)) {
        fault_set(fault, WR_STORE_REFERENCE, path, trailer->index_offset);
        (void)wr_error_set(error, WEIR_DAMAGED,
                           "%s: the checksums are right, but %s: it was made by a broken program; "
                           "choose another checkpoint by its number",
                           path, reason);
        wr_free(reason);
        wr_free(bytes);
        return WEIR_DAMAGED;
    }
    if (!fits(index, task, id)) {
        fault_set(fault, WR_STORE_REFERENCE, path, trailer->index_offset);
        wr_index_fini(index);
        return wr_error_set(error, WEIR_DAMAGED,
                            "%s: its index is of another task, stage or key range than the "
                            "manifest says: " ADVICE,
                            path);
    }
    return WEIR_OK;
}

weir_status wr_load_index(struct wr_environment *environment, const char *directory,
                          const struct wr_manifest *manifest, uint32_t at, struct wr_index *index,
                          struct wr_trailer *trailer, struct wr_load_fault *fault,
                          struct wr_error *error)
{
    const struct wr_manifest_task *task = &manifest->tasks[at];
    const struct wr_file_id        id   = { manifest->checkpoint, manifest->epoch, task->task };
    char                           referrer[WR_MANIFEST_NAME_BYTES];
    wr_manifest_name(manifest->checkpoint, referrer);
    weir_status status =
        wr_load_check_file(environment, directory, task->file, task->bytes, referrer, fault, error);
    if (status != WEIR_OK) {
        return status;
    }
    char *const path = wr_format("%s/%s", directory, task->file);
    if (task->bytes < WR_TRAILER_BYTES || task->bytes % WR_BLOCK_ALIGN != 0) {
        fault_set(fault, WR_STORE_REFERENCE, path, UINT64_MAX);
        status = wr_error_set(error, WEIR_DAMAGED,
                              "%s: no state file has %" PRIu64 " bytes, which %s says: " ADVICE,
                              path, task->bytes, referrer);
    } else {
        const int file = environment->ops->open(environment, path, WR_OPEN_READ);
        if (file < 0) {
            status = read_fail(file, path, fault, error);
        } else {
            status = index_load(environment, file, path, task, &id, index, trailer, fault, error);
            environment->ops->close(environment, file);
        }
    }
    wr_free(path);
    return status;
}

// ---- all of it ----

static weir_status check_files(struct wr_environment *environment, const char *directory,
                               const struct wr_index *index, const char *referrer,
                               struct wr_error *error)
{
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < index->file_count && status == WEIR_OK; i++) {
        status = wr_load_check_file(environment, directory, index->files[i].name,
                                    index->files[i].bytes, referrer, NULL, error);
    }
    return status;
}

weir_status wr_load(struct wr_environment *environment, const char *directory, uint64_t checkpoint,
                    struct wr_loaded *loaded, struct wr_error *error)
{
    *loaded = (struct wr_loaded){ .indexes = NULL };
    weir_status status =
        wr_load_manifest(environment, directory, checkpoint, &loaded->manifest, NULL, error);
    if (status != WEIR_OK) {
        return status;
    }
    const uint32_t count = loaded->manifest.task_count;
    loaded->indexes      = wr_alloc(count * sizeof(struct wr_index) + 1);
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        struct wr_trailer trailer;
        status = wr_load_index(environment, directory, &loaded->manifest, i, &loaded->indexes[i],
                               &trailer, NULL, error);
        if (status == WEIR_OK) {
            status = check_files(environment, directory, &loaded->indexes[i],
                                 loaded->manifest.tasks[i].file, error);
        }
    }
    if (status != WEIR_OK) {
        wr_loaded_fini(loaded);
    }
    return status;
}

void wr_loaded_fini(struct wr_loaded *loaded)
{
    for (uint32_t i = 0; i < loaded->manifest.task_count && loaded->indexes != NULL; i++) {
        wr_index_fini(&loaded->indexes[i]);
    }
    wr_free(loaded->indexes);
    wr_manifest_fini(&loaded->manifest);
    *loaded = (struct wr_loaded){ .indexes = NULL };
}

// ---- blocks ----

weir_status wr_load_block(struct wr_environment *environment, int file, const char *path,
                          const struct wr_file_id *id, const struct wr_index_segment *segment,
                          char *buffer, struct wr_load_fault *fault, struct wr_error *error)
{
    const struct wr_block_place *place  = &segment->place;
    const uint64_t               length = wr_block_bytes(place->bytes);
    struct wr_block_header       header;
    const int64_t got = wr_file_read(environment, file, buffer, length, place->offset);
    if (got < 0) {
        return read_fail((int)got, path, fault, error);
    }
    const char        *reason = "the file ends within it";
    enum wr_store_kind kind   = WR_STORE_SHORT;
    if ((uint64_t)got == length) {
        reason = wr_block_header_decode(buffer, id, place->offset, &header);
        kind   = reason == wr_state_foreign ? WR_STORE_FOREIGN : WR_STORE_DAMAGED;
        if (reason == NULL && (header.bytes != place->bytes || header.entries != place->entries ||
                               header.crc != place->crc || header.prefix != segment->prefix ||
                               header.depth != segment->depth)) {
            reason = "it is another one than the index says";
            kind   = WR_STORE_REFERENCE;
        }
        if (reason == NULL && !wr_block_payload_is_valid(buffer, id, place->offset, &header)) {
            reason = "the checksum of its payload is wrong";
            kind   = WR_STORE_DAMAGED;
        }
    }
    if (reason == NULL) {
        return WEIR_OK;
    }
    fault_set(fault, kind, path, place->offset);
    return wr_error_set(error, WEIR_DAMAGED,
                        "%s: the block of %" PRIu64 " bytes at byte %" PRIu64
                        " is not what was written: %s; " ADVICE,
                        path, length, place->offset, reason);
}

// fsck, in this order, so that the first finding about a place is the one that says most:
//
//   epoch --> each manifest --> each task's index --> the files it names --> each segment's block
//   --> each state file that something refers to, block by block --> leftovers
#include "runtime/checkpoint/fsck.h"

#include "runtime/base/checksum.h"
#include "runtime/base/file.h"
#include "runtime/checkpoint/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct {
    int         code;
    const char *word;
} kinds[] = {
#define KIND(name, code, word) { code, word },
    WR_STORE_KIND_LIST(KIND)
#undef KIND
};

int         wr_store_kind_exit_code(enum wr_store_kind kind) { return kinds[kind].code; }
const char *wr_store_kind_word(enum wr_store_kind kind) { return kinds[kind].word; }

struct fsck {
    struct wr_environment              *environment;
    const char                         *directory;
    const struct wr_store_fsck_options *options;
    struct wr_store_summary            *summary;
    struct wr_names                     names;      // in the directory, sorted
    struct wr_names                     referred;   // state files that something refers to
    bool                                is_blind;   // a manifest or index cannot be read
    uint64_t                            checkpoint; // whose manifest is being followed; 0: none
    struct wr_names                     told;       // "path byte", of findings so far

    int    file; // that was read last, -1: none
    char  *file_name;
    char  *buffer;
    size_t capacity;
};

// ---- findings ----

static bool is_there(const struct fsck *fsck, const char *name)
{
    struct wr_file_info info;
    char *const         path = wr_format("%s/%s", fsck->directory, name);
    const bool          is   = fsck->environment->ops->info(fsck->environment, path, &info) == 0;
    wr_free(path);
    return is;
}

// Whether the writer deleted the checkpoint while it was looked at.
static bool is_deleted(const struct fsck *fsck)
{
    char name[WR_MANIFEST_NAME_BYTES];
    wr_manifest_name(fsck->checkpoint, name);
    return fsck->summary->has_writer && fsck->checkpoint != 0 && !is_there(fsck, name);
}

static bool is_told(struct fsck *fsck, const char *path, uint64_t byte)
{
    char *const place = wr_format("%s %" PRIu64, path, byte);
    bool        is    = false;
    for (uint32_t i = 0; i < fsck->told.count && !is; i++) {
        is = strcmp(fsck->told.names[i], place) == 0;
    }
    if (!is) {
        wr_names_add(&fsck->told, place);
    }
    wr_free(place);
    return is;
}

static void report(struct fsck *fsck, enum wr_store_kind kind, const char *path, uint64_t byte,
                   const char *sentence)
{
    if (is_deleted(fsck) || is_told(fsck, path, byte)) {
        return;
    }
    const struct wr_store_finding finding = { .kind       = kind,
                                              .sentence   = sentence,
                                              .path       = path,
                                              .byte       = byte,
                                              .checkpoint = fsck->checkpoint };
    fsck->summary->findings++;
    fsck->summary->gravest = kind > fsck->summary->gravest ? kind : fsck->summary->gravest;
    if (fsck->options->found != NULL) {
        fsck->options->found(fsck->options->opaque, &finding);
    }
}

// What reading something came to; frees both.
static void report_fault(struct fsck *fsck, struct wr_load_fault *fault, struct wr_error *error)
{
    WR_ASSERT(error->status != WEIR_OK && fault->path != NULL);
    report(fsck, fault->kind, fault->path, fault->byte, error->sentence);
    wr_load_fault_fini(fault);
    wr_error_fini(error);
}

// ---- files ----

static void file_close(struct fsck *fsck)
{
    if (fsck->file >= 0) {
        fsck->environment->ops->close(fsck->environment, fsck->file);
        wr_free(fsck->file_name);
    }
    fsck->file      = -1;
    fsck->file_name = NULL;
}

// Opens the file of this name, unless it is open. False, and a finding: it cannot be.
static bool file_open(struct fsck *fsck, const char *name, const char *path)
{
    if (fsck->file >= 0 && strcmp(fsck->file_name, name) == 0) {
        return true;
    }
    file_close(fsck);
    fsck->file = fsck->environment->ops->open(fsck->environment, path, WR_OPEN_READ);
    if (fsck->file < 0) {
        char *const sentence = wr_format("%s: cannot read it: %s", path, strerror(-fsck->file));
        report(fsck, fsck->file == -ENOENT ? WR_STORE_MISSING : WR_STORE_UNREADABLE, path,
               UINT64_MAX, sentence);
        wr_free(sentence);
        return false;
    }
    fsck->file_name = wr_copy_text(name);
    return true;
}

static char *buffer_of(struct fsck *fsck, uint64_t bytes)
{
    if (fsck->capacity < bytes) {
        wr_free(fsck->buffer);
        fsck->capacity = bytes;
        fsck->buffer   = wr_alloc_unset(bytes, WR_CACHE_LINE);
    }
    return fsck->buffer;
}

static void advance(struct fsck *fsck, uint64_t bytes)
{
    fsck->summary->read_bytes += bytes;
    if (fsck->options->advanced != NULL) {
        fsck->options->advanced(fsck->options->opaque, fsck->summary);
    }
}

static void refer(struct fsck *fsck, const char *name)
{
    for (uint32_t i = 0; i < fsck->referred.count; i++) {
        if (strcmp(fsck->referred.names[i], name) == 0) {
            return;
        }
    }
    wr_names_add(&fsck->referred, name);
}

// ---- what manifests refer to ----

static void check_segment(struct fsck *fsck, const struct wr_index *index,
                          const struct wr_index_segment *segment, const bool *is_usable)
{
    const struct wr_index_file *named = wr_index_find_file(index, segment->place.file);
    struct wr_file_id           id;
    WR_ASSERT(named != NULL);
    if (!is_usable[named - index->files] || !wr_state_name_parse(named->name, &id)) {
        return;
    }
    struct wr_load_fault fault = { .kind = WR_STORE_CLEAN };
    struct wr_error      error = { .status = WEIR_OK };
    char *const          path  = wr_format("%s/%s", fsck->directory, named->name);
    if (file_open(fsck, named->name, path) &&
        wr_load_block(fsck->environment, fsck->file, path, &id, segment,
                      buffer_of(fsck, wr_block_bytes(segment->place.bytes)), &fault,
                      &error) != WEIR_OK) {
        report_fault(fsck, &fault, &error);
    }
    advance(fsck, wr_block_bytes(segment->place.bytes));
    wr_free(path);
}

static void check_index(struct fsck *fsck, const struct wr_index *index, const char *name)
{
    bool *is_usable = wr_alloc(index->file_count + 1);
    for (uint32_t i = 0; i < index->file_count; i++) {
        struct wr_load_fault fault = { .kind = WR_STORE_CLEAN };
        struct wr_error      error = { .status = WEIR_OK };
        refer(fsck, index->files[i].name);
        is_usable[i] = wr_load_check_file(fsck->environment, fsck->directory, index->files[i].name,
                                          index->files[i].bytes, name, &fault, &error) == WEIR_OK;
        if (!is_usable[i]) {
            report_fault(fsck, &fault, &error);
        }
    }
    for (uint32_t i = 0; i < index->operator_count; i++) {
        for (uint32_t j = 0; j < index->operators[i].table_count; j++) {
            const struct wr_index_table *table = &index->operators[i].tables[j];
            for (uint32_t k = 0; k < table->segment_count; k++) {
                check_segment(fsck, index, &table->segments[k], is_usable);
            }
        }
    }
    wr_free(is_usable);
}

static void check_manifest(struct fsck *fsck, uint64_t checkpoint)
{
    struct wr_load_fault fault = { .kind = WR_STORE_CLEAN };
    struct wr_error      error = { .status = WEIR_OK };
    struct wr_manifest   manifest;
    fsck->checkpoint = checkpoint;
    if (wr_load_manifest(fsck->environment, fsck->directory, checkpoint, &manifest, &fault,
                         &error) != WEIR_OK) {
        report_fault(fsck, &fault, &error);
        fsck->is_blind   = true;
        fsck->checkpoint = 0;
        return;
    }
    for (uint32_t i = 0; i < manifest.task_count; i++) {
        struct wr_index   index;
        struct wr_trailer trailer;
        refer(fsck, manifest.tasks[i].file);
        if (wr_load_index(fsck->environment, fsck->directory, &manifest, i, &index, &trailer,
                          &fault, &error) != WEIR_OK) {
            report_fault(fsck, &fault, &error);
            fsck->is_blind = true;
            continue;
        }
        check_index(fsck, &index, manifest.tasks[i].file);
        wr_index_fini(&index);
    }
    wr_manifest_fini(&manifest);
    fsck->checkpoint = 0;
}

// ---- a state file by itself ----

static void report_bytes(struct fsck *fsck, const char *path, uint64_t byte, const char *what,
                         const char *reason)
{
    char *const sentence = wr_format("%s: %s at byte %" PRIu64 " is not what was written: %s; put "
                                     "back a copy of the file",
                                     path, what, byte, reason);
    report(fsck, reason == wr_state_foreign ? WR_STORE_FOREIGN : WR_STORE_DAMAGED, path, byte,
           sentence);
    wr_free(sentence);
}

// The block at `offset`: where it ends, or 0 and a finding.
static uint64_t walk_block(struct fsck *fsck, const char *path, const struct wr_file_id *id,
                           uint64_t offset, uint64_t end)
{
    struct wr_block_header header;
    char                   bytes[WR_BLOCK_HEADER_BYTES];
    const char            *reason = "the index begins within it";
    if (end - offset >= WR_BLOCK_HEADER_BYTES) {
        const int64_t got =
            wr_file_read(fsck->environment, fsck->file, bytes, sizeof(bytes), offset);
        reason = got != (int64_t)sizeof(bytes) ? "it cannot be read"
                                               : wr_block_header_decode(bytes, id, offset, &header);
        if (reason == NULL && wr_block_bytes(header.bytes) > end - offset) {
            reason = "the index begins within it";
        }
    }
    if (reason == NULL) {
        const uint64_t length = wr_block_bytes(header.bytes);
        advance(fsck, length);
        char *const block = buffer_of(fsck, length);
        if (wr_file_read(fsck->environment, fsck->file, block, length, offset) == (int64_t)length &&
            wr_block_payload_is_valid(block, id, offset, &header)) {
            fsck->summary->blocks++;
            return offset + length;
        }
        reason = "the checksum of its payload is wrong";
    }
    report_bytes(fsck, path, offset, "the block", reason);
    return 0;
}

static void walk_blocks(struct fsck *fsck, const char *path, const struct wr_file_id *id,
                        const struct wr_trailer *trailer)
{
    uint64_t count = 0, offset = 0;
    while (offset < trailer->index_offset) {
        offset = walk_block(fsck, path, id, offset, trailer->index_offset);
        if (offset == 0) {
            return; // where the next one begins is not known
        }
        count++;
    }
    if (count != trailer->block_count) {
        char *const sentence =
            wr_format("%s: it has %" PRIu64 " blocks, and its trailer says %" PRIu64
                      ": put back a copy of the file",
                      path, count, trailer->block_count);
        report(fsck, WR_STORE_REFERENCE, path, trailer->index_offset, sentence);
        wr_free(sentence);
    }
}

// The index of a file whose own manifest may be gone.
static void walk_index(struct fsck *fsck, const char *path, const struct wr_file_id *id,
                       const struct wr_trailer *trailer)
{
    const uint64_t padded = wr_round_up(trailer->index_bytes, WR_BLOCK_ALIGN);
    char *const    bytes  = buffer_of(fsck, padded + 1);
    bool is = wr_file_read(fsck->environment, fsck->file, bytes, padded, trailer->index_offset) ==
                  (int64_t)padded &&
              wr_crc32c(wr_state_seed(id, trailer->index_offset), bytes, trailer->index_bytes) ==
                  trailer->index_crc;
    for (uint64_t i = trailer->index_bytes; i < padded; i++) {
        is = is && bytes[i] == 0;
    }
    if (!is) {
        report_bytes(fsck, path, trailer->index_offset, "the index", "its checksum is wrong");
    }
}

static void walk_file(struct fsck *fsck, const char *name)
{
    struct wr_file_info info;
    struct wr_file_id   id;
    char *const         path = wr_format("%s/%s", fsck->directory, name);
    if (wr_state_name_parse(name, &id) &&
        fsck->environment->ops->info(fsck->environment, path, &info) == 0 &&
        file_open(fsck, name, path)) {
        char              bytes[WR_TRAILER_BYTES];
        struct wr_trailer trailer;
        const bool        has_room =
            info.size_bytes >= WR_TRAILER_BYTES && info.size_bytes % WR_BLOCK_ALIGN == 0;
        const uint64_t at     = has_room ? info.size_bytes - WR_TRAILER_BYTES : 0;
        const char    *reason = "no state file has such a length";
        if (has_room) {
            reason = wr_file_read(fsck->environment, fsck->file, bytes, sizeof(bytes), at) !=
                             (int64_t)sizeof(bytes)
                         ? "it cannot be read"
                         : wr_trailer_decode(bytes, &id, at, &trailer);
        }
        fsck->summary->files++;
        fsck->summary->bytes += info.size_bytes;
        if (reason != NULL) {
            report_bytes(fsck, path, at, "the trailer", reason);
        } else {
            walk_index(fsck, path, &id, &trailer);
            walk_blocks(fsck, path, &id, &trailer);
        }
    }
    wr_free(path);
}

// ---- the directory ----

static void report_epoch(struct fsck *fsck, const char *sentence)
{
    char *const path = wr_format("%s/epoch", fsck->directory);
    report(fsck, WR_STORE_EPOCH, path, UINT64_MAX, sentence);
    wr_free(path);
}

static void check_epoch(struct fsck *fsck)
{
    struct wr_error   error = { .status = WEIR_OK };
    struct wr_epoch   epoch;
    uint32_t          greatest = 0;
    uint64_t          checkpoint, newest = 0;
    bool              has_any = false;
    const weir_status status  = wr_epoch_read(fsck->environment, fsck->directory, &epoch, &error);
    for (uint32_t i = 0; i < fsck->names.count; i++) {
        struct wr_file_id id;
        if (wr_state_name_parse(fsck->names.names[i], &id)) {
            has_any  = true;
            greatest = id.epoch > greatest ? id.epoch : greatest;
        }
        if (wr_manifest_name_parse(fsck->names.names[i], &checkpoint)) {
            has_any = true;
            newest  = checkpoint > newest ? checkpoint : newest;
        }
    }
    if (status != WEIR_OK) {
        if (status != WEIR_NOT_FOUND || has_any) {
            report_epoch(fsck, error.sentence);
        }
        wr_error_fini(&error);
    } else if (epoch.newest > newest) {
        char name[WR_MANIFEST_NAME_BYTES];
        wr_manifest_name(epoch.newest, name);
        char *const path     = wr_format("%s/%s", fsck->directory, name);
        char *const sentence = wr_format("%s: it was published, as the file \"epoch\" says, and is "
                                         "gone: put it back, or choose an older one by its number",
                                         path);
        report(fsck, WR_STORE_MISSING, path, UINT64_MAX, sentence);
        wr_free(sentence);
        wr_free(path);
    } else if (epoch.epoch < greatest) {
        char *const sentence =
            wr_format("%s/epoch: it says %" PRIu32 ", and there are files of epoch %" PRIu32
                      ": it is an old copy; put back the right one",
                      fsck->directory, epoch.epoch, greatest);
        report_epoch(fsck, sentence);
        wr_free(sentence);
    }
}

// Whether a process holds the lock; it is asked for a moment, by a file opened for reading.
static bool has_writer(const struct fsck *fsck)
{
    struct wr_environment *environment = fsck->environment;
    char *const            path        = wr_format("%s/lock", fsck->directory);
    const int              file        = environment->ops->open(environment, path, WR_OPEN_READ);
    bool                   is_held     = false;
    if (file >= 0) {
        is_held = environment->ops->lock(environment, file) == -EWOULDBLOCK;
        environment->ops->close(environment, file);
    }
    wr_free(path);
    return is_held;
}

static void check_leftover(struct fsck *fsck, const char *name)
{
    struct wr_file_id id;
    const bool        is_state = wr_state_name_parse(name, &id);
    const bool        is_temporary =
        strncmp(name, "manifest.tmp-e", 14) == 0 || strcmp(name, "epoch.tmp") == 0;
    // What a writer is about to publish, what it was about to delete when the directory was listed,
    // or what an index that cannot be read may refer to, is none.
    const bool is_leftover =
        is_state ? !wr_names_have(&fsck->referred, name) && !fsck->is_blind &&
                       (!fsck->summary->has_writer ||
                        (id.checkpoint < fsck->summary->newest && is_there(fsck, name)))
                 : is_temporary && !fsck->summary->has_writer;
    if (is_leftover) {
        char *const path = wr_format("%s/%s", fsck->directory, name);
        char *const sentence =
            wr_format("%s: no published checkpoint needs it; the next one clears it away", path);
        report(fsck, WR_STORE_LEFTOVER, path, UINT64_MAX, sentence);
        wr_free(sentence);
        wr_free(path);
    }
}

static void check(struct fsck *fsck)
{
    uint64_t checkpoint;
    fsck->summary->has_writer = has_writer(fsck);
    check_epoch(fsck);
    for (uint32_t i = 0; i < fsck->names.count; i++) {
        if (wr_manifest_name_parse(fsck->names.names[i], &checkpoint)) {
            fsck->summary->manifests++;
            fsck->summary->newest =
                checkpoint > fsck->summary->newest ? checkpoint : fsck->summary->newest;
            check_manifest(fsck, checkpoint);
        }
    }
    wr_names_sort(&fsck->referred);
    for (uint32_t i = 0; i < fsck->referred.count; i++) {
        walk_file(fsck, fsck->referred.names[i]);
    }
    for (uint32_t i = 0; i < fsck->names.count; i++) {
        check_leftover(fsck, fsck->names.names[i]);
    }
}

weir_status wr_store_fsck(struct wr_environment *environment, const char *directory,
                          const struct wr_store_fsck_options *options,
                          struct wr_store_summary *summary, struct wr_error *error)
{
    struct fsck fsck = { .environment = environment,
                         .directory   = directory,
                         .options     = options,
                         .summary     = summary,
                         .file        = -1 };
    *summary         = (struct wr_store_summary){ .gravest = WR_STORE_CLEAN };
    const int status = environment->ops->list(environment, directory, wr_names_add, &fsck.names);
    if (status == 0) {
        wr_names_sort(&fsck.names);
        check(&fsck);
    }
    file_close(&fsck);
    wr_free(fsck.buffer);
    wr_names_fini(&fsck.names);
    wr_names_fini(&fsck.referred);
    wr_names_fini(&fsck.told);
    return status == 0 ? WEIR_OK : wr_manifest_not_listed(directory, status, error);
}

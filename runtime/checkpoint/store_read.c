#include "runtime/checkpoint/store.h"

#include <string.h>

static void reader_close(struct wr_store *store, struct wr_store_reader *reader)
{
    if (reader->name != NULL) {
        store->environment->ops->close(store->environment, reader->file);
        wr_free(reader->name);
        *reader = (struct wr_store_reader){ .name = NULL };
    }
}

void wr_store_close_readers(struct wr_store *store)
{
    for (uint32_t i = 0; i < WR_STORE_OPEN; i++) {
        reader_close(store, &store->readers[i]);
    }
}

// The file of this name, open for reading, in place of the one that was used longest ago. < 0:
// -errno.
static int reader_of(struct wr_store *store, const char *name, const char *path)
{
    struct wr_store_reader *oldest = &store->readers[0];
    for (uint32_t i = 0; i < WR_STORE_OPEN; i++) {
        struct wr_store_reader *reader = &store->readers[i];
        if (reader->name != NULL && strcmp(reader->name, name) == 0) {
            reader->used_at = ++store->read_count;
            return reader->file;
        }
        oldest = reader->used_at < oldest->used_at ? reader : oldest;
    }
    const int file = store->environment->ops->open(store->environment, path, WR_OPEN_READ);
    if (file >= 0) {
        reader_close(store, oldest);
        *oldest = (struct wr_store_reader){ wr_copy_text(name), file, ++store->read_count };
    }
    return file;
}

weir_status wr_store_read_block(struct wr_store *store, uint32_t at,
                                const struct wr_index_segment *segment, char *buffer,
                                struct wr_error *error)
{
    const struct wr_index      *index = wr_store_index(store, at);
    const struct wr_index_file *named = wr_index_find_file(index, segment->place.file);
    struct wr_file_id           id;
    WR_ASSERT(named != NULL);
    const bool is_name = wr_state_name_parse(named->name, &id);
    WR_ASSERT(is_name);
    char *const path   = wr_format("%s/%s", store->directory, named->name);
    const int   file   = reader_of(store, named->name, path);
    weir_status status = WEIR_OK;
    if (file < 0) {
        status = wr_error_set(error, wr_error_status(file), "%s: cannot read it: %s", path,
                              strerror(-file));
    } else {
        status = wr_load_block(store->environment, file, path, &id, segment, buffer, NULL, error);
    }
    wr_free(path);
    return status;
}

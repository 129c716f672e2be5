#include "runtime/run/ahead.h"

#include "runtime/base/thread.h"

#define AHEAD_BYTES ((size_t)1 << 20) // read at a time

struct wr_ahead {
    struct wr_environment *environment;
    const struct wr_store *store;
    uint32_t               is_over; // atomic
    pthread_t              thread;
};

static bool is_over(const struct wr_ahead *ahead)
{
    return __atomic_load_n(&ahead->is_over, __ATOMIC_RELAXED) != 0;
}

// A file that cannot be read is told of by who needs it.
static void file_read(const struct wr_ahead *ahead, const char *name, char *buffer)
{
    struct wr_environment *environment = ahead->environment;
    char *const            path        = wr_format("%s/%s", wr_store_directory(ahead->store), name);
    const int              file        = environment->ops->open(environment, path, WR_OPEN_READ);
    int64_t                got = 1, at = 0;
    while (file >= 0 && got > 0 && !is_over(ahead)) {
        got = environment->ops->read_at(environment, file, buffer, AHEAD_BYTES, at);
        at += got;
    }
    if (file >= 0) {
        environment->ops->close(environment, file);
    }
    wr_free(path);
}

static void *ahead_main(void *opaque)
{
    const struct wr_ahead *ahead  = opaque;
    char                  *buffer = wr_alloc_aligned(AHEAD_BYTES, 4096);
    for (uint32_t at = 0; at < wr_store_manifest(ahead->store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(ahead->store, at);
        for (uint32_t i = 0; i < index->file_count && !is_over(ahead); i++) {
            file_read(ahead, index->files[i].name, buffer);
        }
    }
    wr_free(buffer);
    return NULL;
}

struct wr_ahead *wr_ahead_start(const struct weir_run *run, const struct wr_store *store)
{
    if (run->is_simulated) {
        return NULL;
    }
    struct wr_ahead *ahead = wr_alloc(sizeof(*ahead));
    ahead->environment     = run->environment;
    ahead->store           = store;
    if (wr_thread_start(&ahead->thread, ahead_main, ahead, "weir/ahead") != 0) {
        wr_free(ahead);
        return NULL;
    }
    return ahead;
}

void wr_ahead_stop(struct wr_ahead *ahead)
{
    if (ahead != NULL) {
        __atomic_store_n(&ahead->is_over, 1, __ATOMIC_RELAXED);
        (void)pthread_join(ahead->thread, NULL);
        wr_free(ahead);
    }
}

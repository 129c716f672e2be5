// The simulated environment's shared memory, waits for its words, locks, boot and process.
//
// Shared memory is the host's, so that a reader's is read-only as a real one's; it belongs to the
// file in memory that it is the memory of, moves and goes with it, and is new after a reboot. A
// mapping stays until it is given back, even of a machine that stopped since.
#include "runtime/base/atomic.h"
#include "runtime/base/simulated.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_PROCESS 1000u

// ---- locks ----

int wr_simulated_lock(struct wr_environment *environment, int file)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = wr_simulated_handle_of(self, file);
    if (handle->is_stale || self->has_stopped) {
        return -ENODEV;
    }
    if (handle->file == NULL) {
        return self->host->ops->lock(self->host, handle->host_file);
    }
    for (uint32_t i = 0; i < self->handle_count; i++) {
        const struct wr_simulated_handle *other = &self->handles[i];
        if (other != handle && other->is_locked && other->file == handle->file) {
            return -EWOULDBLOCK;
        }
    }
    handle->is_locked = true;
    return 0;
}

// ---- memory ----

// Sees to it that the file has memory, `bytes` of it. 0 or -errno.
static int memory_prepare(struct wr_disk_file *file, size_t bytes)
{
    if (file->shared < 0) {
        file->shared = memfd_create("weir", MFD_CLOEXEC);
    }
    if (file->shared < 0) {
        return -errno;
    }
    const off_t there = lseek(file->shared, 0, SEEK_END);
    return there < (off_t)bytes && ftruncate(file->shared, (off_t)bytes) < 0 ? -errno : 0;
}

static void *memory_map(struct wr_simulated *self, struct wr_disk_file *file, size_t bytes,
                        bool is_writer, int *error)
{
    *error = memory_prepare(file, bytes);
    if (*error < 0) {
        return NULL;
    }
    const int   rights = is_writer ? PROT_READ | PROT_WRITE : PROT_READ;
    void *const memory = mmap(NULL, bytes, rights, MAP_SHARED, file->shared, 0);
    if (memory == MAP_FAILED) {
        *error = -errno;
        return NULL;
    }
    self->mappings =
        wr_realloc(self->mappings, (self->mapping_count + 1) * sizeof(struct wr_simulated_mapping));
    self->mappings[self->mapping_count++] = (struct wr_simulated_mapping){ memory, bytes };
    return memory;
}

static void *share_writing(struct wr_simulated *self, const char *path, size_t bytes, int *error)
{
    const int file = wr_simulated_open(&self->base, path, WR_OPEN_UPDATE);
    if (file < 0) {
        *error = file;
        return NULL;
    }
    struct wr_disk_file *content = wr_simulated_handle_of(self, file)->file;
    *error       = content->room < bytes ? wr_simulated_preallocate(&self->base, file, bytes) : 0;
    void *memory = *error < 0 ? NULL : memory_map(self, content, bytes, true, error);
    wr_simulated_close(&self->base, file);
    return memory;
}

static void *share_reading(struct wr_simulated *self, const char *path, size_t bytes, int *error)
{
    char                *absolute = wr_simulated_path(self, path);
    struct wr_disk_file *file     = wr_simulated_place_of(self, absolute).file;
    wr_free(absolute);
    *error = self->has_stopped ? -ENODEV : file == NULL ? -ENOENT : 0;
    *error = *error == 0 && file->size < bytes ? -ENODATA : *error;
    return *error < 0 ? NULL : memory_map(self, file, bytes, false, error);
}

void *wr_simulated_share(struct wr_environment *environment, const char *path, size_t bytes,
                         bool is_writer, int *error)
{
    WR_ASSERT(bytes > 0 && bytes % 4096 == 0);
    struct wr_simulated *self = wr_simulated_of(environment);
    return is_writer ? share_writing(self, path, bytes, error)
                     : share_reading(self, path, bytes, error);
}

void wr_simulated_unshare(struct wr_environment *environment, void *memory, size_t bytes)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    uint32_t             i    = 0;
    while (i < self->mapping_count && self->mappings[i].memory != memory) {
        i++;
    }
    WR_ASSERT(i < self->mapping_count && self->mappings[i].bytes == bytes);
    munmap(memory, bytes);
    self->mappings[i] = self->mappings[--self->mapping_count];
}

void wr_simulated_unmap(struct wr_simulated *self)
{
    for (uint32_t i = 0; i < self->mapping_count; i++) {
        munmap(self->mappings[i].memory, self->mappings[i].bytes);
    }
    wr_free(self->mappings);
}

// ---- words ----

// Nothing but what is under way can change the word: with nothing under way a wait without end
// returns early.
void wr_simulated_wait_word(struct wr_environment *environment, const uint32_t *word, uint32_t seen,
                            int64_t timeout_us)
{
    const int64_t now   = wr_simulated_of(environment)->now_us;
    const bool    is_on = timeout_us < 0 || timeout_us >= WEIR_TIME_MAX - now;
    const int64_t until = is_on ? WEIR_TIME_MAX : now + timeout_us;
    while (wr_load_word(word) == seen && wr_simulation_advance(environment, until)) {
    }
}

void wr_simulated_wake_word(struct wr_environment *environment, const uint32_t *word)
{
    wr_simulated_look(wr_simulated_of(environment), word);
}

// ---- machine and process ----

uint64_t wr_simulated_boot(struct wr_environment *environment)
{
    const struct wr_simulated *self = wr_simulated_of(environment);
    const uint64_t             boot = wr_mix64(self->seed, 3 + (uint64_t)self->reboot_count);
    return boot == 0 ? 1 : boot;
}

uint32_t wr_simulated_process(struct wr_environment *environment)
{
    return FIRST_PROCESS + wr_simulated_of(environment)->process_count;
}

// A process on the simulated machine ends at once.
bool wr_simulated_is_ending(WEIR_UNUSED struct wr_environment *environment,
                            WEIR_UNUSED uint32_t               process)
{
    return false;
}

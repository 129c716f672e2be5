// A simulated disk with a store of checkpoints on it, for unit tests.
#ifndef CHECKPOINT_DISK_H
#define CHECKPOINT_DISK_H

#include "runtime/checkpoint/store.h"
#include "tests/support/checkpoint_life.h"

#include <criterion/criterion.h>

#define STORE    "/state"
#define COPY     "/copy"
#define PICTURES 64u

struct disk {
    struct wr_environment *environment;
    struct life            life;
    struct wr_store       *store; // NULL: closed
    struct life_picture    pictures[PICTURES];
    uint32_t               warnings;
    char                   warned[400]; // the last
};

static inline void disk_warn(void *opaque, const char *sentence)
{
    struct disk *disk = opaque;
    disk->warnings++;
    (void)snprintf(disk->warned, sizeof(disk->warned), "%s", sentence);
}

static inline weir_status disk_try_open(struct disk *disk, const char *directory, bool writes,
                                        uint64_t checkpoint, struct wr_error *error)
{
    const struct wr_store_options options = { .writes     = writes,
                                              .creates    = writes,
                                              .checkpoint = checkpoint,
                                              .warn       = disk_warn,
                                              .opaque     = disk };
    return wr_store_open(disk->environment, directory, &options, &disk->store, error);
}

static inline void disk_open_store(struct disk *disk, const char *directory, bool writes,
                                   uint64_t checkpoint)
{
    struct wr_error error = { .status = WEIR_OK };
    cr_assert_eq(disk_try_open(disk, directory, writes, checkpoint, &error), WEIR_OK, "%s",
                 error.sentence);
}

static inline void disk_close_store(struct disk *disk)
{
    wr_store_close(disk->store);
    disk->store = NULL;
}

// With an open store, in which nothing is published.
static inline void disk_init(struct disk *disk)
{
    *disk = (struct disk){ .environment = wr_environment_open_simulated(5, false) };
    life_init(&disk->life, 200, 1500);
    disk_open_store(disk, STORE, true, 0);
}

static inline void disk_fini(struct disk *disk)
{
    disk_close_store(disk);
    wr_environment_close(disk->environment);
}

// A checkpoint in which one segment of each table differs from the one before.
static inline weir_status disk_try_checkpoint(struct disk *disk, uint64_t checkpoint,
                                              struct wr_error *error)
{
    for (uint32_t task = 1; task < LIFE_TASKS; task++) {
        life_touch(&disk->life, task, 0, (uint32_t)checkpoint % LIFE_SEGMENTS);
        life_touch(&disk->life, task, 1, (uint32_t)(checkpoint + task) % LIFE_SEGMENTS);
    }
    disk->pictures[checkpoint] = life_picture_of(&disk->life, checkpoint);
    return life_checkpoint(&disk->life, disk->store, checkpoint, false, error);
}

static inline void disk_checkpoint(struct disk *disk, uint64_t checkpoint)
{
    struct wr_error error = { .status = WEIR_OK };
    cr_assert_eq(disk_try_checkpoint(disk, checkpoint, &error), WEIR_OK, "%s", error.sentence);
}

// The store is open at this checkpoint and reads as it was.
static inline void disk_check(struct disk *disk, uint64_t checkpoint)
{
    struct wr_error   error = { .status = WEIR_OK };
    const char *const wrong =
        life_check(&disk->life, disk->store, &disk->pictures[checkpoint], &error);
    cr_assert(wrong == NULL, "%s", wrong);
    cr_assert_eq(error.status, WEIR_OK, "%s", error.sentence);
}

// Opens the store again, as another process would.
static inline void disk_open_again(struct disk *disk, uint64_t checkpoint)
{
    disk_close_store(disk);
    disk_open_store(disk, STORE, true, 0);
    disk_check(disk, checkpoint);
    life_restore(&disk->life, disk->store, &disk->pictures[checkpoint]);
}

static inline bool disk_has(const struct disk *disk, const char *name)
{
    struct wr_file_info info;
    char *const         path = wr_format(STORE "/%s", name);
    const bool          is   = disk->environment->ops->info(disk->environment, path, &info) == 0;
    wr_free(path);
    return is;
}

// How many names in the directory begin so.
static inline uint32_t disk_count(const struct disk *disk, const char *directory, const char *begin)
{
    struct wr_names names = { .count = 0 };
    uint32_t        count = 0;
    (void)disk->environment->ops->list(disk->environment, directory, wr_names_add, &names);
    for (uint32_t i = 0; i < names.count; i++) {
        count += strncmp(names.names[i], begin, strlen(begin)) == 0;
    }
    wr_names_fini(&names);
    return count;
}

static inline void assert_says(const struct wr_error *error, weir_status status, const char *part)
{
    cr_assert_eq(error->status, status, "%s: %s", weir_status_name(error->status), error->sentence);
    cr_assert(strstr(error->sentence, part) != NULL, "\"%s\" does not say \"%s\"", error->sentence,
              part);
}

#endif // CHECKPOINT_DISK_H

// A store of checkpoints that was closed, and then damaged in one place: what is read is what was
// written, or a sentence says that it is not, or nothing needs what was damaged.
//
//   flip    each bit of each file           cut      each file at each length
//   zeros   each block of 4 KiB             other    each block by each other block of any file
//   stale   each block by what it was when the store was closed before
//   gone    each file                       foreign  each file by each other one, and by the same
//                                                    one of another store
//
// The store has three checkpoints of two processes, about 64 KiB. Each damaged one is opened by a
// reader at the newest and at each other checkpoint, all of it read, and checked by fsck; and
// opened by a writer.
//
//   detected   the newest is refused, or a block of it
//   by fsck    the newest is whole; fsck says what is damaged
//   harmless   all is whole, and fsck finds nothing: so only of files that nothing is in
//   wrong      anything was read that was not written, or another checkpoint than the newest was
//              opened, or the writer opens what the reader refuses
//
// At small and normal size not all bits and lengths are tried, but one in so many as the program
// prints (`stride_of`); at full size all are.
#include "runtime/checkpoint/fsck.h"

#include "../support/checkpoint_life.h"
#include "../support/trial.h"
#include "watched_disk.h"

#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STORE      "/state"
#define FILES_MAX  64u
#define BYTES_MAX  (1u << 18) // of a file
#define BLOCK      4096u
#define EDGE       128u
#define WORKERS    2u
#define WRONG_TOLD 40u
#define FIRST      2u // the oldest checkpoint that is retained
#define NEWEST     4u

typedef unsigned long long number;

struct image {
    struct file {
        char  *path;
        char  *bytes;
        size_t length;
        bool   is_state;
    } files[FILES_MAX];
    uint32_t count;
};

static struct watched_disk *disk;
static struct life          life;
static struct life_picture  pictures[NEWEST + 1];
static struct image         image, older, other;
static char                 now_doing[300];

enum outcome { HARMLESS, BY_FSCK, DETECTED, WRONG, OUTCOMES };
enum damage { FLIP, CUT, ZEROS, OTHER, STALE, GONE, FOREIGN, DAMAGES };
static const char *const damage_names[DAMAGES] = { "flip",  "cut",  "zeros",  "other",
                                                   "stale", "gone", "foreign" };
static uint64_t (*outcomes)[OUTCOMES]; // shared by the processes

#define REQUIRE(claim, ...)                                                                        \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("%s: line %d: not so: %s: ", now_doing, __LINE__, #claim);                      \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// ---- images ----

static void image_take_name(void *opaque, const char *name)
{
    struct image *to   = opaque;
    struct file  *file = &to->files[to->count++];
    size_t        length;
    REQUIRE(to->count < FILES_MAX, "too many files");
    file->path              = wr_format(STORE "/%s", name);
    const char *const bytes = wr_simulation_bytes(disk->inner, file->path, &length);
    REQUIRE(bytes != NULL && length < BYTES_MAX, "%s", file->path);
    file->bytes    = wr_alloc(length + 1);
    file->length   = length;
    file->is_state = name[0] == 'c';
    memcpy(file->bytes, bytes, length);
}

static void image_take(struct image *to)
{
    to->count = 0;
    REQUIRE(disk->inner->ops->list(disk->inner, STORE, image_take_name, to) == 0, "no directory");
}

static void image_fini(struct image *of)
{
    for (uint32_t i = 0; i < of->count; i++) {
        wr_free(of->files[i].path);
        wr_free(of->files[i].bytes);
    }
}

static struct file *image_find(struct image *in, const char *path)
{
    for (uint32_t i = 0; i < in->count; i++) {
        if (strcmp(in->files[i].path, path) == 0) {
            return &in->files[i];
        }
    }
    return NULL;
}

static void put(const struct file *file, const char *bytes, size_t length)
{
    wr_simulation_import(disk->inner, file->path, bytes, length);
}

// Puts everything back that the last try changed.
static void restore(void)
{
    for (uint32_t i = 0; i < disk->path_count; i++) {
        const struct file *file = image_find(&image, disk->paths[i]);
        if (file != NULL) {
            put(file, file->bytes, file->length);
        }
    }
    watched_disk_forget_paths(disk);
}

// ---- reading ----

static enum outcome wrong(const char *who, const char *what)
{
    static uint32_t told;
    if (told++ < WRONG_TOLD) {
        printf("%s: %s: %s\n", now_doing, who, what);
    }
    return WRONG;
}

static void check_sentence(struct wr_error *error)
{
    REQUIRE(error->sentence != NULL && strlen(error->sentence) > 20 &&
                strstr(error->sentence, STORE) != NULL,
            "%s and no sentence", weir_status_name(error->status));
    wr_error_fini(error);
}

static weir_status open_at(bool writes, uint64_t checkpoint, struct wr_store **store)
{
    const struct wr_store_options options = { .writes = writes, .checkpoint = checkpoint };
    struct wr_error               error   = { .status = WEIR_OK };
    const weir_status status = wr_store_open(&disk->base, STORE, &options, store, &error);
    if (status != WEIR_OK) {
        check_sentence(&error);
    }
    return status;
}

// Opens it at a checkpoint and reads all of it.
static enum outcome read_at(uint64_t checkpoint)
{
    struct wr_store *store;
    struct wr_error  error = { .status = WEIR_OK };
    if (open_at(false, checkpoint == NEWEST ? 0 : checkpoint, &store) != WEIR_OK) {
        return DETECTED;
    }
    enum outcome      outcome = HARMLESS;
    const char *const what    = life_check(&life, store, &pictures[checkpoint], &error);
    if (what != NULL) {
        outcome = wrong("a reader", what);
    } else if (error.status != WEIR_OK) {
        outcome = DETECTED;
        check_sentence(&error);
    }
    wr_error_fini(&error);
    wr_store_close(store);
    return outcome;
}

static enum outcome check(void)
{
    const struct wr_store_fsck_options options = { .found = NULL };
    struct wr_store_summary            summary;
    struct wr_error                    error = { .status = WEIR_OK };
    REQUIRE(wr_store_fsck(&disk->base, STORE, &options, &summary, &error) == WEIR_OK, "%s",
            error.sentence);
    return summary.findings > 0 ? BY_FSCK : HARMLESS;
}

// Who writes opens what a reader opens, and nothing else.
static enum outcome write_at(bool is_opened)
{
    struct wr_store  *store;
    const weir_status status = open_at(true, 0, &store);
    wr_store_close(store);
    return status != WEIR_OK || is_opened ? HARMLESS
                                          : wrong("a writer", "opens what a reader refuses");
}

static bool can_open(void)
{
    struct wr_store  *store;
    const weir_status status = open_at(false, 0, &store);
    wr_store_close(store);
    return status == WEIR_OK;
}

static enum outcome judge(void)
{
    const enum outcome newest = read_at(NEWEST);
    const enum outcome fsck   = check();
    enum outcome       worst  = newest == HARMLESS ? fsck : newest;
    if (newest == DETECTED && fsck == HARMLESS) {
        worst = wrong("fsck", "finds nothing in what cannot be opened");
    }
    for (uint64_t checkpoint = FIRST; checkpoint < NEWEST; checkpoint++) {
        const enum outcome old = read_at(checkpoint);
        worst                  = old == WRONG ? WRONG : worst;
        if (old == DETECTED && fsck == HARMLESS) {
            worst = wrong("fsck", "finds nothing in an older checkpoint that cannot be opened");
        }
    }
    return write_at(can_open()) == WRONG ? WRONG : worst;
}

// ---- trying ----

static struct trial_watchdog watchdog;

// The lock's text is for sentences only: nothing else may be damaged without a word.
static void try_damaged(enum damage damage, const struct file *file)
{
    enum outcome outcome = judge();
    if (outcome == HARMLESS && strcmp(file->path, STORE "/lock") != 0) {
        outcome = wrong("all", "nobody finds it");
    }
    __atomic_fetch_add(&outcomes[damage][outcome], 1, __ATOMIC_RELAXED);
    restore();
    trial_progress(&watchdog);
}

static void try_bytes(enum damage damage, const struct file *file, const char *bytes, size_t length)
{
    put(file, bytes, length);
    try_damaged(damage, file);
    put(file, file->bytes, file->length);
}

// Odd ones, so that all bits of a byte have their turn.
static uint64_t stride_of_edges(void) { return trial_size(31, 1, 1); }
static uint64_t stride_inside(void) { return trial_size(499, 17, 1); }

static uint64_t stride_of(const struct file *file, size_t at)
{
    return !file->is_state || at < EDGE || at + EDGE >= file->length ? stride_of_edges()
                                                                     : stride_inside();
}

static void flip_all(uint32_t worker)
{
    static char bytes[BYTES_MAX];
    for (uint32_t f = 0; f < image.count; f++) {
        const struct file *file = &image.files[f];
        memcpy(bytes, file->bytes, file->length);
        for (uint64_t bit = worker; bit < file->length * 8; bit += WORKERS) {
            const size_t at = (size_t)(bit / 8);
            if (bit / WORKERS % stride_of(file, at) != 0) {
                continue;
            }
            snprintf(now_doing, sizeof(now_doing), "flip bit %llu of %s", (number)bit, file->path);
            bytes[at] = (char)(bytes[at] ^ (1 << bit % 8));
            try_bytes(FLIP, file, bytes, file->length);
            bytes[at] = (char)(bytes[at] ^ (1 << bit % 8));
        }
    }
}

static void cut_all(uint32_t worker)
{
    for (uint32_t f = 0; f < image.count; f++) {
        const struct file *file = &image.files[f];
        for (size_t length = worker; length < file->length; length += WORKERS) {
            if (length / WORKERS % stride_of(file, length) != 0) {
                continue;
            }
            snprintf(now_doing, sizeof(now_doing), "cut %s at %zu", file->path, length);
            try_bytes(CUT, file, file->bytes, length);
        }
    }
}

// The block at `at` by these bytes.
static void replace_block(enum damage damage, const struct file *file, size_t at, const char *with,
                          size_t length)
{
    static char  bytes[BYTES_MAX];
    const size_t room = file->length - at < BLOCK ? file->length - at : BLOCK;
    memcpy(bytes, file->bytes, file->length);
    memset(bytes + at, 0, room);
    memcpy(bytes + at, with, length < room ? length : room);
    if (memcmp(bytes, file->bytes, file->length) != 0) {
        try_bytes(damage, file, bytes, file->length);
    }
}

static size_t block_length(const struct file *file, size_t at)
{
    return file->length - at < BLOCK ? file->length - at : BLOCK;
}

static void replace_by_all(const struct file *file, size_t at)
{
    for (uint32_t g = 0; g < image.count; g++) {
        const struct file *from = &image.files[g];
        for (size_t b = 0; b < from->length; b += BLOCK) {
            snprintf(now_doing, sizeof(now_doing), "%zu of %s at %zu of %s", b, from->path, at,
                     file->path);
            replace_block(OTHER, file, at, from->bytes + b, block_length(from, b));
        }
    }
}

static void blocks_all(uint32_t worker)
{
    static const char zeros[BLOCK];
    uint32_t          turn = 0;
    for (uint32_t f = 0; f < image.count; f++) {
        const struct file *file = &image.files[f];
        const struct file *old  = image_find(&older, file->path);
        for (size_t at = 0; at < file->length; at += BLOCK) {
            if (turn++ % WORKERS != worker) {
                continue;
            }
            snprintf(now_doing, sizeof(now_doing), "zeros at %zu of %s", at, file->path);
            replace_block(ZEROS, file, at, zeros, BLOCK);
            snprintf(now_doing, sizeof(now_doing), "stale at %zu of %s", at, file->path);
            if (old != NULL && at < old->length) {
                replace_block(STALE, file, at, old->bytes + at, block_length(old, at));
            }
            replace_by_all(file, at);
        }
    }
}

static bool differ(const struct file *one, const struct file *two)
{
    return one->length != two->length || memcmp(one->bytes, two->bytes, one->length) != 0;
}

static void replace_file(const struct file *file, uint32_t f)
{
    for (uint32_t g = 0; g < image.count; g++) {
        const struct file *with = &image.files[g];
        snprintf(now_doing, sizeof(now_doing), "%s in place of %s", with->path, file->path);
        if (g != f) {
            try_bytes(FOREIGN, file, with->bytes, with->length);
        }
        if (g > f) { // exchanged: both are others
            snprintf(now_doing, sizeof(now_doing), "%s and %s exchanged", with->path, file->path);
            put(with, file->bytes, file->length);
            try_bytes(FOREIGN, file, with->bytes, with->length);
            put(with, with->bytes, with->length);
        }
    }
}

static void files_all(uint32_t worker)
{
    for (uint32_t f = worker; f < image.count; f += WORKERS) {
        const struct file *file    = &image.files[f];
        const struct file *foreign = image_find(&other, file->path);
        const struct file *old     = image_find(&older, file->path);
        snprintf(now_doing, sizeof(now_doing), "without %s", file->path);
        (void)disk->inner->ops->unlink(disk->inner, file->path);
        try_damaged(GONE, file);
        put(file, file->bytes, file->length);
        replace_file(file, f);
        snprintf(now_doing, sizeof(now_doing), "another store's %s", file->path);
        if (foreign != NULL && differ(foreign, file)) {
            try_bytes(FOREIGN, file, foreign->bytes, foreign->length);
        }
        snprintf(now_doing, sizeof(now_doing), "an old %s", file->path);
        if (old != NULL && differ(old, file)) {
            try_bytes(STALE, file, old->bytes, old->length);
        }
    }
}

// ---- the store ----

static void take(struct wr_store *store, uint64_t checkpoint)
{
    struct wr_error error = { .status = WEIR_OK };
    for (uint32_t task = 1; task < LIFE_TASKS && checkpoint > 1; task++) {
        life_touch(&life, task, 0, (uint32_t)checkpoint % LIFE_SEGMENTS);
        life_touch(&life, task, 1, (uint32_t)(checkpoint + 2) % LIFE_SEGMENTS);
    }
    pictures[checkpoint] = life_picture_of(&life, checkpoint);
    REQUIRE(life_checkpoint(&life, store, checkpoint, false, &error) == WEIR_OK, "%s",
            error.sentence);
}

// One process after the other, each with some of the checkpoints.
static void make_store(uint64_t seed, struct image *before, struct image *into)
{
    const struct wr_store_options options = { .writes = true, .creates = true };
    struct wr_error               error   = { .status = WEIR_OK };
    struct wr_store              *store;
    disk = watched_disk_open(seed);
    life_init(&life, 1400, 2400);
    life.version = (uint32_t)seed * 1000; // other bytes for another store
    for (uint32_t task = 1; task < LIFE_TASKS; task++) {
        for (uint32_t segment = 0; segment < LIFE_TABLES * LIFE_SEGMENTS; segment++) {
            life_touch(&life, task, segment / LIFE_SEGMENTS, segment % LIFE_SEGMENTS);
        }
    }
    for (uint64_t checkpoint = 1; checkpoint <= NEWEST; checkpoint += 3) {
        REQUIRE(wr_store_open(&disk->base, STORE, &options, &store, &error) == WEIR_OK, "%s",
                error.sentence);
        take(store, checkpoint);
        for (uint64_t more = checkpoint + 1; checkpoint == 1 && more < NEWEST; more++) {
            take(store, more);
        }
        wr_store_close(store);
        image_take(checkpoint == 1 ? before : into);
    }
}

// ---- the program ----

// The store ended the process by an assertion: with what.
static void tell_of_abort(int signal_number)
{
    (void)signal_number;
    (void)!write(STDOUT_FILENO, now_doing, strlen(now_doing));
    (void)!write(STDOUT_FILENO, ": ", 2);
}

static void work(uint32_t worker)
{
    (void)signal(SIGABRT, tell_of_abort);
    files_all(worker);
    blocks_all(worker);
    flip_all(worker);
    cut_all(worker);
}

static bool run_workers(void)
{
    bool  is_good = true;
    pid_t children[WORKERS];
    fflush(stdout);
    for (uint32_t i = 0; i < WORKERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            trial_watchdog_start(&watchdog);
            work(i);
            fflush(stdout);
            _exit(0);
        }
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        int ended;
        (void)waitpid(children[i], &ended, 0);
        is_good = is_good && ended == 0;
        if (WIFSIGNALED(ended)) {
            printf("process %u ended by signal %d\n", i, WTERMSIG(ended));
        }
    }
    return is_good;
}

static uint64_t report(uint64_t *wrong_count)
{
    uint64_t sum = 0;
    *wrong_count = 0;
    printf("%-8s %9s %9s %9s %9s\n", "", "harmless", "by fsck", "detected", "wrong");
    for (enum damage damage = FLIP; damage < DAMAGES; damage++) {
        printf("%-8s", damage_names[damage]);
        for (enum outcome outcome = HARMLESS; outcome < OUTCOMES; outcome++) {
            printf(" %9llu", (number)outcomes[damage][outcome]);
            sum += outcomes[damage][outcome];
            *wrong_count += outcome == WRONG ? outcomes[damage][outcome] : 0;
        }
        printf("\n");
    }
    return sum;
}

int main(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30); // memory is used again and again
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    outcomes = mmap(NULL, sizeof(uint64_t) * DAMAGES * OUTCOMES, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make_store(2, &older, &other);
    image_fini(&older);
    watched_disk_close(disk);
    make_store(1, &older, &image);
    disk->collects_paths = true;
    size_t bytes         = 0;
    for (uint32_t i = 0; i < image.count; i++) {
        printf("%6zu %s\n", image.files[i].length, image.files[i].path);
        bytes += image.files[i].length;
    }
    snprintf(now_doing, sizeof(now_doing), "undamaged");
    REQUIRE(judge() == HARMLESS, "it is not");
    restore();
    printf("%zu bytes; tried is one bit and length in %llu of small files and of %u bytes at both "
           "ends of state files,\n  in %llu of their rest\n",
           bytes, (number)stride_of_edges(), EDGE, (number)stride_inside());
    const bool     is_good = run_workers();
    uint64_t       wrong_count;
    const uint64_t sum = report(&wrong_count);
    printf("cases: %llu\n", (number)sum);
    image_fini(&image);
    image_fini(&older);
    image_fini(&other);
    watched_disk_close(disk);
    return is_good && wrong_count == 0 ? 0 : 1;
}

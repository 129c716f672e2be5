// A log that was closed, and then damaged in one place: what is read is what was written, or a
// sentence says that it is not.
//
//   flip    each bit of each file           cut      each file at each length
//   zeros   each block of 4 KiB             other    each block by each other block of any file
//   stale   each block by what it was when the log was closed before
//   gone    each file                       foreign  each file by each other one, and by the same
//                                                    one of another log
//
// The log has two topics (one compressed, with transactions), and about 64 KiB. Each damaged one is
// read by a reader alone, and by a writer that opened it. Shared memory is damaged like a file.
//
// The log was closed, so that its start files vouch for each partition's end: a shorter log is a
// damaged one. A crash leaves the end to the last batches themselves, which is not tried here.
//
// At small and normal size not all bits and lengths are tried, but one in so many as the program
// prints (`stride_of`); at full size all are.
#include "log/log.h"

#include "../support/trial.h"
#include "watched_disk.h"

#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <weir/call.h>
#include <weir/record.h>

#define DIRECTORY   "/log"
#define TOPICS      2u
#define RECORDS_MAX 200u
#define FILES_MAX   64u
#define BLOCK       4096u
#define EDGE        256u
#define WORKERS     2u
#define WRONG_TOLD  40u

typedef unsigned long long number;

typedef struct row {
    uint64_t id;
    weir_str body;
} row;
WEIR_RECORD(row, id, body);

static const char *const topics[TOPICS] = { "plain", "packed" };

struct image {
    struct file {
        char  *path;
        char  *bytes;
        size_t length;
        size_t tail_at; // of a last segment: where its last two batches begin; else its length
        bool   is_memory;
    } files[FILES_MAX];
    uint32_t count;
};

// What is read of a log.
struct contents {
    uint64_t offsets[TOPICS][RECORDS_MAX], ids[TOPICS][RECORDS_MAX], hashes[TOPICS][RECORDS_MAX];
    uint32_t counts[TOPICS];
    uint64_t committed;
    bool     has_refused; // something said a sentence
    char     sentence[300];
};

static struct watched_disk *disk;
static struct image         image, older, other;
static struct contents      original;
static char                 now_doing[300];

enum outcome { HARMLESS, DETECTED, WRONG, OUTCOMES };
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

static void no_warning(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)sentence;
}

// ---- images ----

static void image_add(struct image *to, const char *path, const char *bytes, size_t length)
{
    REQUIRE(to->count < FILES_MAX, "too many files");
    struct file *file = &to->files[to->count++];
    *file = (struct file){ wr_copy_text(path), wr_alloc(length + 1), length, length, false };
    memcpy(file->bytes, bytes, length);
}

struct listing {
    struct image *to;
    const char   *directory;
};

static void image_take_at(struct image *to, const char *path);

static void image_take_name(void *opaque, const char *name)
{
    const struct listing *listing = opaque;
    char                 *path    = wr_format("%s/%s", listing->directory, name);
    image_take_at(listing->to, path);
    wr_free(path);
}

static void image_take_at(struct image *to, const char *path)
{
    struct wr_environment *inner = disk->inner;
    struct wr_file_info    info;
    REQUIRE(inner->ops->info(inner, path, &info) == 0, "%s", path);
    if (info.is_directory) {
        struct listing listing = { to, path };
        (void)inner->ops->list(inner, path, image_take_name, &listing);
    } else {
        size_t      length;
        const char *bytes = wr_simulation_bytes(inner, path, &length);
        image_add(to, path, bytes, length);
    }
}

static void image_take(struct image *to)
{
    image_take_at(to, DIRECTORY);
    for (uint32_t i = 0; i < disk->memory_count; i++) {
        const struct watched_memory *memory = &disk->memories[i];
        image_add(to, memory->path, memory->bytes, memory->length);
        to->files[to->count - 1].is_memory = true;
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
    if (!file->is_memory) {
        wr_simulation_import(disk->inner, file->path, bytes, length);
        return;
    }
    for (uint32_t i = 0; i < disk->memory_count; i++) {
        if (strcmp(disk->memories[i].path, file->path) == 0) {
            memset(disk->memories[i].bytes, 0, disk->memories[i].length);
            memcpy(disk->memories[i].bytes, bytes, length);
        }
    }
}

static void take_away(const char *path)
{
    struct wr_environment *inner = disk->inner;
    struct wr_file_info    info;
    if (inner->ops->info(inner, path, &info) == 0 && info.is_regular) {
        (void)inner->ops->unlink(inner, path);
    }
}

// Puts everything back that the last try changed.
static void restore(void)
{
    for (uint32_t i = 0; i < disk->path_count; i++) {
        const struct file *file = image_find(&image, disk->paths[i]);
        if (file != NULL) {
            put(file, file->bytes, file->length);
        } else {
            take_away(disk->paths[i]);
        }
    }
    for (uint32_t i = 0; i < image.count; i++) {
        if (image.files[i].is_memory) {
            put(&image.files[i], image.files[i].bytes, image.files[i].length);
        }
    }
    watched_disk_forget_paths(disk);
}

// ---- reading a log ----

static void refuse(struct contents *into, weir_status status, const char *sentence)
{
    REQUIRE(sentence != NULL && strlen(sentence) > 20, "%s and no sentence: \"%s\"",
            weir_status_name(status), sentence == NULL ? "" : sentence);
    into->has_refused = true;
    snprintf(into->sentence, sizeof(into->sentence), "%s", sentence);
}

static void take_rows(struct contents *into, uint32_t topic, const weir_log_rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const row     *at = (const row *)rows->rows + i;
        const uint32_t n  = into->counts[topic]++;
        REQUIRE(n < RECORDS_MAX, "more records than there were");
        into->offsets[topic][n] = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        into->ids[topic][n]     = at->id;
        into->hashes[topic][n] =
            wr_crc32c((uint32_t)at->body.length, weir_str_bytes(&at->body), at->body.length);
    }
}

static void read_topic(weir_log *log, uint32_t topic, struct contents *into)
{
    const weir_reader_options options = { .type       = &row_type,
                                          .start      = WEIR_START_EARLIEST,
                                          .is_bounded = true };
    weir_reader              *reader  = NULL;
    weir_log_rows             rows;
    weir_status               status = weir_reader_open(log, topics[topic], &options, &reader);
    if (status != WEIR_OK) {
        refuse(into, status, weir_log_error(log));
        return;
    }
    while ((status = weir_reader_next(reader, WEIR_SECONDS(1), &rows)) == WEIR_OK) {
        take_rows(into, topic, &rows);
    }
    if (status != WEIR_AT_END) {
        refuse(into, status, weir_reader_error(reader));
    }
    weir_reader_close(reader);
}

static void note_consumer(void *opaque, const weir_consumer_offset *at)
{
    struct contents *into = opaque;
    into->committed       = into->committed * 31 + at->offset + 1;
}

static void read_log(bool writes, struct contents *into)
{
    const weir_log_options options = { .writes = writes, .warn = no_warning };
    weir_log              *log;
    *into                    = (struct contents){ .committed = 0 };
    const weir_status status = wr_log_open_in(&disk->base, DIRECTORY, &options, &log);
    if (status != WEIR_OK) {
        refuse(into, status, weir_log_error(log));
    } else {
        for (uint32_t topic = 0; topic < TOPICS; topic++) {
            read_topic(log, topic, into);
        }
        if (weir_log_list_consumers(log, note_consumer, into) != WEIR_OK) {
            refuse(into, WEIR_DAMAGED, weir_log_error(log));
        }
    }
    (void)weir_log_close(log);
}

// ---- judging ----

// Counts it, and says what, the first times.
static enum outcome wrong(const char *who, const char *what, number found, number expected)
{
    static uint32_t told;
    if (told++ < WRONG_TOLD) {
        printf("%s: %s: %s: %llu, not %llu\n", now_doing, who, what, found, expected);
    }
    return WRONG;
}

// What was read must be the original, as far as it goes.
static enum outcome judge(const struct contents *found, const char *who, bool may_be_older)
{
    bool is_whole = true;
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        const uint32_t count = found->counts[topic];
        for (uint32_t i = 0; i < count && i < original.counts[topic]; i++) {
            if (found->offsets[topic][i] != original.offsets[topic][i] ||
                found->ids[topic][i] != original.ids[topic][i] ||
                found->hashes[topic][i] != original.hashes[topic][i]) {
                return wrong(who, "a wrong record", found->ids[topic][i], original.ids[topic][i]);
            }
        }
        if (count > original.counts[topic]) {
            return wrong(who, "too many records", count, original.counts[topic]);
        }
        if (count < original.counts[topic] && !found->has_refused) {
            return wrong(who, "too few records, and no sentence", count, original.counts[topic]);
        }
        is_whole = is_whole && count == original.counts[topic];
    }
    if (!found->has_refused && is_whole && !may_be_older &&
        found->committed != original.committed) {
        return wrong(who, "other offsets of the consumer", found->committed, original.committed);
    }
    return found->has_refused ? DETECTED : HARMLESS;
}

static struct trial_watchdog watchdog;

// The damaged log, by both.
static void try_damaged(enum damage damage, bool may_be_older)
{
    static struct contents found;
    read_log(false, &found);
    const enum outcome alone = judge(&found, "a reader", may_be_older);
    read_log(true, &found);
    const enum outcome writer = judge(&found, "a writer", may_be_older);
    const enum outcome worst  = alone > writer ? alone : writer;
    __atomic_fetch_add(&outcomes[damage][worst], 1, __ATOMIC_RELAXED);
    restore();
    trial_progress(&watchdog);
}

static void try_bytes(enum damage damage, const struct file *file, const char *bytes, size_t length,
                      bool may_be_older)
{
    put(file, bytes, length);
    try_damaged(damage, may_be_older);
    put(file, file->bytes, file->length);
}

// ---- the damages ----

// Odd ones, so that all bits of a byte have their turn.
static uint64_t stride_of_edges(void) { return trial_size(31, 1, 1); }
static uint64_t stride_of_tails(void) { return trial_size(31, 5, 1); }
static uint64_t stride_inside(void) { return trial_size(499, 31, 1); }
static uint64_t stride_of_memory(void) { return trial_size(997, 61, 1); }

static uint64_t stride_of(const struct file *file, size_t at)
{
    const bool is_segment = strstr(file->path, ".segment") != NULL;
    if (file->is_memory || strstr(file->path, "ballast") != NULL) {
        return stride_of_memory();
    }
    if (!is_segment || at < EDGE || at + EDGE >= file->length) {
        return stride_of_edges();
    }
    return at >= file->tail_at ? stride_of_tails() : stride_inside();
}

static void tell_strides(void)
{
    printf("tried is one bit and length in %llu of small files and of %u bytes at both ends of "
           "segments,\n  in %llu of the last batches, in %llu of the rest of segments, in %llu of "
           "shared memory\n",
           (number)stride_of_edges(), EDGE, (number)stride_of_tails(), (number)stride_inside(),
           (number)stride_of_memory());
}

static void flip_all(uint32_t worker)
{
    static char bytes[1 << 20];
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
            try_bytes(FLIP, file, bytes, file->length, false);
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
            try_bytes(CUT, file, file->bytes, length, false);
        }
    }
}

// The block at `at` by these bytes.
static void replace_block(enum damage damage, const struct file *file, size_t at, const char *with,
                          size_t length, bool may_be_older)
{
    static char  bytes[1 << 20];
    const size_t room = file->length - at < BLOCK ? file->length - at : BLOCK;
    memcpy(bytes, file->bytes, file->length);
    memset(bytes + at, 0, room);
    memcpy(bytes + at, with, length < room ? length : room);
    if (memcmp(bytes, file->bytes, file->length) != 0) {
        try_bytes(damage, file, bytes, file->length, may_be_older);
    }
}

static size_t block_length(const struct file *file, size_t at)
{
    return file->length - at < BLOCK ? file->length - at : BLOCK;
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
            replace_block(ZEROS, file, at, zeros, BLOCK, false);
            snprintf(now_doing, sizeof(now_doing), "stale at %zu of %s", at, file->path);
            if (old != NULL && at < old->length) {
                replace_block(STALE, file, at, old->bytes + at, block_length(old, at), true);
            }
            for (uint32_t g = 0; g < image.count; g++) {
                const struct file *from = &image.files[g];
                for (size_t b = 0; b < from->length; b += BLOCK) {
                    snprintf(now_doing, sizeof(now_doing), "%zu of %s at %zu of %s", b, from->path,
                             at, file->path);
                    replace_block(OTHER, file, at, from->bytes + b, block_length(from, b), false);
                }
            }
        }
    }
}

static void files_all(uint32_t worker)
{
    for (uint32_t f = worker; f < image.count; f += WORKERS) {
        const struct file *file = &image.files[f];
        if (file->is_memory) {
            continue;
        }
        snprintf(now_doing, sizeof(now_doing), "without %s", file->path);
        take_away(file->path);
        try_damaged(GONE, strstr(file->path, "/consumers/") != NULL);
        put(file, file->bytes, file->length);
        for (uint32_t g = 0; g < image.count; g++) {
            const struct file *with = &image.files[g];
            snprintf(now_doing, sizeof(now_doing), "%s in place of %s", with->path, file->path);
            if (g != f) {
                try_bytes(FOREIGN, file, with->bytes, with->length, false);
            }
            // Exchanged: both are others.
            if (g > f && !with->is_memory && strstr(with->path, ".segment") != NULL &&
                strstr(file->path, ".segment") != NULL) {
                snprintf(now_doing, sizeof(now_doing), "%s and %s exchanged", with->path,
                         file->path);
                put(with, file->bytes, file->length);
                try_bytes(FOREIGN, file, with->bytes, with->length, false);
                put(with, with->bytes, with->length);
            }
        }
        const struct file *foreign = image_find(&other, file->path);
        if (foreign != NULL) {
            snprintf(now_doing, sizeof(now_doing), "another log's %s", file->path);
            try_bytes(FOREIGN, file, foreign->bytes, foreign->length, true);
        }
    }
}

// ---- the log ----

static void require_ok(weir_status status, const char *what, const char *sentence)
{
    REQUIRE(status == WEIR_OK, "%s: %s: %s", what, weir_status_name(status), sentence);
}

static void append(weir_producer *producer, uint64_t *id, uint32_t count, bool is_compressible)
{
    for (uint32_t i = 0; i < count; i++) {
        char     body[700];
        uint64_t random = ++*id;
        for (uint32_t b = 0; b < sizeof(body); b++) {
            random  = wr_mix64(random, b);
            body[b] = is_compressible ? (char)('a' + random % 3) : (char)random;
        }
        const row rows[] = { { *id, weir_str_of(body, sizeof(body)) } };
        require_ok(weir_producer_append(producer, rows, 1), "append",
                   weir_producer_error(producer));
    }
    require_ok(weir_producer_flush(producer, -1), "flush", weir_producer_error(producer));
}

// One life of the log's writer; `ends`: closes, else it is killed.
static void live(uint64_t *id, bool closes)
{
    const weir_log_options options = { .writes = true, .creates = true, .warn = no_warning };
    const weir_topic  plain  = { .name = "plain", .type = &row_type, .segment_bytes = 64 << 10 };
    const weir_topic  packed = { .name          = "packed",
                                 .type          = &row_type,
                                 .segment_bytes = 64 << 10,
                                 .compression   = WEIR_COMPRESSION_LZ4 };
    weir_log         *log;
    weir_producer    *producers[TOPICS];
    weir_transaction *transaction;
    require_ok(wr_log_open_in(&disk->base, DIRECTORY, &options, &log), "open", "");
    require_ok(weir_log_create_topic(log, &plain), "create", weir_log_error(log));
    require_ok(weir_log_create_topic(log, &packed), "create", weir_log_error(log));
    require_ok(weir_producer_open(log, "plain", NULL, &producers[0]), "open", weir_log_error(log));
    require_ok(weir_producer_open(log, "packed", NULL, &producers[1]), "open", weir_log_error(log));
    require_ok(weir_transaction_open(log, "t", &transaction), "open", "");
    for (int i = 0; i < 3; i++) {
        append(producers[0], id, 5, false);
        require_ok(weir_transaction_begin(transaction), "begin", "");
        require_ok(weir_producer_join(producers[1], transaction), "join", "");
        append(producers[1], id, 5, true);
        require_ok(i == 1 ? weir_transaction_abort(transaction)
                          : weir_transaction_commit(transaction),
                   "decide", weir_transaction_error(transaction));
        require_ok(weir_producer_join(producers[1], NULL), "leave", "");
        append(producers[1], id, 2, true);
    }
    weir_reader              *reader;
    weir_log_rows             rows;
    const weir_reader_options reads = { .consumer = "c" };
    require_ok(weir_reader_open(log, "plain", &reads, &reader), "read", weir_log_error(log));
    require_ok(weir_reader_next(reader, 0, &rows), "read", weir_reader_error(reader));
    require_ok(weir_reader_commit(reader), "commit", weir_reader_error(reader));
    weir_reader_close(reader);
    disk->is_killed = !closes;
    weir_transaction_close(transaction);
    (void)weir_producer_close(producers[0]);
    (void)weir_producer_close(producers[1]);
    const weir_status closed = weir_log_close(log);
    REQUIRE(closed == WEIR_OK || !closes, "close: %s", weir_status_name(closed));
}

// Where the last two batches of a segment begin: the last with rows, and the mark.
static size_t tail_of(const struct file *file)
{
    size_t   at = WR_SEGMENT_HEADER_BYTES, starts[4] = { 0 };
    uint32_t bytes;
    while (at + WR_BATCH_HEADER_BYTES <= file->length) {
        memmove(&starts[1], &starts[0], 3 * sizeof(starts[0]));
        starts[0] = at;
        memcpy(&bytes, file->bytes + at + 8, sizeof(bytes));
        if (file->bytes[at + 38] == WR_BATCH_FOOTER || bytes == 0) {
            return file->length;
        }
        at += bytes;
    }
    return starts[1];
}

static void make_log(uint64_t seed, struct image *before, struct image *into)
{
    uint64_t id          = seed * 1000;
    disk                 = watched_disk_open(seed);
    disk->has_own_memory = true;
    live(&id, false);
    watched_disk_restart(disk);
    live(&id, true);
    image_take(before);
    watched_disk_restart(disk);
    live(&id, true);
    watched_disk_reboot(disk, seed);
    image_take(into);
    for (uint32_t i = 0; i < into->count; i++) {
        if (strstr(into->files[i].path, ".segment") != NULL) {
            struct file *file = &into->files[i];
            const size_t last = (file->length - 1) / BLOCK * BLOCK; // the block of the mark
            const size_t tail = tail_of(file);
            file->tail_at     = tail == file->length || tail < last ? tail : last;
        }
    }
}

static void image_fini(struct image *of)
{
    for (uint32_t i = 0; i < of->count; i++) {
        wr_free(of->files[i].path);
        wr_free(of->files[i].bytes);
    }
}

// ---- the program ----

// The log ended the process by an assertion: with what.
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
    printf("%-8s %9s %9s %9s\n", "", "harmless", "detected", "wrong");
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
    make_log(2, &older, &other);
    image_fini(&older);
    older = (struct image){ .count = 0 };
    watched_disk_close(disk);
    make_log(1, &older, &image);
    disk->collects_paths = true;
    size_t bytes         = 0;
    for (uint32_t i = 0; i < image.count; i++) {
        printf("%6zu %s%s\n", image.files[i].length, image.files[i].path,
               image.files[i].is_memory ? " (shared memory)" : "");
        bytes += image.files[i].length;
    }
    snprintf(now_doing, sizeof(now_doing), "undamaged");
    read_log(false, &original);
    REQUIRE(!original.has_refused && original.counts[0] > 40 && original.counts[1] > 30,
            "%u and %u records: %s", original.counts[0], original.counts[1], original.sentence);
    static struct contents again;
    read_log(true, &again);
    REQUIRE(judge(&again, "a writer", false) == HARMLESS, "%s", again.sentence);
    restore();
    printf("%zu bytes, %u and %u records\n", bytes, original.counts[0], original.counts[1]);

    tell_strides();
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

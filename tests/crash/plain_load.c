// A load program over plain files: the smallest thing that keeps the promise which the harnesses of
// this folder examine, and, with --break, ways of not keeping it which they must see.
//
//   plain_load write DIR --run K --seed S [--records N] [--partitions P] [--break HOW]
//   plain_load verify DIR
//
// Format: DIR/partition-P is a row of slots of 256 bytes, the slot at offset O at byte 256 * O. A
// batch of at most BATCH_MAX slots is one pwrite and one fdatasync, and only then acknowledged.
// What follows the first slot that is not valid is the tail of a batch that nobody acknowledged;
// recovery cuts it off, and syncs what it keeps.
//
// --break lose     acknowledges a batch before it is written
//         tear     writes a batch in two parts, and recovery keeps half a slot
//         gap      recovery skips one offset
//         nosync   acknowledges what is written and not synced: only a crash of the system tells
//         retry    calls a sync that failed again, and trusts the second answer
//
// Threads: one a partition; nothing is shared but the options, which nobody changes.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "tests/support/trial.h"

enum { SLOT_BYTES = 256, PAYLOAD_MAX = 208, BATCH_MAX = 8, PARTITION_MAX = 64, READ_MAX = 256 };
enum { SLOT_MAGIC = 0x706c6f61 };

struct slot {
    uint32_t magic;
    uint32_t checksum; // of all that follows
    uint64_t offset;
    uint64_t run;
    uint64_t number; // of the record in its run and partition, from 0
    uint32_t partition;
    uint32_t length;
    uint64_t zero;
    uint8_t  payload[PAYLOAD_MAX]; // zeros beyond length
};
_Static_assert(sizeof(struct slot) == SLOT_BYTES, "a slot has no padding");

struct options {
    const char *directory;
    uint64_t    run;
    uint64_t    seed;
    uint64_t    record_count; // 0: for ever
    uint32_t    partition_count;
    const char *fault; // what to break, or ""
};

struct partition {
    const struct options *options;
    pthread_t             thread;
    uint32_t              index;
    int                   file;
    uint64_t              slot_count; // valid ones
    uint64_t              offset;     // of the next record
};

// ---- failing ----

_Noreturn static void fail(const char *what, const char *path)
{
    fprintf(stderr, "plain_load: cannot %s %s: %s\n", what, path, strerror(errno));
    _exit(1);
}

static bool breaks(const struct options *options, const char *fault)
{
    return strcmp(options->fault, fault) == 0;
}

// ---- files ----

static void partition_path(char path[static 4096], const char *directory, uint32_t index)
{
    snprintf(path, 4096, "%s/partition-%" PRIu32, directory, index);
}

static void sync_directory(const char *path)
{
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || fsync(directory) != 0) {
        fail("sync", path);
    }
    close(directory);
}

static void sync_file(const struct partition *partition)
{
    const struct options *options = partition->options;
    if (breaks(options, "nosync") || fdatasync(partition->file) == 0) {
        return;
    }
    if (!breaks(options, "retry") || fdatasync(partition->file) != 0) {
        fail("sync a partition of", options->directory);
    }
}

static void write_all(const struct partition *partition, const void *bytes, size_t size,
                      uint64_t position)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = pwrite(partition->file, (const char *)bytes + done, size - done,
                                   (off_t)(position + done));
        if (got < 0 && errno != EINTR) {
            fail("write to a partition of", partition->options->directory);
        }
        done += got < 0 ? 0 : (size_t)got;
    }
}

// ---- slots ----

static uint32_t slot_checksum(const struct slot *slot)
{
    const size_t from = offsetof(struct slot, offset);
    return XXH32((const char *)slot + from, sizeof *slot - from, SLOT_MAGIC);
}

static bool slot_is_valid(const struct slot *slot, uint32_t partition)
{
    return slot->magic == SLOT_MAGIC && slot->checksum == slot_checksum(slot) &&
           slot->partition == partition;
}

// Reads slots in ascending order, many with one call.
struct slot_reader {
    int         file;
    uint64_t    first; // index of slots[0]
    uint64_t    count; // of slots that are there
    struct slot slots[READ_MAX];
};

// The slot at this index; NULL at the end of the file and for half a slot.
static const struct slot *slot_read(struct slot_reader *reader, uint64_t index)
{
    if (index < reader->first || index >= reader->first + reader->count) {
        const ssize_t got =
            pread(reader->file, reader->slots, sizeof reader->slots, (off_t)(index * SLOT_BYTES));
        if (got < 0) {
            fail("read", "a partition");
        }
        reader->first = index;
        reader->count = (uint64_t)got / SLOT_BYTES;
    }
    return reader->count > 0 ? &reader->slots[index - reader->first] : NULL;
}

// The same, or NULL when it is not valid.
static const struct slot *slot_read_valid(struct slot_reader *reader, uint64_t index,
                                          uint32_t partition)
{
    const struct slot *slot = slot_read(reader, index);
    return slot != NULL && slot_is_valid(slot, partition) ? slot : NULL;
}

// ---- write ----

// Counts the valid slots from the start, cuts off the rest and syncs what stays.
static void partition_recover(struct partition *partition)
{
    struct slot_reader reader = { .file = partition->file };
    const struct slot *slot;
    while ((slot = slot_read_valid(&reader, partition->slot_count, partition->index)) != NULL) {
        partition->slot_count++;
        partition->offset = slot->offset + 1;
    }
    struct stat stat;
    if (fstat(partition->file, &stat) != 0) {
        fail("look at a partition of", partition->options->directory);
    }
    const uint64_t size = (uint64_t)stat.st_size;
    if (breaks(partition->options, "tear")) {
        partition->slot_count = (size + SLOT_BYTES - 1) / SLOT_BYTES;
        partition->offset     = partition->slot_count;
    } else if (size > partition->slot_count * SLOT_BYTES &&
               ftruncate(partition->file, (off_t)(partition->slot_count * SLOT_BYTES)) != 0) {
        fail("cut off the tail of a partition of", partition->options->directory);
    }
    partition->offset += breaks(partition->options, "gap") && partition->offset > 0;
    sync_file(partition);
}

static void partition_open(struct partition *partition, const struct options *options,
                           uint32_t index)
{
    char path[4096];
    partition_path(path, options->directory, index);
    *partition = (struct partition){ .options = options, .index = index };

    partition->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (partition->file < 0) {
        fail("open", path);
    }
    partition_recover(partition);
}

static void slot_fill(struct slot *slot, const struct partition *partition, uint64_t number,
                      struct trial_random *random)
{
    memset(slot, 0, sizeof *slot);
    slot->magic     = SLOT_MAGIC;
    slot->offset    = partition->offset + number;
    slot->run       = partition->options->run;
    slot->number    = number;
    slot->partition = partition->index;
    slot->length    = trial_below(random, PAYLOAD_MAX + 1);
    for (uint32_t i = 0; i < slot->length; i++) {
        slot->payload[i] = (uint8_t)trial_next(random);
    }
    slot->checksum = slot_checksum(slot);
}

static void acknowledge(const struct partition *partition, uint64_t count)
{
    char      line[128];
    const int size =
        snprintf(line, sizeof line, "ack %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
                 partition->options->run, partition->index, count, partition->offset + count - 1);
    if (write(STDOUT_FILENO, line, (size_t)size) != size) {
        fail("write to", "the standard output");
    }
}

// Appends one batch, whose records end before number `end`, at the place of number `from`.
static void append_batch(const struct partition *partition, const struct slot *batch, uint64_t from,
                         uint64_t end)
{
    const struct options *options  = partition->options;
    const uint64_t        position = (partition->slot_count + from) * SLOT_BYTES;
    const size_t          size     = (end - from) * SLOT_BYTES;
    const size_t          first    = breaks(options, "tear") ? size - SLOT_BYTES / 2 : size;

    if (breaks(options, "lose")) {
        acknowledge(partition, end);
    }
    write_all(partition, batch, first, position);
    if (first < size) {
        sync_file(partition);
        const struct timespec long_enough_to_be_struck = { .tv_nsec = 5000000 };
        nanosleep(&long_enough_to_be_struck, NULL);
        write_all(partition, (const char *)batch + first, size - first, position + first);
    }
    sync_file(partition);
    if (!breaks(options, "lose")) {
        acknowledge(partition, end);
    }
}

static void *partition_write(void *opaque)
{
    const struct partition *partition = opaque;
    const struct options   *options   = partition->options;
    struct trial_random     random    = { options->seed + partition->index };
    const uint64_t          share     = options->record_count / options->partition_count +
                           (partition->index < options->record_count % options->partition_count);
    const uint64_t last = options->record_count == 0 ? UINT64_MAX : share;

    for (uint64_t from = 0, end; from < last; from = end) {
        struct slot    batch[BATCH_MAX];
        const uint64_t wanted = 1 + trial_below(&random, BATCH_MAX);
        end                   = wanted < last - from ? from + wanted : last;
        for (uint64_t number = from; number < end; number++) {
            slot_fill(&batch[number - from], partition, number, &random);
        }
        append_batch(partition, batch, from, end);
    }
    return NULL;
}

static int write_records(const struct options *options)
{
    static struct partition partitions[PARTITION_MAX];

    char parent[4096];
    snprintf(parent, sizeof parent, "%s/..", options->directory);
    if (mkdir(options->directory, 0700) != 0 && errno != EEXIST) {
        fail("make", options->directory);
    }
    sync_directory(parent);
    for (uint32_t i = 0; i < options->partition_count; i++) {
        partition_open(&partitions[i], options, i);
    }
    sync_directory(options->directory);
    if (write(STDOUT_FILENO, "open\n", 5) != 5) {
        fail("write to", "the standard output");
    }

    for (uint32_t i = 0; i < options->partition_count; i++) {
        errno = pthread_create(&partitions[i].thread, NULL, partition_write, &partitions[i]);
        if (errno != 0) {
            fail("start a thread for", options->directory);
        }
    }
    for (uint32_t i = 0; i < options->partition_count; i++) {
        pthread_join(partitions[i].thread, NULL);
    }
    return 0;
}

// ---- verify ----

// What was read of one partition up to here.
struct reading {
    uint32_t partition;
    uint64_t run;
    uint64_t count; // of records of this run; 0 before the first
    uint64_t last;  // their last offset
};

static void tell(const struct reading *reading)
{
    if (reading->count > 0) {
        printf("have %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", reading->run,
               reading->partition, reading->count, reading->last);
    }
}

// Takes the next record; false, after a sentence, when it does not follow the one before.
static bool reading_take(struct reading *reading, const struct slot *slot, uint64_t index)
{
    if (slot->offset != index) {
        printf("partition %" PRIu32 " offset %" PRIu64 ": the record says offset %" PRIu64
               "; offsets must be dense\n",
               reading->partition, index, slot->offset);
        return false;
    }
    if (reading->count == 0 || slot->run > reading->run) {
        tell(reading);
        reading->run   = slot->run;
        reading->count = 0;
    }
    if (slot->run != reading->run || slot->number != reading->count) {
        printf("partition %" PRIu32 " offset %" PRIu64 ": record %" PRIu64 " of run %" PRIu64
               " stands where record %" PRIu64 " of run %" PRIu64 " or a later run is due\n",
               reading->partition, index, slot->number, slot->run, reading->count, reading->run);
        return false;
    }
    reading->count++;
    reading->last = index;
    return true;
}

// What is valid at least a batch behind an invalid slot was written after it had been recovered.
static bool tail_is_one_batch(struct slot_reader *reader, uint32_t partition, uint64_t invalid)
{
    for (uint64_t index = invalid + BATCH_MAX; slot_read(reader, index) != NULL; index++) {
        if (slot_read_valid(reader, index, partition) != NULL) {
            printf("partition %" PRIu32 " offset %" PRIu64 ": torn, and offset %" PRIu64
                   " behind it is whole\n",
                   partition, invalid, index);
            return false;
        }
    }
    return true;
}

static bool verify_partition(int file, uint32_t partition)
{
    struct slot_reader reader  = { .file = file };
    struct reading     reading = { .partition = partition };
    uint64_t           index   = 0;
    const struct slot *slot;
    for (; (slot = slot_read_valid(&reader, index, partition)) != NULL; index++) {
        if (!reading_take(&reading, slot, index)) {
            return false;
        }
    }
    tell(&reading);
    return tail_is_one_batch(&reader, partition, index);
}

static int verify_records(const struct options *options)
{
    if (access(options->directory, R_OK) != 0) {
        fail("read", options->directory);
    }
    for (uint32_t i = 0; i < PARTITION_MAX; i++) {
        char path[4096];
        partition_path(path, options->directory, i);
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0 && errno != ENOENT) {
            fail("open", path);
        }
        if (file < 0) {
            continue;
        }
        const bool is_well = verify_partition(file, i);
        close(file);
        if (!is_well) {
            return 1;
        }
    }
    printf("ok\n");
    return 0;
}

// ---- command line ----

static int usage(void)
{
    fprintf(stderr, "usage: plain_load write DIR --run K --seed S [--records N] [--partitions P]\n"
                    "                        [--break lose|tear|gap|nosync|retry]\n"
                    "       plain_load verify DIR\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "run", required_argument, NULL, 'r' },     { "seed", required_argument, NULL, 's' },
        { "records", required_argument, NULL, 'n' }, { "partitions", required_argument, NULL, 'p' },
        { "break", required_argument, NULL, 'b' },   { 0 },
    };
    struct options options = { .partition_count = 1, .fault = "" };

    for (int found; (found = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (found) {
        case 'r': options.run = strtoull(optarg, NULL, 10); break;
        case 's': options.seed = strtoull(optarg, NULL, 10); break;
        case 'n': options.record_count = strtoull(optarg, NULL, 10); break;
        case 'p': options.partition_count = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'b': options.fault = optarg; break;
        default: return usage();
        }
    }
    if (argc - optind != 2 || options.partition_count == 0 ||
        options.partition_count > PARTITION_MAX) {
        return usage();
    }
    options.directory = argv[optind + 1];
    if (strcmp(argv[optind], "write") == 0) {
        return write_records(&options);
    }
    return strcmp(argv[optind], "verify") == 0 ? verify_records(&options) : usage();
}

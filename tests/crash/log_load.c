// The durable log as a load program; see README.md for what one does.
//
//   log_load write DIR --run K --seed S [--records N] [--partitions P]
//   log_load verify DIR
#include <weir/log.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPIC             "load"
#define PAYLOAD_BYTES_MAX 3000u
#define GROUP_MAX         16u // records appended before a flush
#define RUNS_MAX          65536u

typedef struct record {
    uint64_t run, number, check;
    weir_str payload;
    uint32_t partition;
} record;
WEIR_RECORD(record, run, number, check, payload, partition);

struct options {
    const char *directory;
    uint64_t    run, seed, records; // records 0: no end
    uint32_t    partitions;
};

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// The payload of a record, which follows from its place in the run. Bytes used.
static size_t make_payload(uint64_t run, uint32_t partition, uint64_t number, char *to)
{
    uint64_t     state  = mix(run * 1000003 + partition) ^ number;
    const size_t length = (size_t)(mix(state) % PAYLOAD_BYTES_MAX);
    for (size_t i = 0; i < length; i++) {
        state = mix(state);
        to[i] = (char)state;
    }
    return length;
}

static uint64_t check_of(const record *r)
{
    uint64_t    check = mix(r->run ^ mix(r->number ^ mix(r->partition)));
    const char *bytes = weir_str_bytes(&r->payload);
    for (uint32_t i = 0; i < r->payload.length; i++) {
        check = mix(check ^ (unsigned char)bytes[i]);
    }
    return check;
}

static int fail(const char *what, const char *sentence)
{
    (void)fprintf(stderr, "log_load: %s: %s\n", what, sentence != NULL ? sentence : "?");
    return 1;
}

// ---- write ----

// One line with one write, so that it is there whole or not at all.
static bool say(const char *line)
{
    return write(STDOUT_FILENO, line, strlen(line)) == (ssize_t)strlen(line);
}

static bool say_acknowledged(const weir_producer *producer, const struct options *options,
                             uint64_t *said)
{
    for (uint32_t p = 0; p < options->partitions; p++) {
        uint64_t       next;
        const uint64_t rows = weir_producer_acknowledged(producer, p, &next);
        char           line[128];
        if (rows > said[p]) {
            (void)snprintf(line, sizeof(line), "ack %" PRIu64 " %u %" PRIu64 " %" PRIu64 "\n",
                           options->run, p, rows, next - 1);
            said[p] = rows;
            if (!say(line)) {
                return false;
            }
        }
    }
    return true;
}

// Appends the next record of a random partition.
static weir_status append_one(weir_producer *producer, const struct options *options,
                              uint64_t *random, uint64_t *numbers)
{
    static char payload[PAYLOAD_BYTES_MAX];
    *random                  = mix(*random);
    const uint32_t partition = (uint32_t)(*random % options->partitions);
    record r  = { .run = options->run, .number = numbers[partition]++, .partition = partition };
    r.payload = weir_str_of(payload, make_payload(r.run, partition, r.number, payload));
    r.check   = check_of(&r);
    return weir_producer_append_to(producer, partition, &r, NULL, 1);
}

static int write_records(weir_producer *producer, const struct options *options)
{
    uint64_t   *numbers = calloc(options->partitions, sizeof(*numbers));
    uint64_t   *said    = calloc(options->partitions, sizeof(*said));
    uint64_t    random  = options->seed ^ mix(options->run);
    weir_status status  = WEIR_OK;
    uint64_t    count   = 0;
    bool        is_told = true;
    if (numbers == NULL || said == NULL) {
        return fail("write", "memory ran out");
    }
    while (status == WEIR_OK && is_told && (options->records == 0 || count < options->records)) {
        random               = mix(random);
        uint64_t       group = random % GROUP_MAX + 1;
        const uint64_t left  = options->records - count;
        group                = options->records != 0 && left < group ? left : group;
        for (uint64_t i = 0; i < group && status == WEIR_OK; i++) {
            status = append_one(producer, options, &random, numbers);
        }
        if (status == WEIR_OK) {
            status = weir_producer_flush(producer, -1);
        }
        is_told = say_acknowledged(producer, options, said);
        count += group;
    }
    free(numbers);
    free(said);
    return status == WEIR_OK && is_told ? 0 : fail("write", weir_producer_error(producer));
}

// What recovery drops was never acknowledged; the console of a machine that crashes has room for
// acknowledgements only.
static void keep_silent(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)sentence;
}

static int write_log(const struct options *options)
{
    const weir_log_options how   = { .writes = true, .creates = true, .warn = keep_silent };
    const weir_topic       topic = { .name          = TOPIC,
                                     .type          = &record_type,
                                     .partitions    = options->partitions,
                                     .segment_bytes = 64 << 10 };
    weir_log              *log;
    weir_producer         *producer = NULL;
    weir_status            status   = weir_log_open(options->directory, &how, &log);
    if (status == WEIR_OK) {
        status = weir_log_create_topic(log, &topic);
    }
    if (status == WEIR_OK) {
        status = weir_producer_open(log, TOPIC, &record_type, &producer);
    }
    if (status != WEIR_OK) {
        (void)fail("open", weir_log_error(log));
        (void)weir_log_close(log);
        return 1;
    }
    int code = say("open\n") ? write_records(producer, options) : 1;
    if (weir_producer_close(producer) != WEIR_OK && code == 0) {
        code = fail("close", weir_log_error(log));
    }
    status = weir_log_close(log);
    return status == WEIR_OK ? code
           : code != 0       ? code
                             : fail("close", weir_status_sentence(status));
}

// ---- verify ----

struct seen {
    uint64_t count, last;
};

// Whether the record is the next of its run, and what it should be.
static bool is_right(const record *r, uint32_t partition, uint64_t next_number)
{
    static char  payload[PAYLOAD_BYTES_MAX];
    const size_t length = make_payload(r->run, partition, r->number, payload);
    return r->partition == partition && r->number == next_number && r->check == check_of(r) &&
           r->payload.length == length && memcmp(weir_str_bytes(&r->payload), payload, length) == 0;
}

static int verify_rows(const weir_log_rows *rows, struct seen *seen, uint64_t *next_offset)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const record  *r      = (const record *)rows->rows + i;
        const uint64_t offset = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        char           sentence[160];
        if (r->run >= RUNS_MAX || offset != *next_offset ||
            !is_right(r, rows->partition, seen[r->run].count)) {
            (void)snprintf(sentence, sizeof(sentence),
                           "partition %u offset %" PRIu64 ": run %" PRIu64 " number %" PRIu64
                           " is not what was written; offset %" PRIu64 " number %" PRIu64
                           " comes next",
                           rows->partition, offset, r->run, r->number, *next_offset,
                           r->run < RUNS_MAX ? seen[r->run].count : 0);
            return fail("verify", sentence);
        }
        seen[r->run].count++;
        seen[r->run].last = offset;
        *next_offset      = offset + 1;
    }
    return 0;
}

static int verify_partition(weir_log *log, uint32_t partition)
{
    const weir_reader_options how = { .type            = &record_type,
                                      .partitions      = &partition,
                                      .partition_count = 1,
                                      .start           = WEIR_START_EARLIEST,
                                      .is_bounded      = true };
    weir_reader              *reader;
    struct seen              *seen        = calloc(RUNS_MAX, sizeof(*seen));
    uint64_t                  next_offset = 0;
    weir_log_rows             rows;
    if (seen == NULL || weir_reader_open(log, TOPIC, &how, &reader) != WEIR_OK) {
        free(seen);
        return fail("verify", weir_log_error(log));
    }
    int         code = 0;
    weir_status status;
    while (code == 0 && (status = weir_reader_next(reader, -1, &rows)) == WEIR_OK) {
        code = verify_rows(&rows, seen, &next_offset);
    }
    if (code == 0 && status != WEIR_AT_END) {
        code = fail("verify", weir_reader_error(reader));
    }
    for (uint32_t run = 0; code == 0 && run < RUNS_MAX; run++) {
        if (seen[run].count > 0) {
            printf("have %u %u %" PRIu64 " %" PRIu64 "\n", run, partition, seen[run].count,
                   seen[run].last);
        }
    }
    weir_reader_close(reader);
    free(seen);
    return code;
}

// A directory whose writer was killed before it was a log, or before it had its topic, holds
// nothing, and nothing was acknowledged.
static int verify_log(const struct options *options)
{
    weir_log   *log;
    weir_topic  topic;
    weir_status status =
        weir_log_open(options->directory, &(weir_log_options){ .writes = false }, &log);
    if (status == WEIR_OK) {
        status = weir_log_topic(log, TOPIC, &topic);
    }
    int code =
        status == WEIR_OK || status == WEIR_NOT_FOUND ? 0 : fail("open", weir_log_error(log));
    for (uint32_t p = 0; code == 0 && status == WEIR_OK && p < topic.partitions; p++) {
        code = verify_partition(log, p);
    }
    (void)weir_log_close(log);
    if (code == 0) {
        printf("ok\n");
    }
    return code;
}

// ---- the command line ----

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: log_load write DIR --run K --seed S [--records N] [--partitions P]\n"
                  "       log_load verify DIR\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option known[] = { { "run", required_argument, NULL, 'r' },
                                           { "seed", required_argument, NULL, 's' },
                                           { "records", required_argument, NULL, 'n' },
                                           { "partitions", required_argument, NULL, 'p' },
                                           { NULL, 0, NULL, 0 } };
    struct options             options = { .partitions = 1 };
    for (int found; (found = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (found) {
        case 'r': options.run = strtoull(optarg, NULL, 10); break;
        case 's': options.seed = strtoull(optarg, NULL, 10); break;
        case 'n': options.records = strtoull(optarg, NULL, 10); break;
        case 'p': options.partitions = (uint32_t)strtoul(optarg, NULL, 10); break;
        default: return usage();
        }
    }
    if (argc - optind != 2 || options.partitions == 0) {
        return usage();
    }
    options.directory = argv[optind + 1];
    if (strcmp(argv[optind], "write") == 0) {
        return write_log(&options);
    }
    return strcmp(argv[optind], "verify") == 0 ? verify_log(&options) : usage();
}

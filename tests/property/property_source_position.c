// Random files, read in one go and with a stop at every place where a checkpoint may lie: each time
// the source is opened anew from what was kept. Records, late lines and dead letters are the same,
// with the same line numbers.
#include "connectors/file/file_source.h"
#include "runtime/run/kept.h"
#include "tests/support/node_harness.h"
#include "tests/support/trial.h"

#include <stdarg.h>
#include <weir/source.h>

#define FILE_MAX  ((size_t)64 << 10)
#define LINE_MOST 4096u // the least that it may be

typedef struct entry {
    weir_time at;
    uint64_t  number;
    weir_str  text;
} entry;
WEIR_RECORD(entry, at, number, text);

// ---- random files ----

struct file {
    char   bytes[FILE_MAX];
    size_t length;
    bool   is_csv;
    bool   has_returns;
};

static void file_add(struct file *file, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int added =
        vsnprintf(file->bytes + file->length, FILE_MAX - file->length, format, arguments);
    va_end(arguments);
    TRIAL_CHECK(added >= 0 && file->length + (size_t)added < FILE_MAX, "no room");
    file->length += (size_t)added;
}

static void file_end_line(struct file *file, struct trial_random *random)
{
    file_add(file, "%s", file->has_returns && !trial_one_in(random, 8) ? "\r\n" : "\n");
}

// Text of many lengths; quoted newlines, where there are quotes around it.
static void file_add_text(struct file *file, struct trial_random *random, bool may_span)
{
    const uint32_t kind   = trial_below(random, 12);
    const uint32_t length = kind == 0  ? LINE_MOST - 60 + trial_below(random, 120)
                            : kind < 4 ? trial_below(random, 300)
                                       : trial_below(random, 12);
    for (uint32_t i = 0; i < length; i++) {
        const uint32_t draw = may_span ? trial_below(random, 20) : 9;
        file_add(file, "%s", draw == 0 ? "\n" : draw == 1 ? "\"\"" : draw == 2 ? "," : "x");
    }
}

static void file_add_record(struct file *file, struct trial_random *random, uint32_t number)
{
    const uint32_t second = trial_below(random, 60);
    const bool     is_odd = file->is_csv && trial_one_in(random, 2);
    file_add(file,
             file->is_csv ? "2026-03-01T10:02:%02uZ,%u,%s"
                          : "{\"at\":\"2026-03-01T10:02:%02uZ\",\"number\":%u,\"text\":\"%s",
             second, number, is_odd ? "\"" : "");
    file_add_text(file, random, is_odd);
    file_add(file, "%s", !file->is_csv ? "\"}" : is_odd ? "\"" : "");
}

static void file_init(struct file *file, struct trial_random *random, bool is_csv)
{
    *file = (struct file){ .is_csv = is_csv, .has_returns = trial_one_in(random, 2) };
    if (is_csv) {
        file_add(file, "%s%s", trial_one_in(random, 2) ? "\xef\xbb\xbf" : "",
                 trial_one_in(random, 3) ? "at,\"number\",text" : "at,number,text");
        file_end_line(file, random);
    }
    const uint32_t lines = trial_below(random, 12);
    for (uint32_t i = lines; i > 0; i--) {
        switch (trial_below(random, 10)) {
        case 0: break; // an empty line
        case 1: file_add(file, "broken"); break;
        case 2: file_add(file, is_csv ? "\"never closed," : "{\"at\":"); break;
        default: file_add_record(file, random, i);
        }
        file_end_line(file, random);
    }
    if (lines > 0 && trial_one_in(random, 3)) {
        file->length--; // its last newline
    }
}

// ---- reading ----

#define SEEN_MAX 1024

// What left the source: each row as text.
struct seen {
    char    *rows[WR_OUTPUT_SIDES][SEEN_MAX];
    uint32_t count[WR_OUTPUT_SIDES];
};

static char *text_of(uint64_t number, weir_str first, weir_str second)
{
    return wr_format("%llu %.*s %.*s", (unsigned long long)number, (int)first.length,
                     weir_str_bytes(&first), (int)second.length, weir_str_bytes(&second));
}

static void seen_add(struct seen *seen, uint32_t output, const void *row)
{
    const weir_str none = weir_str_from("");
    char          *text;
    if (output == WR_OUTPUT_MAIN) {
        const entry *record = row;
        text                = text_of(record->number, record->text, none);
    } else if (output == WR_OUTPUT_LATE) {
        const weir_line *line = row;
        text                  = text_of(line->line, line->text, none);
    } else {
        const weir_dead_letter *letter = row;
        text                           = text_of(letter->line, letter->reason, letter->text);
    }
    TRIAL_CHECK(seen->count[output] < SEEN_MAX, "too many rows");
    seen->rows[output][seen->count[output]++] = text;
}

// Takes what is in the outputs; how many rows that were.
static uint32_t seen_take(struct seen *seen, struct node_harness *harness)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < WR_OUTPUT_SIDES; i++) {
        const struct wr_output *output = &harness->node->outputs[i];
        const struct wr_batch  *batch  = output->passed != NULL ? output->passed : output->batch;
        const uint32_t          count  = output->passed != NULL ? output->count : batch->row_count;
        for (uint32_t k = 0; k < count; k++) {
            const bool is_picked = output->passed != NULL && output->selection != NULL;
            seen_add(seen, i, wr_batch_row(batch, is_picked ? output->selection[k] : k));
        }
        taken += count;
    }
    node_harness_take(harness);
    return taken;
}

static void seen_clear(struct seen *seen)
{
    for (uint32_t i = 0; i < WR_OUTPUT_SIDES; i++) {
        while (seen->count[i] > 0) {
            wr_free(seen->rows[i][--seen->count[i]]);
        }
    }
}

static int by_line(const void *a, const void *b)
{
    const uint64_t left  = strtoull(*(char *const *)a, NULL, 10);
    const uint64_t right = strtoull(*(char *const *)b, NULL, 10);
    return (left > right) - (left < right);
}

struct reading {
    const struct file *file;
    weir_job          *job;
    weir_stream        stream;
    uint32_t           rows; // of a batch
};

static struct reading reading_open(const struct file *file, struct trial_random *random)
{
    const weir_event_time_options time    = { .field           = "at",
                                              .judges_lateness = true,
                                              .out_of_order    = WEIR_SECONDS(20),
                                              .max_ahead       = WEIR_SECONDS(25) };
    struct reading                reading = { .file = file, .job = weir_job_open("test") };
    reading.rows = trial_one_in(random, 2) ? 1 : 1 + trial_below(random, 6);
    if (file->is_csv) {
        reading.stream = weir_from_csv(
            reading.job,
            &(weir_csv_source_options){
                .path = "/in", .type = &entry_type, .max_line_bytes = LINE_MOST, .time = time });
    } else {
        reading.stream = weir_from_jsonl(
            reading.job,
            &(weir_jsonl_source_options){
                .path = "/in", .type = &entry_type, .max_line_bytes = LINE_MOST, .time = time });
    }
    TRIAL_CHECK(weir_job_status(reading.job) == WEIR_OK, "%s", weir_job_error(reading.job));
    return reading;
}

// What a checkpoint keeps of the one partition.
static const struct wr_kept_cell *kept_of(const struct node_harness *harness)
{
    const struct wr_kept *kept = harness->node->kept;
    TRIAL_CHECK(kept->cell_count == 1, "%u", kept->cell_count);
    return &kept->cells[0];
}

// Reads on from `kept` (empty: from the start) until about `most` rows were seen; then *kept is
// what a checkpoint there keeps. True at the end.
static bool read_some(const struct reading *reading, uint64_t seed, uint32_t most, char *kept,
                      struct seen *seen)
{
    struct wr_environment *environment = wr_environment_open_simulated(seed, false);
    wr_simulation_import(environment, "/in", reading->file->bytes, reading->file->length);
    struct node_harness harness;
    node_harness_open(&harness, &(struct node_harness_options){ .environment     = environment,
                                                                .job             = reading->job,
                                                                .stream          = reading->stream,
                                                                .rows            = reading->rows,
                                                                .is_checkpointed = true });
    TRIAL_CHECK(harness.is_open, "%s", node_harness_failure(&harness));
    struct wr_node            *node = harness.node;
    const struct wr_kept_cell *cell = kept_of(&harness);
    memcpy(cell->at, kept, cell->bytes);
    TRIAL_CHECK(node->ops->restored(node), "%s", node_harness_failure(&harness));
    enum wr_poll polled = WR_POLL_LATER;
    uint32_t     more   = (uint32_t)(seed % 8); // polls, so that it also stops between two records
    for (uint32_t rows = 0; polled != WR_POLL_END && (rows < most || more-- > 0);) {
        node->wake_at_us     = INT64_MAX;
        polled               = node->ops->poll(node);
        const uint32_t taken = seen_take(seen, &harness);
        rows += taken;
        if (polled == WR_POLL_LATER && taken == 0) {
            node_harness_wait(&harness);
        }
    }
    while (!node->ops->barrier(node, 1)) {
        (void)seen_take(seen, &harness);
    }
    (void)seen_take(seen, &harness);
    TRIAL_CHECK(node_harness_failure(&harness) == NULL, "%s", node_harness_failure(&harness));
    memcpy(kept, cell->at, cell->bytes);
    node_harness_close(&harness);
    wr_environment_close(environment);
    return polled == WR_POLL_END;
}

// Of one batch, lines that are no records are dead letters before those whose time is wrong.
static void check_same(const struct reading *reading, struct seen *seen, struct seen *expected)
{
    const struct file *file = reading->file;
    for (uint32_t i = 0; i < WR_OUTPUT_SIDES; i++) {
        TRIAL_CHECK(seen->count[i] == expected->count[i], "%u for %u rows, output %u of\n%.*s",
                    seen->count[i], expected->count[i], i, (int)file->length, file->bytes);
        if (i == WR_OUTPUT_REJECTS) {
            qsort(seen->rows[i], seen->count[i], sizeof(char *), by_line);
            qsort(expected->rows[i], expected->count[i], sizeof(char *), by_line);
        }
        for (uint32_t k = 0; k < seen->count[i]; k++) {
            TRIAL_CHECK(strcmp(seen->rows[i][k], expected->rows[i][k]) == 0,
                        "output %u, row %u is\n%s\nnot\n%s\nof\n%.*s", i, k, seen->rows[i][k],
                        expected->rows[i][k], (int)file->length, file->bytes);
        }
    }
}

static uint64_t stop_count;

static void try_once(struct file *file, struct trial_random *random)
{
    char kept[256] = { 0 };
    file_init(file, random, trial_one_in(random, 2));
    wr_file_source_most_bytes =
        trial_one_in(random, 4) ? 1 + trial_below(random, 4) : 1 + trial_below(random, 200);
    struct reading     reading = reading_open(file, random);
    static struct seen whole, stopped;
    TRIAL_CHECK(read_some(&reading, trial_next(random), UINT32_MAX, kept, &whole), "no end");

    // Stopped after every step, or every few.
    const uint32_t most = 1 + trial_below(random, 3);
    memset(kept, 0, sizeof(kept));
    while (!read_some(&reading, trial_next(random), most, kept, &stopped)) {
        stop_count++;
    }
    check_same(&reading, &stopped, &whole);
    seen_clear(&stopped);
    seen_clear(&whole);
    weir_job_close(reading.job);
}

int main(int argc, char **argv)
{
    static struct file  file;
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      cases  = trial_size(300, 3000, 30000);
    for (uint64_t i = 0; i < cases; i++) {
        try_once(&file, &random);
    }
    printf("cases: %" PRIu64 ", stops: %" PRIu64 "\n", cases, stop_count);
    return 0;
}

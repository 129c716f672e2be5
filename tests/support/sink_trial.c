#include "tests/support/sink_trial.h"

#include "log/log.h"
#include "log/prepared.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT         "/data/out"
#define VISIBLE_MAX (1u << 16)

static const weir_topic numbers_topic = { .name          = "numbers",
                                          .type          = &number_type,
                                          .segment_bytes = 64 << 10 };

// ---- the job ----

static void make_none(number *out, uint64_t count, weir_time due)
{
    (void)due;
    out->number = count;
}
WEIR_GENERATOR(numbers, number, make_none);

static void job_open(struct sink_trial *trial, const char *job, const char *sink)
{
    const weir_log_sink_options  to_log  = { .name = sink, .directory = OUT };
    const weir_file_sink_options to_file = { .name = sink, .path = OUT };
    trial->job                           = weir_job_open(job);
    const weir_stream in                 = weir_generate(trial->job, &numbers, NULL);
    trial->sink = trial->kind == SINK_LOG ? weir_to_log(in, &numbers_topic, &to_log)
                                          : weir_to_jsonl(in, &to_file);
    WR_ASSERT(weir_job_status(trial->job) == WEIR_OK);
}

void sink_trial_open(struct sink_trial *trial, enum sink_kind kind, uint64_t seed)
{
    *trial = (struct sink_trial){ .kind        = kind,
                                  .environment = wr_environment_open_simulated(seed, false) };
    (void)trial->environment->ops->make_directory(trial->environment, "/data");
    (void)trial->environment->ops->sync_directory(trial->environment, "/");
    job_open(trial, "job", "sink");
}

void sink_trial_open_beside(struct sink_trial *trial, const struct sink_trial *first,
                            const char *job, const char *sink)
{
    *trial = (struct sink_trial){ .kind        = first->kind,
                                  .environment = first->environment,
                                  .is_beside   = true };
    job_open(trial, job, sink);
}

static void end_all(struct sink_trial *trial)
{
    for (uint32_t i = 0; i < SINK_TASKS; i++) {
        if (trial->is_open[i]) {
            sink_trial_end(trial, i);
        }
    }
}

void sink_trial_close(struct sink_trial *trial)
{
    end_all(trial);
    weir_job_close(trial->job);
    wr_free(trial->sentence);
    if (!trial->is_beside) {
        wr_environment_close(trial->environment);
    }
}

// ---- tasks ----

bool sink_trial_start(struct sink_trial *trial, uint32_t task)
{
    if (trial->run == NULL) {
        trial->run = node_harness_run_open(trial->environment, trial->job);
    }
    node_harness_open(&trial->tasks[task], &(struct node_harness_options){
                                               .environment     = trial->environment,
                                               .job             = trial->job,
                                               .stream          = trial->sink,
                                               .instance        = task,
                                               .is_checkpointed = true,
                                               .run             = trial->run,
                                           });
    trial->is_open[task] = true;
    return trial->tasks[task].is_open;
}

void sink_trial_end(struct sink_trial *trial, uint32_t task)
{
    node_harness_close(&trial->tasks[task]);
    trial->is_open[task] = false;
    for (uint32_t i = 0; i < SINK_TASKS; i++) {
        if (trial->is_open[i]) {
            return;
        }
    }
    node_harness_run_close(trial->run);
    trial->run = NULL;
}

void sink_trial_give(struct sink_trial *trial, uint32_t task, uint64_t given)
{
    const number row = { given };
    node_harness_give(&trial->tasks[task], &number_type, &row);
}

static const struct wr_committer *committer_of(const struct sink_trial *trial)
{
    return trial->job->nodes[trial->sink.node]->spec.operator_->committer;
}

bool sink_trial_prepare(struct sink_trial *trial, uint32_t task, uint64_t checkpoint,
                        struct wr_token *token)
{
    struct wr_error error = { .status = WEIR_OK };
    if (!node_harness_barrier(&trial->tasks[task], checkpoint)) {
        return false;
    }
    const bool is_prepared =
        committer_of(trial)->prepare(trial->tasks[task].node, checkpoint, token, &error);
    WR_ASSERT(is_prepared == (error.sentence == NULL));
    wr_error_fini(&error);
    return is_prepared;
}

static bool settle(struct sink_trial *trial, bool is_good, const struct wr_error *error)
{
    WR_ASSERT(is_good == (error->sentence == NULL));
    wr_free(trial->sentence);
    trial->sentence = error->sentence;
    return is_good;
}

bool sink_trial_commit(struct sink_trial *trial, uint32_t task, const struct wr_token *token)
{
    struct wr_error error   = { .status = WEIR_OK };
    const bool      is_good = committer_of(trial)->commit(trial->tasks[task].node, token, &error);
    return settle(trial, is_good, &error);
}

bool sink_trial_recover(struct sink_trial *trial, const struct wr_token *tokens, uint32_t count)
{
    struct wr_error error = { .status = WEIR_OK };
    uint32_t        task  = 0;
    while (!trial->is_open[task]) {
        task++;
    }
    const bool is_good =
        committer_of(trial)->recover(trial->tasks[task].node, tokens, count, &error);
    return settle(trial, is_good, &error);
}

// ---- crashes ----

void sink_trial_crash(struct sink_trial *trial, uint64_t seed)
{
    node_harness_stop_machine(trial->environment);
    end_all(trial);
    wr_simulation_reboot(trial->environment, seed);
}

void sink_trial_kill(struct sink_trial *trial)
{
    node_harness_stop_machine(trial->environment);
    end_all(trial);
    node_harness_go_on(trial->environment);
}

// ---- what is seen ----

static char   visible[VISIBLE_MAX];
static size_t visible_bytes;

static void visible_add(const char *text)
{
    const int added = snprintf(visible + visible_bytes, VISIBLE_MAX - visible_bytes, "%s ", text);
    WR_ASSERT(added > 0 && visible_bytes + (size_t)added < VISIBLE_MAX);
    visible_bytes += (size_t)added;
}

static void visible_add_number(uint64_t seen)
{
    char text[30];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)seen);
    visible_add(text);
}

static void file_add(struct wr_environment *environment, const char *path)
{
    static char bytes[VISIBLE_MAX];
    const int   file = environment->ops->open(environment, path, WR_OPEN_READ);
    int64_t     got, length = 0;
    WR_ASSERT(file >= 0);
    while ((got = environment->ops->read_at(environment, file, bytes + length,
                                            sizeof(bytes) - 1 - (size_t)length, length)) > 0) {
        length += got;
    }
    environment->ops->close(environment, file);
    bytes[length] = '\0';
    for (char *line = bytes; *line != '\0';) {
        unsigned long long seen;
        char              *end      = strchr(line, '\n');
        const bool         is_whole = end != NULL && sscanf(line, "{\"number\":%llu}", &seen) == 1;
        if (is_whole) {
            visible_add_number(seen);
        } else {
            visible_add("?");
        }
        line = end != NULL ? end + 1 : strchr(line, '\0');
    }
}

struct look {
    struct sink_trial *trial;
    uint32_t           hidden;
    bool               adds;
};

static void look_at(void *opaque, const char *name)
{
    struct look *look = opaque;
    char         path[300];
    (void)snprintf(path, sizeof(path), OUT "/%s", name);
    look->hidden += name[0] == '.';
    if (name[0] != '.' && look->adds) {
        file_add(look->trial->environment, path);
    }
}

static void topic_add(struct wr_environment *environment)
{
    weir_log     *log    = NULL;
    weir_reader  *reader = NULL;
    weir_log_rows rows;
    if (wr_log_open_in(environment, OUT, &(weir_log_options){ .writes = false }, &log) == WEIR_OK &&
        weir_reader_open(log, "numbers", &(weir_reader_options){ .is_bounded = true }, &reader) ==
            WEIR_OK) {
        weir_status status;
        while ((status = weir_reader_next(reader, 0, &rows)) == WEIR_OK) {
            for (uint32_t i = 0; i < rows.count; i++) {
                visible_add_number(((const number *)rows.rows)[i].number);
            }
        }
        if (status != WEIR_AT_END) {
            visible_add("?");
        }
    }
    weir_reader_close(reader);
    (void)weir_log_close(log);
}

const char *sink_trial_visible(struct sink_trial *trial)
{
    struct look look = { .trial = trial, .adds = true };
    visible_bytes    = 0;
    visible[0]       = '\0';
    if (trial->kind == SINK_LOG) {
        topic_add(trial->environment);
    } else {
        (void)trial->environment->ops->list(trial->environment, OUT, look_at, &look);
    }
    return visible;
}

static void count_prepared(void *opaque, uint64_t id, const char *name)
{
    (void)id;
    (void)name;
    *(uint32_t *)opaque += 1;
}

uint32_t sink_trial_undecided(struct sink_trial *trial)
{
    struct look look  = { .trial = trial };
    uint32_t    count = 0;
    if (trial->kind == SINK_LOG) {
        weir_log *log = NULL;
        if (wr_log_open_in(trial->environment, OUT, &(weir_log_options){ .writes = true }, &log) ==
            WEIR_OK) {
            (void)wr_transactions_each_prepared(log, "", count_prepared, &count);
        }
        (void)weir_log_close(log);
        return count;
    }
    (void)trial->environment->ops->list(trial->environment, OUT, look_at, &look);
    return look.hidden;
}

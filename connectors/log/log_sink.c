// log sink: records of a stream, with their change, into a topic.
//
//   rows --runs of neighbours--> producer --batches--> the run's one writing log of the directory
//
// In a run with checkpoints the rows between two barriers are a transaction (log_commits.h), which
// readers of committed records see when the checkpoint is durable.
//
// What an update replaces is not written. When the log's buffer is full the sink leaves its rows
// where they are and comes back a little later; it never waits. In a simulation nobody commits by
// himself, so the sink does.
#include "connectors/log/log_commits.h"
#include "connectors/log/shared_log.h"

#include "log/commit.h"
#include "log/producer.h"

#include <string.h>
#include <weir/log_stream.h>

// When to look again for room, or for the last acknowledgement.
#define LOOK_AGAIN_US 1000

struct sink_options {
    weir_log_sink_options given; // its strings are copies
    weir_topic            topic; // likewise
};

struct log_sink {
    struct wr_node node;
    weir_log      *log;
    weir_producer *producer;
    bool           has_failed;
    uint64_t       row_count; // since the last barrier

    struct wr_log_commits commits; // in a run with checkpoints
};

static const struct sink_options *options_of(const struct log_sink *sink)
{
    return sink->node.spec->options;
}

static void sink_fail(struct log_sink *sink, weir_status status, const char *sentence)
{
    sink->has_failed = true;
    wr_node_fail_as(&sink->node, status, "%s", sentence);
}

// ---- opening and closing ----

static bool sink_open(struct wr_node *node)
{
    struct log_sink           *sink    = (struct log_sink *)node;
    const struct sink_options *options = options_of(sink);
    const weir_type           *type    = options->topic.type;
    sink->log                          = wr_shared_log(node, options->given.directory,
                                                       &(weir_log_options){
                                                           .writes     = true,
                                                           .creates    = true,
                                                           .durability = options->given.durability,
                                                           .interval   = options->given.interval,
                              });
    if (sink->log == NULL) {
        return false;
    }
    weir_status status = weir_log_create_topic(sink->log, &options->topic);
    if (status == WEIR_OK) {
        status = weir_producer_open(sink->log, options->topic.name, type, &sink->producer);
    }
    if (status != WEIR_OK) {
        sink_fail(sink, status, weir_log_error(sink->log));
        return false;
    }
    return !wr_node_is_checkpointed(node) ||
           wr_log_commits_open(&sink->commits, node, sink->log, sink->producer);
}

static void sink_let_go(struct log_sink *sink)
{
    wr_log_commits_close(&sink->commits);
    if (sink->producer != NULL) {
        const weir_status status = weir_producer_close(sink->producer);
        if (status != WEIR_OK && !sink->has_failed) {
            sink_fail(sink, status, weir_log_error(sink->log));
        }
    }
    wr_node_unshare(&sink->node, sink->log);
    sink->producer = NULL;
    sink->log      = NULL;
}

static void sink_close(struct wr_node *node) { sink_let_go((struct log_sink *)node); }

// ---- rows ----

static enum wr_change row_change(const struct wr_batch *batch, uint32_t row)
{
    return batch->changes != NULL ? (enum wr_change)batch->changes[row] : WR_INSERT;
}

// How many pending rows from number `next` on lie side by side in the batch and are to be written.
static uint32_t run_length(const struct wr_inlet *inlet)
{
    const uint32_t first = wr_inlet_row(inlet, inlet->next);
    uint32_t       count = 0;
    while (inlet->next + count < inlet->count &&
           wr_inlet_row(inlet, inlet->next + count) == first + count &&
           row_change(inlet->batch, first + count) != WR_UPDATE_BEFORE) {
        count++;
    }
    return count;
}

static void count_rows(struct log_sink *sink, const struct wr_batch *batch, uint32_t first,
                       uint32_t count)
{
    struct wr_counters *counters = sink->node.counters;
    uint32_t            deletes = 0, updates = 0;
    for (uint32_t i = 0; batch->changes != NULL && i < count; i++) {
        deletes += row_change(batch, first + i) == WR_DELETE;
        updates += row_change(batch, first + i) == WR_UPDATE_AFTER;
    }
    wr_count(counters, WR_DELETES, deletes);
    wr_count(counters, WR_UPDATES, updates);
    wr_count(counters, WR_INSERTS, count - deletes - updates);
    wr_count(counters, WR_BYTES, (uint64_t)count * batch->row_size);
}

// In a simulation: what the committer's thread does elsewhere.
static bool sink_commit(struct log_sink *sink)
{
    return sink->node.environment->is_simulated && sink->log != NULL && !sink->has_failed &&
           wr_commit_run(sink->log->commit, false);
}

// Appends the run at the inlet's next row; false: not now.
static bool sink_append(struct log_sink *sink, struct wr_inlet *inlet)
{
    const uint32_t first = wr_inlet_row(inlet, inlet->next);
    const uint32_t count = run_length(inlet);
    if (count == 0) {
        inlet->next++;
        return true;
    }
    weir_status    status  = WEIR_OK;
    const uint8_t *changes = inlet->batch->changes != NULL ? inlet->batch->changes + first : NULL;
    if (!wr_producer_try(sink->producer, UINT32_MAX, wr_batch_row(inlet->batch, first), changes,
                         count, &status)) {
        if (status != WEIR_OK) {
            sink_fail(sink, status, weir_producer_error(sink->producer));
        }
        return false;
    }
    inlet->next += count;
    sink->row_count += count;
    count_rows(sink, inlet->batch, first, count);
    return true;
}

static void sink_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct log_sink *sink = (struct log_sink *)node;
    node->wake_at_us      = INT64_MAX;
    while (inlet->next < inlet->count && !sink->has_failed && sink_append(sink, inlet)) {
    }
    if (sink->has_failed) {
        inlet->next = inlet->count; // the job is ending
    } else if (inlet->next < inlet->count && !sink_commit(sink)) {
        node->wake_at_us = wr_now_us(node->environment) + LOOK_AGAIN_US;
    }
}

static bool sink_flush(struct wr_node *node, bool is_forced)
{
    (void)is_forced; // outside of a simulation the committer comes by itself
    return sink_commit((struct log_sink *)node);
}

// All is acknowledged before the job counts as done; the last sink closes the log. With checkpoints
// the last one has seen to that, and may be on its way to be committed: the log is closed later.
static bool sink_finish(struct wr_node *node)
{
    struct log_sink *sink = (struct log_sink *)node;
    node->wake_at_us      = INT64_MAX;
    if (sink->producer == NULL || sink->has_failed || wr_node_is_checkpointed(node)) {
        return true;
    }
    (void)sink_commit(sink);
    const weir_status status = weir_producer_flush(sink->producer, 0);
    if (status == WEIR_TIMED_OUT) {
        node->wake_at_us = wr_now_us(node->environment) + LOOK_AGAIN_US;
        return false;
    }
    if (status != WEIR_OK) {
        sink_fail(sink, status, weir_producer_error(sink->producer));
        return true;
    }
    sink_let_go(sink);
    return true;
}

// ---- checkpoints ----

// Rows that were not prepared before the end of the job are the next run's to make again.
static bool sink_barrier(struct wr_node *node, uint64_t barrier)
{
    struct log_sink *sink = (struct log_sink *)node;
    (void)barrier;
    if (!wr_node_is_checkpointed(node) || sink->has_failed || sink->row_count == 0) {
        return true;
    }
    const weir_status status = wr_log_commits_set_aside(&sink->commits);
    if (status != WEIR_OK) {
        sink_fail(sink, status, weir_status_sentence(status));
    }
    sink->row_count = 0;
    return true;
}

static bool sink_prepare(struct wr_node *node, uint64_t checkpoint, struct wr_token *token,
                         struct wr_error *error)
{
    (void)checkpoint;
    return wr_log_commits_prepare(&((struct log_sink *)node)->commits, token, error);
}

static bool sink_commit_token(struct wr_node *node, const struct wr_token *token,
                              struct wr_error *error)
{
    return wr_log_commits_commit(&((struct log_sink *)node)->commits, token, error);
}

static bool sink_recover(struct wr_node *node, const struct wr_token *tokens, uint32_t count,
                         struct wr_error *error)
{
    return wr_log_commits_recover(&((struct log_sink *)node)->commits, tokens, count, error);
}

static const struct wr_committer log_sink_committer = {
    .prepare = sink_prepare,
    .commit  = sink_commit_token,
    .recover = sink_recover,
};

static const char *sink_guarantee(struct wr_environment *environment, const void *options)
{
    (void)environment;
    (void)options;
    return "exactly once";
}

static const struct wr_operator log_sink_operator = {
    .verb       = "write log",
    .node_bytes = sizeof(struct log_sink),
    .open       = sink_open,
    .close      = sink_close,
    .rows       = sink_rows,
    .finish     = sink_finish,
    .barrier    = sink_barrier,
    .flush      = sink_flush,
    .guarantee  = sink_guarantee,
    .committer  = &log_sink_committer,
};

// ---- declaring ----

static void options_free(void *opaque)
{
    struct sink_options *options = opaque;
    wr_free((char *)(uintptr_t)options->given.directory);
    wr_free((char *)(uintptr_t)options->topic.name);
    wr_free((char *)(uintptr_t)options->topic.key);
    wr_free((char *)(uintptr_t)options->topic.time);
    wr_free(options);
}

static struct sink_options *options_copy(const weir_topic *topic, const weir_type *type,
                                         const weir_log_sink_options *given)
{
    struct sink_options *copy = wr_alloc(sizeof(*copy));
    copy->given               = *given;
    copy->given.directory =
        wr_copy_text(given->directory != NULL ? given->directory : WR_LOG_DIRECTORY_DEFAULT);
    copy->topic      = *topic;
    copy->topic.name = wr_copy_text(topic->name);
    copy->topic.key  = wr_copy_text(topic->key);
    copy->topic.time = wr_copy_text(topic->time);
    copy->topic.type = type;
    return copy;
}

weir_stream weir_to_log(weir_stream in, const weir_topic *topic,
                        const weir_log_sink_options *options)
{
    const weir_log_sink_options given   = options != NULL ? *options : (weir_log_sink_options){ 0 };
    const weir_type            *carried = wr_stream_type(in);
    if (carried == NULL) {
        return (weir_stream){ .job = NULL }; // an earlier mistake
    }
    if (topic == NULL || topic->name == NULL) {
        return wr_job_refuse(in.job, "%s: it has no topic; give it a weir_topic with a name",
                             given.name != NULL ? given.name : log_sink_operator.verb);
    }
    char            *own  = wr_format("write-%s", topic->name);
    const char      *name = given.name != NULL ? given.name : own;
    const weir_type *type = topic->type != NULL ? topic->type : weir_log_text_type();
    weir_stream      out;
    if (!wr_schema_is_same(type, carried)) {
        out =
            wr_job_refuse(in.job, "%s: the stream carries %s, but topic %s holds %s; map it first",
                          name, carried->name, topic->name, type->name);
    } else {
        out = wr_job_add_sink(in, &log_sink_operator, name, options_copy(topic, type, &given), NULL,
                              0, options_free);
    }
    wr_free(own);
    return out;
}

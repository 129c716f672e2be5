// The test sink: a system outside that outlives the job's crashes. Rows show when the checkpoint
// that counts them is committed.
//
//   rows --> taken --barrier--> set aside --prepare--> piece, by token --commit--> committed
#include "testing/testing.h"

#include <stdlib.h>
#include <string.h>

static struct wr_test_output *output_of(const struct wr_node *node)
{
    return (struct wr_test_output *)(uintptr_t)node->spec->options;
}

static weir_collection *rows_open(const struct wr_test_output *output)
{
    weir_collection *rows = weir_collection_open();
    (void)wr_collection_attach(rows, output->type);
    return rows;
}

// ---- the operator ----

static bool sink_open(struct wr_node *node)
{
    struct wr_test_output *output = output_of(node);
    if (!output->is_tested) {
        wr_node_fail_as(node, WEIR_USAGE,
                        "a test sink is read by a test: run the job with weir_test_open");
        return false;
    }
    if (node->instance >= output->part_count) {
        output->parts = wr_realloc(output->parts, (node->instance + 1) * sizeof(*output->parts));
        memset(&output->parts[output->part_count], 0,
               (node->instance + 1 - output->part_count) * sizeof(*output->parts));
        output->part_count = node->instance + 1;
    }
    return true;
}

static void sink_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct wr_test_output *output = output_of(node);
    struct wr_test_part   *part   = &output->parts[node->instance];
    if (part->taken == NULL) {
        part->taken = rows_open(output);
    }
    wr_collection_add_batch(part->taken, inlet);
}

static bool sink_barrier(struct wr_node *node, uint64_t barrier)
{
    struct wr_test_part *part = &output_of(node)->parts[node->instance];
    (void)barrier;
    WR_ASSERT(part->set_aside == NULL);
    part->set_aside = part->taken;
    part->taken     = NULL;
    return true;
}

// ---- committing ----

static bool sink_prepare(struct wr_node *node, uint64_t checkpoint, struct wr_token *token,
                         struct wr_error *error)
{
    struct wr_test_output *output = output_of(node);
    struct wr_test_part   *part   = &output->parts[node->instance];
    (void)checkpoint;
    (void)error;
    token->length = 0;
    if (part->set_aside == NULL) {
        return true;
    }
    output->pieces =
        wr_realloc(output->pieces, (output->piece_count + 1) * sizeof(*output->pieces));
    struct wr_test_piece *piece = &output->pieces[output->piece_count++];
    *piece                      = (struct wr_test_piece){ ++output->last_token, part->set_aside };
    part->set_aside             = NULL;
    token->length               = sizeof(piece->token);
    memcpy(token->bytes, &piece->token, sizeof(piece->token));
    return true;
}

static bool piece_is_named(const struct wr_test_piece *piece, const struct wr_token *tokens,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i].length == sizeof(piece->token) &&
            memcmp(tokens[i].bytes, &piece->token, sizeof(piece->token)) == 0) {
            return true;
        }
    }
    return false;
}

// Shows the pieces that the tokens name; of the others it withdraws all, or none.
static void output_settle(struct wr_test_output *output, const struct wr_token *tokens,
                          uint32_t count, bool withdraws)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < output->piece_count; i++) {
        const struct wr_test_piece piece    = output->pieces[i];
        const bool                 is_shown = piece_is_named(&piece, tokens, count);
        if (is_shown) {
            wr_collection_add_all(output->committed, piece.rows);
        }
        if (is_shown || withdraws) {
            weir_collection_close(piece.rows);
        } else {
            output->pieces[kept++] = piece;
        }
    }
    output->piece_count = kept;
}

static bool sink_commit(struct wr_node *node, const struct wr_token *token, struct wr_error *error)
{
    (void)error;
    output_settle(output_of(node), token, 1, false);
    return true;
}

static bool sink_recover(struct wr_node *node, const struct wr_token *tokens, uint32_t count,
                         struct wr_error *error)
{
    (void)error;
    output_settle(output_of(node), tokens, count, true);
    return true;
}

static const struct wr_committer test_committer = {
    .prepare = sink_prepare,
    .commit  = sink_commit,
    .recover = sink_recover,
};

static const struct wr_operator test_sink_operator = {
    .verb       = "test sink",
    .node_bytes = sizeof(struct wr_node),
    .open       = sink_open,
    .rows       = sink_rows,
    .barrier    = sink_barrier,
    .committer  = &test_committer,
    .uses_time  = true,
};

// ---- for the test ----

void wr_test_output_die(struct wr_test_output *output)
{
    for (uint32_t i = 0; i < output->part_count; i++) {
        weir_collection_close(output->parts[i].taken);
        weir_collection_close(output->parts[i].set_aside);
        output->parts[i] = (struct wr_test_part){ NULL, NULL };
    }
}

void wr_test_output_gather(struct wr_test_output *output)
{
    weir_collection_close(output->pending);
    output->pending = rows_open(output);
    for (uint32_t i = 0; i < output->piece_count; i++) {
        wr_collection_add_all(output->pending, output->pieces[i].rows);
    }
    for (uint32_t i = 0; i < output->part_count; i++) {
        if (output->parts[i].set_aside != NULL) {
            wr_collection_add_all(output->pending, output->parts[i].set_aside);
        }
    }
    for (uint32_t i = 0; i < output->part_count; i++) {
        if (output->parts[i].taken != NULL) {
            wr_collection_add_all(output->pending, output->parts[i].taken);
        }
    }
}

void wr_test_output_take(struct wr_test_output *output)
{
    weir_collection_close(output->committed);
    output->committed = rows_open(output);
}

// ---- declaring and finding ----

static void output_free(void *opaque)
{
    struct wr_test_output *output = opaque;
    wr_test_output_die(output);
    output_settle(output, NULL, 0, true);
    weir_collection_close(output->committed);
    weir_collection_close(output->pending);
    wr_free((void *)(uintptr_t)output->identity);
    wr_free(output->parts);
    wr_free(output->pieces);
    wr_free(output);
}

// Reads "card,minute"; false: the job has the mistake.
static bool output_take_identity(struct wr_test_output *output, weir_stream in, const char *name,
                                 const char *identity)
{
    for (const char *at = identity; at != NULL && *at != 0;) {
        const size_t      length = strcspn(at, ",");
        char             *text   = strndup(at, length);
        const weir_field *field  = weir_type_field(output->type, text);
        if (field == NULL) {
            (void)wr_job_refuse(in.job, "%s: its identity has the field \"%s\", which %s has not",
                                name, text, output->type->name);
            free(text);
            return false;
        }
        free(text);
        const uint32_t at_field    = output->identity_count++;
        output->identity           = wr_realloc((void *)(uintptr_t)output->identity,
                                                output->identity_count * sizeof(weir_field *));
        output->identity[at_field] = field;
        at += length + (at[length] != 0);
    }
    if (output->identity_count == 0 && wr_stream_sends_changes(in)) {
        (void)wr_job_refuse(in.job,
                            "%s: its rows are corrected by later ones; give it the fields that "
                            "name a row of %s, \"a,b\"",
                            name, output->type->name);
        return false;
    }
    return true;
}

weir_stream weir_test_sink(weir_stream in, const char *name, const char *identity)
{
    const weir_type *type = wr_stream_type(in);
    if (type == NULL) {
        return (weir_stream){ .job = NULL }; // an earlier mistake
    }
    if (name == NULL) {
        return wr_job_refuse(in.job, "test sink: it has no name, by which a test finds it");
    }
    struct wr_test_output *output = wr_alloc(sizeof(*output));
    output->type                  = type;
    output->committed             = rows_open(output);
    if (!output_take_identity(output, in, name, identity)) {
        output_free(output);
        return (weir_stream){ .job = NULL };
    }
    return wr_job_add_sink(in, &test_sink_operator, name, output, NULL, 1, output_free);
}

static struct wr_test_output *node_output(const struct wr_graph_node *node)
{
    return node->spec.operator_ == &test_sink_operator
               ? (struct wr_test_output *)(uintptr_t)node->spec.options
               : NULL;
}

const char *wr_test_output_name(const weir_job *job, uint32_t index)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        if (node_output(job->nodes[i]) != NULL && index-- == 0) {
            return job->nodes[i]->spec.name;
        }
    }
    return NULL;
}

struct wr_test_output *wr_test_output_named(const weir_job *job, const char *name)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        if (node_output(job->nodes[i]) != NULL && strcmp(job->nodes[i]->spec.name, name) == 0) {
            return node_output(job->nodes[i]);
        }
    }
    return NULL;
}

#include "tests/support/external_sink.h"

#include "runtime/run/run.h"

#include <string.h>

struct rows {
    char    *bytes;
    uint32_t count, capacity;
};

struct external_node {
    struct wr_node node;
    struct rows    taken;      // since the last barrier
    struct rows    set_aside;  // handed to the coordinator's thread by the barrier
    void          *connection; // shared by all nodes of a run
};

static struct external *external_of(const struct wr_node *node)
{
    return *(struct external *const *)node->spec->options;
}

void external_init(struct external *external, uint32_t row_bytes)
{
    *external = (struct external){ .row_bytes = row_bytes, .next_token = 1 };
    (void)pthread_mutex_init(&external->lock, NULL);
}

void external_fini(struct external *external)
{
    for (uint32_t i = 0; i < external->piece_count; i++) {
        wr_free(external->pieces[i].rows);
    }
    wr_free(external->pieces);
    wr_free(external->rows);
    (void)pthread_mutex_destroy(&external->lock);
}

static void rows_add(struct rows *rows, const void *row, uint32_t bytes)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity * 2 + 64;
        rows->bytes    = wr_realloc(rows->bytes, (size_t)rows->capacity * bytes);
    }
    memcpy(rows->bytes + (size_t)rows->count++ * bytes, row, bytes);
}

static void *connection_open(struct wr_node *node, const void *options)
{
    (void)node;
    (void)options;
    return wr_alloc(1);
}

static void connection_close(struct wr_node *node, void *connection)
{
    (void)node;
    wr_free(connection);
}

static bool external_open(struct wr_node *node)
{
    struct external *external = external_of(node);
    (void)pthread_mutex_lock(&external->lock);
    const bool is_down = external->is_down;
    (void)pthread_mutex_unlock(&external->lock);
    if (is_down) {
        wr_node_fail_as(node, WEIR_UNREACHABLE, "the external system is down");
        return false;
    }
    ((struct external_node *)node)->connection = wr_node_share(
        node, &(struct wr_share){
                  .key = "external", .open = connection_open, .close = connection_close });
    return true;
}

static void external_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct external_node *sink = (struct external_node *)node;
    for (; inlet->next < inlet->count; inlet->next++) {
        rows_add(&sink->taken, wr_batch_row(inlet->batch, wr_inlet_row(inlet, inlet->next)),
                 external_of(node)->row_bytes);
    }
}

static bool external_barrier(struct wr_node *node, uint64_t barrier)
{
    struct external_node *sink = (struct external_node *)node;
    (void)barrier;
    WR_ASSERT(sink->set_aside.count == 0);
    const struct rows empty = sink->set_aside;
    sink->set_aside         = sink->taken;
    sink->taken             = empty;
    return true;
}

static bool external_prepare(struct wr_node *node, uint64_t checkpoint, struct wr_token *token,
                             struct wr_error *error)
{
    struct external_node *sink     = (struct external_node *)node;
    struct external      *external = external_of(node);
    (void)checkpoint;
    token->length = 0;
    if (sink->set_aside.count == 0) {
        return true;
    }
    (void)pthread_mutex_lock(&external->lock);
    if (external->prepare_fails_in > 0 && --external->prepare_fails_in == 0) {
        (void)pthread_mutex_unlock(&external->lock);
        (void)wr_error_set(error, WEIR_FULL, "the external system is full");
        return false;
    }
    if (external->piece_count == external->piece_capacity) {
        external->piece_capacity = external->piece_capacity * 2 + 64;
        external->pieces =
            wr_realloc(external->pieces, external->piece_capacity * sizeof(*external->pieces));
    }
    const size_t           bytes = (size_t)sink->set_aside.count * external->row_bytes;
    struct external_piece *piece = &external->pieces[external->piece_count++];
    *piece                       = (struct external_piece){ .token     = external->next_token++,
                                                            .row_count = sink->set_aside.count,
                                                            .rows      = wr_alloc(bytes) };
    memcpy(piece->rows, sink->set_aside.bytes, bytes);
    token->length = sizeof(piece->token);
    memcpy(token->bytes, &piece->token, sizeof(piece->token));
    (void)pthread_mutex_unlock(&external->lock);
    sink->set_aside.count = 0;
    return true;
}

// Under the lock.
static void piece_commit(struct external *external, struct external_piece *piece)
{
    if (piece->is_committed) {
        return;
    }
    if (external->row_count + piece->row_count > external->row_capacity) {
        external->row_capacity = (external->row_count + piece->row_count) * 2;
        external->rows = wr_realloc(external->rows, external->row_capacity * external->row_bytes);
    }
    memcpy(external->rows + external->row_count * external->row_bytes, piece->rows,
           (size_t)piece->row_count * external->row_bytes);
    external->row_count += piece->row_count;
    piece->is_committed = true;
}

static struct external_piece *piece_of(struct external *external, const struct wr_token *token)
{
    uint64_t number = 0;
    WR_ASSERT(token->length == sizeof(number));
    memcpy(&number, token->bytes, sizeof(number));
    for (uint32_t i = 0; i < external->piece_count; i++) {
        if (external->pieces[i].token == number) {
            return &external->pieces[i];
        }
    }
    return NULL;
}

static bool external_commit(struct wr_node *node, const struct wr_token *token,
                            struct wr_error *error)
{
    struct external *external = external_of(node);
    (void)pthread_mutex_lock(&external->lock);
    const bool fails = external->fails_in > 0 && --external->fails_in == 0;
    if (!fails) {
        struct external_piece *piece = piece_of(external, token);
        WR_ASSERT(piece != NULL);
        piece_commit(external, piece);
    }
    (void)pthread_mutex_unlock(&external->lock);
    if (fails) {
        (void)wr_error_set(error, WEIR_UNREACHABLE, "the external system is down");
    }
    return !fails;
}

static bool external_recover(struct wr_node *node, const struct wr_token *tokens, uint32_t count,
                             struct wr_error *error)
{
    struct external *external = external_of(node);
    (void)error;
    (void)pthread_mutex_lock(&external->lock);
    external->recoveries++;
    for (uint32_t i = 0; i < count; i++) {
        struct external_piece *piece = piece_of(external, &tokens[i]);
        WR_ASSERT(piece != NULL); // what a checkpoint names is there
        external->committed_late += !piece->is_committed;
        piece_commit(external, piece);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < external->piece_count; i++) {
        if (external->pieces[i].is_committed) {
            external->pieces[kept++] = external->pieces[i];
        } else {
            external->withdrawn++;
            wr_free(external->pieces[i].rows);
        }
    }
    external->piece_count = kept;
    (void)pthread_mutex_unlock(&external->lock);
    return true;
}

static bool external_finish(struct wr_node *node)
{
    const struct external_node *sink  = (const struct external_node *)node;
    struct wr_error             error = { .status = WEIR_OK };
    struct wr_token             token;
    if (node->task->capturing == NULL) { // a run without checkpoints shows all at its end
        (void)external_barrier(node, 1);
        (void)external_prepare(node, 1, &token, &error);
        return token.length == 0 || external_commit(node, &token, &error);
    }
    // The final checkpoint was the last: nothing came behind it.
    WR_ASSERT(sink->taken.count == 0 && sink->set_aside.count == 0);
    return true;
}

static void external_close(struct wr_node *node)
{
    struct external_node *sink = (struct external_node *)node;
    wr_node_unshare(node, sink->connection);
    wr_free(sink->taken.bytes);
    wr_free(sink->set_aside.bytes);
}

static const struct wr_committer external_committer = {
    .prepare = external_prepare,
    .commit  = external_commit,
    .recover = external_recover,
};

static const struct wr_operator external_operator = {
    .verb       = "external sink",
    .node_bytes = sizeof(struct external_node),
    .open       = external_open,
    .close      = external_close,
    .rows       = external_rows,
    .barrier    = external_barrier,
    .finish     = external_finish,
    .committer  = &external_committer,
};

weir_stream external_sink(weir_stream in, const char *name, struct external *external)
{
    struct external **options = wr_alloc(sizeof(*options));
    *options                  = external;
    return wr_job_add_sink(in, &external_operator, name, options, NULL, 0, wr_free);
}

// What sinks have set aside at a barrier: prepared, named in the checkpoint, shown when that is
// durable; after a crash settled by what the checkpoint names.
#include "runtime/run/coordinating.h"

#include "runtime/run/indexing.h"
#include "runtime/run/restore.h"

#include <stdio.h>

static void node_fail(struct wr_node *node, struct wr_error *error)
{
    wr_node_fail_as(node, error->status, "%s", error->sentence);
    wr_error_fini(error);
}

static bool node_prepare(struct wr_coordinator *coordinator, struct wr_node *node,
                         uint64_t checkpoint)
{
    struct prepared *prepared = wr_alloc(sizeof(*prepared));
    struct wr_error  error    = { .status = WEIR_OK };
    prepared->node            = node;
    prepared->checkpoint      = checkpoint;
    prepared->task            = node->task->number;
    if (!node->ops->committer->prepare(node, checkpoint, &prepared->token, &error)) {
        wr_free(prepared);
        node_fail(node, &error);
        return false;
    }
    if (prepared->token.length == 0) {
        wr_free(prepared);
    } else {
        struct prepared **last = &coordinator->prepared; // in the order of checkpoints
        while (*last != NULL) {
            last = &(*last)->next;
        }
        *last = prepared;
    }
    // Pairs with the acquire in node_pass_barrier.
    __atomic_store_n(&node->is_setting_aside, 0, __ATOMIC_RELEASE);
    wr_node_wake_any(node->park);
    return true;
}

bool wr_prepared_take(struct wr_coordinator *coordinator, const struct wr_task *task,
                      uint64_t checkpoint)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        struct wr_node *node = task->nodes[i];
        if (node->ops->committer != NULL && !node_prepare(coordinator, node, checkpoint)) {
            return false;
        }
    }
    return true;
}

bool wr_prepared_commit(struct wr_coordinator *coordinator, uint64_t checkpoint)
{
    struct prepared **at = &coordinator->prepared;
    while (*at != NULL) {
        struct prepared *prepared = *at;
        struct wr_error  error    = { .status = WEIR_OK };
        if (prepared->checkpoint > checkpoint) {
            at = &prepared->next;
            continue;
        }
        struct wr_node *node = prepared->node;
        if (!node->ops->committer->commit(node, &prepared->token, &error)) {
            node_fail(node, &error);
            return false;
        }
        *at = prepared->next;
        wr_free(prepared);
    }
    return true;
}

void wr_prepared_note(const struct wr_coordinator *coordinator, const struct wr_task *task,
                      struct wr_index *index)
{
    for (const struct prepared *prepared = coordinator->prepared; prepared != NULL;
         prepared                        = prepared->next) {
        if (prepared->node->task == task) {
            char key[40];
            (void)snprintf(key, sizeof(key), "%llu/%u", (unsigned long long)prepared->checkpoint,
                           prepared->task);
            wr_index_add_cell(index, prepared->node->spec->name, WR_TOKEN_CELL, key,
                              prepared->token.bytes, prepared->token.length);
        }
    }
}

void wr_prepared_move(struct wr_coordinator *coordinator, const struct wr_generation *next)
{
    for (struct prepared *at = coordinator->prepared; at != NULL; at = at->next) {
        at->node = wr_generation_first_node(next, at->node->spec->name);
        WR_ASSERT(at->node != NULL); // both are of one job
    }
}

void wr_prepared_close(struct wr_coordinator *coordinator)
{
    while (coordinator->prepared != NULL) {
        struct prepared *next = coordinator->prepared->next;
        wr_free(coordinator->prepared);
        coordinator->prepared = next;
    }
}

// ---- after a crash ----

static bool operator_recover(struct wr_node *node, const struct wr_store *store)
{
    uint32_t         count   = 0;
    struct wr_error  error   = { .status = WEIR_OK };
    struct wr_token *tokens  = wr_restore_tokens(store, node->spec->name, &count);
    const bool       is_good = node->ops->committer->recover(node, tokens, count, &error);
    wr_free(tokens);
    if (!is_good) {
        node_fail(node, &error);
    }
    return is_good;
}

void wr_prepared_recover(const struct weir_run *run, const struct wr_store *store)
{
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        for (uint32_t k = 0; k < run->now->tasks[i]->node_count; k++) {
            struct wr_node *node = run->now->tasks[i]->nodes[k];
            if (wr_run_has_failed_any(run) ||
                (node->ops->committer != NULL && node->instance == 0 &&
                 !operator_recover(node, store))) {
                return;
            }
        }
    }
}

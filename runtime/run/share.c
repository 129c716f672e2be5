// share: what several nodes of a run use together, such as a log that a process may open only once.
//
// Operators are opened before any of them runs, so what is shared is open until the last of its
// users gives it back; later ones would open it anew.
//
// Thread rule: the list and its counts are guarded by the run's `sharing`, which is also held while
// something is opened or closed. What is shared has a thread rule of its own.
#include "runtime/run/run.h"

#include <string.h>

struct wr_shared {
    struct wr_shared *next;
    char             *key;
    void             *resource;
    uint32_t          users;
    void (*close)(struct wr_node *node, void *resource);
};

static struct wr_shared *shared_open(struct wr_node *node, const struct wr_share *share)
{
    void *resource = share->open(node, share->options);
    if (resource == NULL) {
        return NULL;
    }
    struct wr_shared *shared = wr_alloc(sizeof(*shared));
    shared->key              = wr_copy_text(share->key);
    shared->resource         = resource;
    shared->close            = share->close;
    shared->next             = node->task->run->shared;
    node->task->run->shared  = shared;
    return shared;
}

void *wr_node_share(struct wr_node *node, const struct wr_share *share)
{
    struct weir_run *run = node->task->run;
    (void)pthread_mutex_lock(&run->sharing);
    struct wr_shared *found = run->shared;
    while (found != NULL && strcmp(found->key, share->key) != 0) {
        found = found->next;
    }
    if (found == NULL) {
        found = shared_open(node, share);
    }
    if (found != NULL) {
        found->users++;
    }
    (void)pthread_mutex_unlock(&run->sharing);
    return found != NULL ? found->resource : NULL;
}

void wr_node_unshare(struct wr_node *node, void *resource)
{
    struct weir_run *run = node->task->run;
    if (resource == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&run->sharing);
    struct wr_shared **at = &run->shared;
    while (*at != NULL && (*at)->resource != resource) {
        at = &(*at)->next;
    }
    struct wr_shared *found = *at;
    WR_ASSERT(found != NULL && found->users > 0);
    if (--found->users == 0) {
        *at = found->next;
        found->close(node, resource);
        wr_free(found->key);
        wr_free(found);
    }
    (void)pthread_mutex_unlock(&run->sharing);
}

#include "connectors/log/shared_log.h"

#include "log/catalog.h"
#include "log/consumers.h"
#include "log/decisions.h"

// ---- logs ----

struct log_wish {
    const char             *directory;
    const weir_log_options *writing; // NULL: to read
};

static void *log_open(struct wr_node *node, const void *options)
{
    static const weir_log_options reading = { .writes = false };
    const struct log_wish        *wish    = options;
    const weir_log_options       *how     = wish->writing != NULL ? wish->writing : &reading;
    weir_log                     *log     = NULL;
    const weir_status status = wr_log_open_in(node->environment, wish->directory, how, &log);
    if (status == WEIR_OK) {
        return log;
    }
    wr_node_fail_as(node, status, "%s",
                    log != NULL ? weir_log_error(log) : weir_status_sentence(status));
    if (log != NULL) {
        (void)weir_log_close(log);
    }
    return NULL;
}

static void log_close(struct wr_node *node, void *resource)
{
    const weir_status status = weir_log_close(resource);
    if (status != WEIR_OK) {
        wr_node_fail_as(node, status, "the log could not be closed as it should: %s",
                        weir_status_sentence(status));
    }
}

weir_log *wr_shared_log(struct wr_node *node, const char *directory,
                        const weir_log_options *writing)
{
    char *key = wr_format("log %s %s", writing != NULL ? "writing" : "reading", directory);
    const struct log_wish wish   = { directory, writing };
    void                 *shared = wr_node_share(node, &(struct wr_share){
                                                           .key     = key,
                                                           .open    = log_open,
                                                           .close   = log_close,
                                                           .options = &wish,
                                       });
    wr_free(key);
    return shared;
}

// ---- decisions ----

static void *decisions_open(struct wr_node *node, const void *log)
{
    struct wr_decisions *decided = wr_alloc(sizeof(*decided));
    (void)node;
    wr_transactions_copy((weir_log *)(uintptr_t)log, decided);
    return decided;
}

static void decisions_close(struct wr_node *node, void *resource)
{
    (void)node;
    wr_decisions_fini(resource);
    wr_free(resource);
}

struct wr_decisions *wr_shared_decisions(struct wr_node *node, weir_log *log)
{
    char *key    = wr_format("log decisions %s", log->directory);
    void *shared = wr_node_share(node, &(struct wr_share){
                                           .key     = key,
                                           .open    = decisions_open,
                                           .close   = decisions_close,
                                           .options = log,
                                       });
    wr_free(key);
    return shared;
}

// ---- consumers ----

struct wr_shared_consumer {
    pthread_mutex_t     lock; // guards the rest
    struct wr_consumer *consumer;
    struct wr_topic    *topic;
    uint32_t           *partitions; // those that were reached
    uint64_t           *offsets, *cuts;
    uint32_t            count;
    bool                has_news;
    int64_t             committed_us;
};

struct consumer_wish {
    weir_log   *log;
    const char *consumer, *topic;
};

static void *consumer_open(struct wr_node *node, const void *options)
{
    const struct consumer_wish *wish     = options;
    struct wr_log_error         error    = { WEIR_OK, NULL };
    struct wr_consumer         *consumer = NULL;
    struct wr_shared_consumer  *shared   = NULL;
    struct wr_topic            *topic    = wr_catalog_topic(wish->log, wish->topic, &error);
    if (topic != NULL &&
        wr_consumer_take(wish->log, wish->consumer, &consumer, &error) == WEIR_OK) {
        shared               = wr_alloc(sizeof(*shared));
        shared->consumer     = consumer;
        shared->topic        = topic;
        shared->partitions   = wr_alloc(topic->settings.partitions * sizeof(uint32_t));
        shared->offsets      = wr_alloc(topic->settings.partitions * sizeof(uint64_t));
        shared->cuts         = wr_alloc(topic->settings.partitions * sizeof(uint64_t));
        shared->committed_us = wr_now_us(node->environment);
        (void)pthread_mutex_init(&shared->lock, NULL);
    } else {
        wr_node_fail_as(node, error.status, "%s", error.sentence);
    }
    wr_log_error_fini(&error);
    return shared;
}

static void consumer_close(struct wr_node *node, void *resource)
{
    struct wr_shared_consumer *shared = resource;
    if (!wr_node_has_failed(node)) {
        (void)wr_shared_consumer_commit(shared, node, 0);
    }
    wr_consumer_give(shared->consumer);
    (void)pthread_mutex_destroy(&shared->lock);
    wr_free(shared->partitions);
    wr_free(shared->offsets);
    wr_free(shared->cuts);
    wr_free(shared);
}

struct wr_shared_consumer *wr_shared_consumer(struct wr_node *node, weir_log *log,
                                              const char *consumer, const char *topic)
{
    char *key = wr_format("log consumer %s of %s in %s", consumer, topic, log->directory);
    const struct consumer_wish wish   = { log, consumer, topic };
    void                      *shared = wr_node_share(node, &(struct wr_share){
                                                                .key     = key,
                                                                .open    = consumer_open,
                                                                .close   = consumer_close,
                                                                .options = &wish,
                                       });
    wr_free(key);
    return shared;
}

bool wr_shared_consumer_offset(struct wr_shared_consumer *consumer, uint32_t partition,
                               uint64_t *offset, uint64_t *cut)
{
    (void)pthread_mutex_lock(&consumer->lock);
    const bool is_known =
        wr_consumer_offset(consumer->consumer, consumer->topic, partition, offset, cut);
    (void)pthread_mutex_unlock(&consumer->lock);
    return is_known;
}

void wr_shared_consumer_reach(struct wr_shared_consumer *consumer, uint32_t partition,
                              uint64_t offset, uint64_t cut)
{
    (void)pthread_mutex_lock(&consumer->lock);
    uint32_t at = 0;
    while (at < consumer->count && consumer->partitions[at] != partition) {
        at++;
    }
    if (at == consumer->count) {
        WR_ASSERT(at < consumer->topic->settings.partitions);
        consumer->partitions[consumer->count++] = partition;
        consumer->offsets[at]                   = UINT64_MAX;
    }
    consumer->has_news |= consumer->offsets[at] != offset || consumer->cuts[at] != cut;
    consumer->offsets[at] = offset;
    consumer->cuts[at]    = cut;
    (void)pthread_mutex_unlock(&consumer->lock);
}

bool wr_shared_consumer_commit(struct wr_shared_consumer *consumer, struct wr_node *node,
                               int64_t every_us)
{
    struct wr_log_error error  = { WEIR_OK, NULL };
    weir_status         status = WEIR_OK;
    (void)pthread_mutex_lock(&consumer->lock);
    const int64_t now_us = wr_now_us(node->environment);
    if (consumer->has_news && now_us - consumer->committed_us >= every_us) {
        status = wr_consumer_commit(consumer->consumer, consumer->topic, consumer->partitions,
                                    consumer->offsets, consumer->cuts, consumer->count, &error);
        consumer->has_news     = status != WEIR_OK;
        consumer->committed_us = now_us;
    }
    (void)pthread_mutex_unlock(&consumer->lock);
    if (status != WEIR_OK) {
        wr_node_fail_as(node, status, "%s", error.sentence);
    }
    wr_log_error_fini(&error);
    return status == WEIR_OK;
}

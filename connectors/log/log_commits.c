#include "connectors/log/log_commits.h"

#include "connectors/text/text.h"
#include "log/prepared.h"

#include <stdio.h>
#include <string.h>

// ---- names ----

#define NAME_PART_BYTES 80u // of a job's or an operator's name; the hash tells the rest apart

static int part_length(const char *name)
{
    const size_t length = strlen(name);
    return (int)wr_text_utf8_valid(name, length < NAME_PART_BYTES ? length : NAME_PART_BYTES);
}

static char *prefix_of(const struct wr_node *node)
{
    const char    *job    = wr_node_job(node);
    const char    *name   = node->spec->name;
    const uint64_t hash   = wr_hash_bytes(name, strlen(name), wr_hash_bytes(job, strlen(job), 0));
    const int      length = part_length(job);
    return wr_format("%.*s.%.*s.%016llx.", length, job, part_length(name), name,
                     (unsigned long long)hash);
}

static char *name_of(const struct wr_log_commits *commits, uint32_t handle)
{
    return wr_format("%s%u.%u.%u", commits->prefix, commits->generation, commits->instance, handle);
}

// ---- opening and closing ----

static bool open_fail(struct wr_node *node, const weir_transaction *transaction, weir_status status)
{
    wr_node_fail_as(node, status, "%s", weir_transaction_error(transaction));
    return false;
}

bool wr_log_commits_open(struct wr_log_commits *commits, struct wr_node *node, weir_log *log,
                         weir_producer *producer)
{
    *commits = (struct wr_log_commits){ .log        = log,
                                        .producer   = producer,
                                        .prefix     = prefix_of(node),
                                        .instance   = node->instance,
                                        .generation = wr_node_generation(node) };
    for (uint32_t i = 0; i < 2; i++) {
        char             *name   = name_of(commits, i);
        const weir_status status = weir_transaction_open(log, name, &commits->handles[i]);
        wr_free(name);
        if (status != WEIR_OK) {
            return open_fail(node, commits->handles[i], status);
        }
    }
    const weir_status status = weir_transaction_begin(commits->handles[0]);
    if (status != WEIR_OK) {
        return open_fail(node, commits->handles[0], status);
    }
    (void)weir_producer_join(producer, commits->handles[0]);
    return true;
}

void wr_log_commits_close(struct wr_log_commits *commits)
{
    weir_transaction_close(commits->handles[0]);
    weir_transaction_close(commits->handles[1]);
    wr_free(commits->prefix);
    *commits = (struct wr_log_commits){ .log = NULL };
}

// ---- checkpoints ----

weir_status wr_log_commits_set_aside(struct wr_log_commits *commits)
{
    const uint32_t    next   = 1 - commits->taking;
    const weir_status status = weir_transaction_begin(commits->handles[next]);
    if (status == WEIR_OK) {
        (void)weir_producer_join(commits->producer, commits->handles[next]);
        commits->taking    = next;
        commits->has_aside = true;
    }
    return status;
}

bool wr_log_commits_prepare(struct wr_log_commits *commits, struct wr_token *token,
                            struct wr_error *error)
{
    uint64_t id   = 0;
    token->length = 0;
    if (!commits->has_aside) {
        return true;
    }
    const uint32_t    number = 1 - commits->taking;
    weir_transaction *aside  = commits->handles[number];
    const weir_status status = weir_transaction_prepare(aside, &id);
    if (status != WEIR_OK) {
        (void)wr_error_set(error, status, "%s", weir_transaction_error(aside));
        return false;
    }
    commits->has_aside = false;

    char     *name = name_of(commits, number);
    const int length =
        snprintf(token->bytes, sizeof(token->bytes), "%llu %s", (unsigned long long)id, name);
    wr_free(name);
    WR_ASSERT(length > 0 && (size_t)length < sizeof(token->bytes));
    token->length = (uint32_t)length;
    return true;
}

static uint64_t id_of(const struct wr_token *token)
{
    uint64_t id = 0;
    for (uint32_t i = 0; i < token->length && token->bytes[i] != ' '; i++) {
        id = id * 10 + (uint64_t)(token->bytes[i] - '0');
    }
    return id;
}

static bool resolve(const struct wr_log_commits *commits, uint64_t id, bool is_commit,
                    struct wr_error *error)
{
    struct wr_log_error why    = { WEIR_OK, NULL };
    const weir_status   status = wr_transactions_resolve(commits->log, id, is_commit, &why);
    if (status != WEIR_OK) {
        (void)wr_error_set(error, status, "%s", why.sentence);
    }
    wr_log_error_fini(&why);
    return status == WEIR_OK;
}

bool wr_log_commits_commit(const struct wr_log_commits *commits, const struct wr_token *token,
                           struct wr_error *error)
{
    return token->length == 0 || resolve(commits, id_of(token), true, error);
}

struct withdrawal {
    const struct wr_log_commits *commits;
    struct wr_error             *error;
    bool                         has_failed;
};

static void withdraw(void *opaque, uint64_t id, const char *name)
{
    struct withdrawal *withdrawal = opaque;
    (void)name;
    if (!withdrawal->has_failed) {
        withdrawal->has_failed = !resolve(withdrawal->commits, id, false, withdrawal->error);
    }
}

bool wr_log_commits_recover(const struct wr_log_commits *commits, const struct wr_token *tokens,
                            uint32_t count, struct wr_error *error)
{
    struct withdrawal withdrawal = { .commits = commits, .error = error };
    for (uint32_t i = 0; i < count; i++) {
        if (!wr_log_commits_commit(commits, &tokens[i], error)) {
            return false;
        }
    }
    (void)wr_transactions_each_prepared(commits->log, commits->prefix, withdraw, &withdrawal);
    return !withdrawal.has_failed;
}

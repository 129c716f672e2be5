#include "log/commit.h"
#include "log/deciding.h"

// The least offset at which a prepared transaction of an earlier process may be, as it was found.
struct wr_inherited {
    const struct wr_partition *partition;
    uint64_t                   from;
    uint64_t                   version;
};

static bool is_begun_here(const struct wr_transactions *transactions, uint64_t number)
{
    const struct wr_begun *begun = transactions->begun;
    while (begun != NULL && begun->number != number) {
        begun = begun->next;
    }
    return begun != NULL;
}

// The prepared numbers of earlier processes (wr_alloc'ed).
static uint64_t *inherited_numbers(const struct wr_transactions *transactions, uint32_t *count)
{
    const struct wr_decisions *decisions = &transactions->decisions;
    uint64_t                  *numbers   = wr_alloc((decisions->count + 1) * sizeof(*numbers));
    *count                               = 0;
    for (uint32_t i = 0; i < decisions->count; i++) {
        if (decisions->ranges[i].verdict == WR_VERDICT_PREPARED &&
            !is_begun_here(transactions, decisions->ranges[i].first)) {
            numbers[(*count)++] = decisions->ranges[i].first;
        }
    }
    return numbers;
}

// Whether the batch at hand belongs to one of the transactions.
static bool is_one_of(uint64_t number, const uint64_t *numbers, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && numbers[i] != number) {
        i++;
    }
    return i < count;
}

// Reads a partition for the first batch of one of the transactions. UINT64_MAX: none.
static weir_status find_batch(struct wr_partition *partition, const uint64_t *numbers,
                              uint32_t count, uint64_t *offset, struct wr_log_error *error)
{
    struct wr_partition_reader reader;
    weir_status                status = WEIR_OK;
    enum wr_partition_state    state  = WR_PARTITION_FAILED;
    *offset                           = UINT64_MAX;
    if (wr_partition_reader_init(&reader, partition->topic->log, partition->topic,
                                 partition->number, 0)) {
        reader.reads_uncommitted = true;
        while (*offset == UINT64_MAX &&
               (state = wr_partition_reader_next(&reader)) == WR_PARTITION_BATCH) {
            if (is_one_of(reader.header.transaction, numbers, count)) {
                *offset = reader.header.base_offset;
            }
            wr_partition_reader_pass(&reader);
        }
    }
    if (state == WR_PARTITION_FAILED) {
        status = wr_log_fail(error, reader.error.status, "%s", reader.error.sentence);
    }
    wr_partition_reader_fini(&reader);
    return status;
}

// What find_batch found the last time, if nothing has been resolved since.
static struct wr_inherited *inherited_at(struct wr_transactions    *transactions,
                                         const struct wr_partition *partition)
{
    for (uint32_t i = 0; i < transactions->inherited_count; i++) {
        if (transactions->inherited[i].partition == partition) {
            return &transactions->inherited[i];
        }
    }
    transactions->inherited =
        wr_realloc(transactions->inherited,
                   (transactions->inherited_count + 1) * sizeof(*transactions->inherited));
    struct wr_inherited *added = &transactions->inherited[transactions->inherited_count++];
    *added = (struct wr_inherited){ .partition = partition, .version = UINT64_MAX };
    return added;
}

static uint64_t least_begun_here(const struct wr_transactions *transactions,
                                 const struct wr_partition    *partition)
{
    uint64_t least = UINT64_MAX;
    for (const struct wr_begun *begun = transactions->begun; begun != NULL; begun = begun->next) {
        for (uint32_t i = 0; i < begun->touched_count; i++) {
            if (begun->touched[i].partition == partition && begun->touched[i].from < least) {
                least = begun->touched[i].from;
            }
        }
    }
    return least;
}

// Whether it is known what earlier processes left undecided.
static bool is_known_yet(struct wr_transactions *transactions)
{
    if (transactions == NULL) {
        return false;
    }
    wr_transactions_lock(transactions);
    const bool is_known = transactions->is_known;
    wr_transactions_unlock(transactions);
    return is_known;
}

weir_status wr_transactions_least_undecided(struct wr_partition *partition, uint64_t *offset,
                                            struct wr_log_error *error)
{
    struct wr_transactions *transactions = partition->topic->log->transactions;
    uint32_t                count        = 0;
    weir_status             status       = WEIR_OK;
    *offset                              = UINT64_MAX;
    if (!is_known_yet(transactions)) {
        return wr_log_fail(error, WEIR_CONFLICT,
                           "log %s: topic %s partition %u: nothing of it may go before the log is "
                           "open and its transactions are known; try again then",
                           partition->topic->log->directory, partition->topic->settings.name,
                           partition->number);
    }
    wr_transactions_lock(transactions);
    const uint64_t  here    = least_begun_here(transactions, partition);
    uint64_t *const numbers = inherited_numbers(transactions, &count);
    const uint64_t  version = transactions->version;
    const bool is_known  = count == 0 || inherited_at(transactions, partition)->version == version;
    uint64_t   inherited = count == 0 ? UINT64_MAX : inherited_at(transactions, partition)->from;
    wr_transactions_unlock(transactions);
    if (!is_known) {
        status = find_batch(partition, numbers, count, &inherited, error);
    }
    if (!is_known && status == WEIR_OK) {
        wr_transactions_lock(transactions);
        struct wr_inherited *found = inherited_at(transactions, partition);
        found->from                = inherited;
        found->version             = version;
        wr_transactions_unlock(transactions);
    }
    wr_free(numbers);
    *offset = here < inherited ? here : inherited;
    return status;
}

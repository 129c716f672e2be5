// Truncation by hand. It never goes through a transaction that is not decided: half of it would be
// gone when it commits.
#include "log/upkeep.h"

#include "log/partition_reader.h"
#include "log/seek.h"
#include "log/transactions.h"

typedef unsigned long long number; // for printing

// One truncation.
struct truncation {
    struct wr_partition *partition;
    uint64_t             offset;
    bool                 takes_before; // else: from the offset on
    struct wr_log_error  error;
};

static weir_status truncation_fail(struct truncation *truncation, weir_status status,
                                   const char *what)
{
    const struct wr_partition *partition = truncation->partition;
    return wr_log_fail(&truncation->error, status,
                       "log %s: topic %s partition %u: cannot truncate %s offset %llu: %s",
                       partition->topic->log->directory, partition->topic->settings.name,
                       partition->number, truncation->takes_before ? "before" : "from",
                       (number)truncation->offset, what);
}

// The first offset at or after `from` that is of an undecided transaction, of what there is to read
// now; else the end of that.
static weir_status find_undecided(struct truncation *truncation, uint64_t from, uint64_t *offset,
                                  uint64_t *end)
{
    struct wr_partition_reader scout;
    struct wr_decisions        decided;
    struct wr_partition       *partition = truncation->partition;
    struct wr_topic           *topic     = partition->topic;
    weir_status                status;
    wr_transactions_copy(topic->log, &decided);
    if (wr_partition_reader_init(&scout, topic->log, topic, partition->number, 0)) {
        *end   = scout.known.readable;
        status = wr_seek_committed_end(&scout, from, &decided, false, offset);
    } else {
        status = scout.error.status;
    }
    if (status != WEIR_OK) {
        (void)wr_log_fail(&truncation->error, status, "%s", scout.error.sentence);
    }
    wr_partition_reader_fini(&scout);
    wr_decisions_fini(&decided);
    return status;
}

static weir_status judge_range(struct truncation *truncation, uint64_t first, uint64_t end)
{
    if (truncation->offset <= end && (truncation->takes_before || truncation->offset >= first)) {
        return WEIR_OK;
    }
    char *sentence =
        wr_format("its records are those from offset %llu up to %llu", (number)first, (number)end);
    const weir_status status = truncation_fail(truncation, WEIR_USAGE, sentence);
    wr_free(sentence);
    return status;
}

static weir_status judge_undecided(struct truncation *truncation, uint64_t undecided, uint64_t end)
{
    const bool is_cut = truncation->takes_before ? undecided < truncation->offset : undecided < end;
    if (!is_cut) {
        return WEIR_OK;
    }
    char *sentence = wr_format("offset %llu belongs to a transaction that is open or prepared; "
                               "commit or abort it first",
                               (number)undecided);
    const weir_status status = truncation_fail(truncation, WEIR_CONFLICT, sentence);
    wr_free(sentence);
    return status;
}

// Under the commit lock.
static weir_status truncation_carry_out(struct truncation   *truncation,
                                        struct wr_leftovers *leftovers)
{
    struct wr_partition *partition = truncation->partition;
    return truncation->takes_before
               ? wr_partition_drop_before(partition, truncation->offset, leftovers,
                                          &truncation->error)
               : wr_partition_cut(partition, truncation->offset, &truncation->error);
}

// Looks for transactions beside the committer, and again if it has written meanwhile.
static weir_status truncation_run(struct truncation *truncation)
{
    struct wr_partition *partition = truncation->partition;
    struct wr_commit    *commit    = partition->topic->log->commit;
    for (;;) {
        wr_commit_enter(commit);
        const uint64_t first = partition->start.first_offset;
        const uint64_t ended = partition->next_offset;
        wr_commit_leave(commit);
        uint64_t    undecided, end;
        weir_status status = judge_range(truncation, first, ended);
        if (status == WEIR_OK) {
            status =
                find_undecided(truncation, truncation->takes_before ? first : truncation->offset,
                               &undecided, &end);
        }
        if (status == WEIR_OK) {
            status = judge_undecided(truncation, undecided, end);
        }
        if (status != WEIR_OK) {
            return status;
        }
        if (!wr_upkeep_begin_step(partition, &truncation->error)) {
            return truncation->error.status;
        }
        struct wr_leftovers leftovers = { .bases = NULL };
        const bool          is_same   = partition->next_offset == end || truncation->takes_before;
        status = is_same ? truncation_carry_out(truncation, &leftovers) : WEIR_OK;
        status = wr_upkeep_end_step(partition, status, &truncation->error);
        status = wr_upkeep_clear(partition, status, &leftovers, &truncation->error);
        if (is_same) {
            wr_live_wake_any(partition->topic->live); // readers are told at once
            return status;
        }
    }
}

static weir_status truncate_topic(weir_log *log, const char *name, uint32_t number_of,
                                  uint64_t offset, bool takes_before)
{
    struct truncation truncation = { .offset = offset, .takes_before = takes_before };
    struct wr_topic  *topic      = wr_upkeep_topic(log, name, &truncation.error);
    weir_status       status     = topic != NULL ? WEIR_OK : truncation.error.status;
    if (status == WEIR_OK && number_of >= topic->settings.partitions) {
        status = wr_log_fail(&truncation.error, WEIR_NOT_FOUND,
                             "log %s: topic %s has no partition %u; it has %u, counted from 0",
                             log->directory, name, number_of, topic->settings.partitions);
    }
    if (status == WEIR_OK) {
        truncation.partition = topic->partitions[number_of];
        wr_upkeep_enter(log);
        status = truncation_run(&truncation);
        wr_upkeep_leave(log);
    }
    return status == WEIR_OK ? WEIR_OK : wr_log_keep(log, &truncation.error);
}

weir_status weir_log_truncate_before(weir_log *log, const char *topic, uint32_t partition,
                                     uint64_t offset)
{
    return truncate_topic(log, topic, partition, offset, true);
}

weir_status weir_log_truncate_from(weir_log *log, const char *topic, uint32_t partition,
                                   uint64_t offset)
{
    return truncate_topic(log, topic, partition, offset, false);
}

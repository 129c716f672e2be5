// Reading a run's counters: while it lasts from its nodes, afterwards from what was kept of them.
#include "runtime/run/run.h"

struct tally_entry {
    char    *name;
    bool     is_source;
    uint64_t values[WR_COUNTER_COUNT];
};

struct wr_tally {
    struct tally_entry *entries; // one a node, in the tasks' order
    uint32_t            count;
};

static bool node_is_source(const struct wr_node *node) { return node->ops->poll != NULL; }

static bool is_meant(const char *wanted, const char *name, bool is_source)
{
    return wanted != NULL ? strcmp(wanted, name) == 0 : is_source;
}

// Adds one node's value to what was combined of those before it.
static uint64_t counter_combine(enum wr_counter counter, uint64_t combined, uint64_t value,
                                bool is_first)
{
    if (is_first) {
        return value;
    }
    if (counter == WR_WATERMARK) {
        return (int64_t)value < (int64_t)combined ? value : combined;
    }
    return combined + value;
}

uint64_t wr_run_counter_any(struct weir_run *run, const char *name, enum wr_counter counter)
{
    uint64_t combined = 0;
    bool     is_first = true;
    (void)pthread_mutex_lock(&run->counting);
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        for (uint32_t k = 0; k < run->now->tasks[i]->node_count; k++) {
            const struct wr_node *node = run->now->tasks[i]->nodes[k];
            if (is_meant(name, node->spec->name, node_is_source(node))) {
                const uint64_t value = wr_counter_read_any(node->counters, counter);
                combined             = counter_combine(counter, combined, value, is_first);
                is_first             = false;
            }
        }
    }
    (void)pthread_mutex_unlock(&run->counting);
    return combined;
}

struct wr_tally *wr_tally_open(const struct weir_run *run)
{
    struct wr_tally *tally = wr_alloc(sizeof(*tally));
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        tally->count += run->now->tasks[i]->node_count;
    }
    tally->entries            = wr_alloc(sizeof(*tally->entries) * (tally->count + 1));
    struct tally_entry *entry = tally->entries;
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        for (uint32_t k = 0; k < run->now->tasks[i]->node_count; k++, entry++) {
            const struct wr_node *node = run->now->tasks[i]->nodes[k];
            entry->name                = wr_copy_text(node->spec->name);
            entry->is_source           = node_is_source(node);
            memcpy(entry->values, node->counters->values, sizeof(entry->values));
        }
    }
    return tally;
}

void wr_tally_close(struct wr_tally *tally)
{
    if (tally == NULL) {
        return;
    }
    for (uint32_t i = 0; i < tally->count; i++) {
        wr_free(tally->entries[i].name);
    }
    wr_free(tally->entries);
    wr_free(tally);
}

uint64_t wr_tally_counter(const struct wr_tally *tally, const char *name, enum wr_counter counter)
{
    uint64_t combined = 0;
    bool     is_first = true;
    for (uint32_t i = 0; tally != NULL && i < tally->count; i++) {
        const struct tally_entry *entry = &tally->entries[i];
        if (is_meant(name, entry->name, entry->is_source)) {
            combined = counter_combine(counter, combined, entry->values[counter], is_first);
            is_first = false;
        }
    }
    return combined;
}

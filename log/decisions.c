#include "log/decisions.h"

#include "log/search.h"

#include <string.h>

static const weir_field decision_fields[] = {
    { "first", NULL, offsetof(struct wr_decision, first), 8, WEIR_KIND_U64, 1, NULL },
    { "end", NULL, offsetof(struct wr_decision, end), 8, WEIR_KIND_U64, 1, NULL },
    { "name", NULL, offsetof(struct wr_decision, name), 16, WEIR_KIND_STR, 1, NULL },
    { "verdict", NULL, offsetof(struct wr_decision, verdict), 4, WEIR_KIND_I32, 1, NULL },
};
const weir_type wr_decision_type = { "decision", decision_fields, WR_COUNT_OF(decision_fields),
                                     sizeof(struct wr_decision), _Alignof(struct wr_decision) };

void wr_decisions_init(struct wr_decisions *decisions) { memset(decisions, 0, sizeof(*decisions)); }

void wr_decisions_clear(struct wr_decisions *decisions)
{
    for (uint32_t i = 0; i < decisions->count; i++) {
        wr_free(decisions->ranges[i].name);
    }
    decisions->count = 0;
    decisions->top   = 0;
}

void wr_decisions_fini(struct wr_decisions *decisions)
{
    wr_decisions_clear(decisions);
    wr_free(decisions->ranges);
}

static bool range_is_before(const void *ranges, uint32_t i, const void *transaction)
{
    return ((const struct wr_decided_range *)ranges)[i].end <= *(const uint64_t *)transaction;
}

// The first range that ends behind the number; `count` if there is none.
static uint32_t range_at(const struct wr_decisions *decisions, uint64_t transaction)
{
    return wr_count_before(decisions->ranges, decisions->count, range_is_before, &transaction);
}

const struct wr_decided_range *wr_decisions_range(const struct wr_decisions *decisions,
                                                  uint64_t                   transaction)
{
    const uint32_t i = range_at(decisions, transaction);
    return i < decisions->count && decisions->ranges[i].first <= transaction ? &decisions->ranges[i]
                                                                             : NULL;
}

enum wr_verdict wr_decisions_verdict(const struct wr_decisions *decisions, uint64_t transaction)
{
    if (transaction >= decisions->top) {
        return WR_VERDICT_OPEN;
    }
    const struct wr_decided_range *range = wr_decisions_range(decisions, transaction);
    return range != NULL ? range->verdict : WR_VERDICT_COMMITTED;
}

// ---- changing the ranges ----

// Makes room for one more range at place `i`.
static struct wr_decided_range *ranges_insert(struct wr_decisions *decisions, uint32_t i)
{
    if (decisions->count == decisions->capacity) {
        decisions->capacity = decisions->capacity * 2 + 16;
        decisions->ranges =
            wr_realloc(decisions->ranges, decisions->capacity * sizeof(*decisions->ranges));
    }
    memmove(&decisions->ranges[i + 1], &decisions->ranges[i],
            (decisions->count - i) * sizeof(*decisions->ranges));
    decisions->count++;
    decisions->ranges[i] = (struct wr_decided_range){ .first = 0 };
    return &decisions->ranges[i];
}

static void ranges_remove(struct wr_decisions *decisions, uint32_t i)
{
    wr_free(decisions->ranges[i].name);
    decisions->count--;
    memmove(&decisions->ranges[i], &decisions->ranges[i + 1],
            (decisions->count - i) * sizeof(*decisions->ranges));
}

// Takes [first, end) out of all ranges: those numbers are committed then.
static void ranges_clear(struct wr_decisions *decisions, uint64_t first, uint64_t end)
{
    uint32_t i = range_at(decisions, first);
    while (i < decisions->count && decisions->ranges[i].first < end) {
        struct wr_decided_range *range = &decisions->ranges[i];
        if (range->first < first && range->end > end) {
            struct wr_decided_range *behind = ranges_insert(decisions, i + 1);
            range                           = &decisions->ranges[i];
            *behind    = (struct wr_decided_range){ end, range->end, range->verdict, NULL };
            range->end = first;
            return;
        }
        if (range->first < first) {
            range->end = first;
            i++;
        } else if (range->end > end) {
            range->first = end;
            return;
        } else {
            ranges_remove(decisions, i);
        }
    }
}

// Makes one of range `i` and the one after it, if they are alike and touch.
static void ranges_join(struct wr_decisions *decisions, uint32_t i)
{
    if (i + 1 >= decisions->count) {
        return;
    }
    struct wr_decided_range       *range = &decisions->ranges[i];
    const struct wr_decided_range *next  = range + 1;
    if (range->end == next->first && range->verdict == next->verdict &&
        range->verdict != WR_VERDICT_PREPARED) {
        range->end = next->end;
        ranges_remove(decisions, i + 1);
    }
}

static void ranges_add(struct wr_decisions *decisions, uint64_t first, uint64_t end,
                       enum wr_verdict verdict, const weir_str *name)
{
    const uint32_t           i     = range_at(decisions, first);
    struct wr_decided_range *range = ranges_insert(decisions, i);
    *range                         = (struct wr_decided_range){ first, end, verdict, NULL };
    if (verdict == WR_VERDICT_PREPARED) {
        range->name = wr_format("%.*s", (int)name->length, weir_str_bytes(name));
    }
    ranges_join(decisions, i);
    if (i > 0) {
        ranges_join(decisions, i - 1);
    }
}

bool wr_decisions_are_valid(const struct wr_decisions *decisions)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < decisions->count; i++) {
        const struct wr_decided_range *range       = &decisions->ranges[i];
        const bool                     is_prepared = range->verdict == WR_VERDICT_PREPARED;
        const bool                     touches_alike =
            i > 0 && end == range->first && !is_prepared && range[-1].verdict == range->verdict;
        if (range->first < end || range->end <= range->first || touches_alike ||
            is_prepared != (range->name != NULL) ||
            (is_prepared && range->end != range->first + 1)) {
            return false;
        }
        end = range->end;
    }
    return end <= decisions->top;
}

bool wr_decisions_apply(struct wr_decisions *decisions, const struct wr_decision *decision)
{
    const enum wr_verdict verdict = (enum wr_verdict)decision->verdict;
    if (decision->end <= decision->first || decision->verdict < WR_VERDICT_OPEN ||
        decision->verdict > WR_VERDICT_ABORTED ||
        (verdict == WR_VERDICT_PREPARED && decision->end != decision->first + 1)) {
        return false;
    }
    if (decision->first > decisions->top) { // those between were begun before it
        ranges_add(decisions, decisions->top, decision->first, WR_VERDICT_OPEN, NULL);
    }
    if (decision->end > decisions->top) {
        decisions->top = decision->end;
    }
    ranges_clear(decisions, decision->first, decision->end);
    if (verdict != WR_VERDICT_COMMITTED) {
        ranges_add(decisions, decision->first, decision->end, verdict, &decision->name);
    }
    WR_DEEP(wr_decisions_are_valid(decisions));
    return true;
}

// ---- the whole of it ----

// Adds the record of a run of numbers, unless it is empty.
static uint32_t records_add(struct wr_decision *records, uint32_t count, uint64_t first,
                            uint64_t end, enum wr_verdict verdict)
{
    if (first == end) {
        return count;
    }
    records[count] =
        (struct wr_decision){ .first = first, .end = end, .verdict = (int32_t)verdict };
    return count + 1;
}

struct wr_decision *wr_decisions_records(const struct wr_decisions *decisions, uint32_t *count)
{
    struct wr_decision *records = wr_alloc((2 * (size_t)decisions->count + 1) * sizeof(*records));
    uint64_t            end     = 0;
    uint32_t            n       = 0;
    for (uint32_t i = 0; i < decisions->count; i++) {
        const struct wr_decided_range *range = &decisions->ranges[i];
        n = records_add(records, n, end, range->first, WR_VERDICT_COMMITTED);
        n = records_add(records, n, range->first, range->end, range->verdict);
        if (range->name != NULL) {
            records[n - 1].name = weir_str_from(range->name);
        }
        end = range->end;
    }
    *count = records_add(records, n, end, decisions->top, WR_VERDICT_COMMITTED);
    return records;
}

void wr_decisions_forget_aborted(struct wr_decisions *decisions, uint64_t end)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < decisions->count; i++) {
        const struct wr_decided_range *range = &decisions->ranges[i];
        if (range->verdict != WR_VERDICT_ABORTED || range->end > end) {
            decisions->ranges[kept++] = *range;
        }
    }
    decisions->count = kept;
}

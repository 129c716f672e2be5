#include "tests/support/outside.h"

#include "runtime/base/base.h"

// ---- the system ----

void outside_init(struct outside *outside) { *outside = (struct outside){ .epoch = 0 }; }

static void request_clear(struct outside_request *request)
{
    wr_free(request->values);
    *request = (struct outside_request){ .is_there = false };
}

void outside_fini(struct outside *outside)
{
    for (uint32_t i = 0; i < OUTSIDE_PARTITIONS; i++) {
        wr_free(outside->partitions[i].values);
    }
    for (uint32_t i = 0; i < OUTSIDE_DELAYED; i++) {
        request_clear(&outside->delayed[i]);
    }
}

// Whether it was done: not if a later publisher came, nor a second time.
static bool request_arrive(struct outside *outside, const struct outside_request *request)
{
    const uint32_t            number    = request->place.partition;
    struct outside_partition *partition = &outside->partitions[number];
    if (request->place.epoch != outside->epoch || request->number <= outside->last_done) {
        return false;
    }
    TRIAL_CHECK(!partition->progress.is_known || partition->progress.next == request->place.from,
                "partition %u stands at %" PRIu64 ", and a transaction starts at %" PRIu64, number,
                partition->progress.next, request->place.from);
    partition->values = wr_realloc(partition->values, (partition->count + request->count + 1) *
                                                          sizeof(*partition->values));
    for (uint32_t i = 0; i < request->count; i++) {
        if (outside->arrives != NULL) {
            outside->arrives(outside->opaque, number, request->values[i]);
        }
        partition->values[partition->count++] = request->values[i];
    }
    partition->progress.is_known = true;
    partition->progress.next     = request->place.next;
    memcpy(partition->progress.id, request->id, sizeof(request->id));
    outside->last_done = request->number;
    return true;
}

void outside_deliver(struct outside *outside)
{
    const uint32_t first =
        outside->random != NULL ? trial_below(outside->random, OUTSIDE_DELAYED) : 0;
    for (uint32_t i = 0; i < OUTSIDE_DELAYED; i++) {
        struct outside_request *request = &outside->delayed[(first + i) % OUTSIDE_DELAYED];
        if (request->is_there) {
            const bool is_done = request_arrive(outside, request);
            outside->late_done += is_done;
            outside->late_dropped += !is_done;
            request_clear(request);
            return;
        }
    }
}

const char *outside_text(const struct outside *outside, uint32_t partition)
{
    static char text[4096];
    size_t      length = 0;
    text[0]            = '\0';
    for (uint32_t i = 0; i < outside->partitions[partition].count; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%" PRIu64 " ",
                                   outside->partitions[partition].values[i]);
        WR_ASSERT(length < sizeof(text));
    }
    return text;
}

// ---- the network ----

static enum outside_trouble draw(struct outside *outside, enum outside_call call)
{
    const enum outside_trouble planned = outside->next[call];
    outside->next[call]                = OUTSIDE_FINE;
    if (planned != OUTSIDE_FINE || outside->one_in == 0 ||
        !trial_one_in(outside->random, outside->one_in)) {
        return planned;
    }
    const uint32_t kinds = call == OUTSIDE_COMMIT ? 4 : 2;
    return (enum outside_trouble)(OUTSIDE_LOST + trial_below(outside->random, kinds));
}

// A copy of the request stays under way.
static void delay(struct outside *outside, const struct outside_request *request)
{
    for (uint32_t i = 0; i < OUTSIDE_DELAYED; i++) {
        struct outside_request *free_one = &outside->delayed[i];
        if (!free_one->is_there) {
            *free_one          = *request;
            free_one->is_there = true;
            free_one->values   = wr_alloc((request->count + 1) * sizeof(*request->values));
            memcpy(free_one->values, request->values, request->count * sizeof(*request->values));
            return;
        }
    }
}

// What the caller hears, if the call itself would say `outcome`.
static weir_outbox_outcome answer(struct outside_link *link, enum outside_trouble trouble,
                                  weir_outbox_outcome outcome)
{
    if (trouble == OUTSIDE_LOST || trouble == OUTSIDE_DEAF || trouble == OUTSIDE_LATE) {
        link->is_lost  = true;
        link->sentence = "the connection was lost";
        return WEIR_OUTBOX_UNKNOWN;
    }
    link->sentence = outcome == WEIR_OUTBOX_FENCED ? "a greater epoch is known" : "no";
    return outcome;
}

// Whether the call reaches the system. Else *outcome is what the caller hears.
static bool reaches(struct outside_link *link, enum outside_call call,
                    enum outside_trouble *trouble, weir_outbox_outcome *outcome)
{
    *trouble = link->is_lost ? OUTSIDE_LOST : draw(link->outside, call);
    if (*trouble == OUTSIDE_REFUSES) {
        *outcome = answer(link, *trouble, WEIR_OUTBOX_REFUSED);
        return false;
    }
    if (*trouble == OUTSIDE_LOST) {
        *outcome = answer(link, *trouble, WEIR_OUTBOX_UNKNOWN);
        return false;
    }
    return true;
}

// ---- verbs ----

static weir_outbox_outcome link_open(void *opaque, const weir_outbox_source *source,
                                     const weir_outbox_claim *claim, uint64_t *epoch)
{
    struct outside_link *link    = opaque;
    struct outside      *outside = link->outside;
    enum outside_trouble trouble;
    weir_outbox_outcome  outcome;
    TRIAL_CHECK(!link->is_open, "opened twice");
    link->is_open = true;
    link->is_lost = false;
    memcpy(link->id, source->id, sizeof(link->id));
    if (!reaches(link, OUTSIDE_OPEN, &trouble, &outcome)) {
        return outcome;
    }
    if (!claim->takes_over && claim->publisher != outside->publisher) {
        outside->fenced++;
        return answer(link, trouble, WEIR_OUTBOX_FENCED);
    }
    outside->opened++;
    outside->publisher = claim->publisher;
    link->epoch = *epoch = ++outside->epoch;
    return answer(link, trouble, WEIR_OUTBOX_DONE);
}

static weir_outbox_outcome link_progress(void *opaque, uint32_t partition,
                                         weir_outbox_progress *progress)
{
    struct outside_link *link = opaque;
    enum outside_trouble trouble;
    weir_outbox_outcome  outcome;
    TRIAL_CHECK(link->is_open, "not open");
    if (!reaches(link, OUTSIDE_PROGRESS, &trouble, &outcome)) {
        return outcome;
    }
    *progress = link->outside->partitions[partition].progress;
    return answer(link, trouble, WEIR_OUTBOX_DONE);
}

static weir_outbox_outcome link_begin(void *opaque, uint32_t partition, uint64_t from)
{
    struct outside_link *link = opaque;
    enum outside_trouble trouble;
    weir_outbox_outcome  outcome;
    TRIAL_CHECK(link->is_open && !link->transaction.is_there, "a transaction is open");
    if (!reaches(link, OUTSIDE_BEGIN, &trouble, &outcome)) {
        return outcome;
    }
    link->transaction = (struct outside_request){
        .is_there = true,
        .place    = { .partition = partition, .from = from },
    };
    return answer(link, trouble, WEIR_OUTBOX_DONE);
}

static weir_outbox_outcome link_write(void *opaque, const weir_log_rows *rows)
{
    struct outside_link    *link    = opaque;
    struct outside_request *request = &link->transaction;
    enum outside_trouble    trouble;
    weir_outbox_outcome     outcome;
    if (!reaches(link, OUTSIDE_WRITE, &trouble, &outcome)) {
        return outcome;
    }
    TRIAL_CHECK(rows->partition == request->place.partition && rows->count > 0,
                "rows of partition %u", rows->partition);
    request->values =
        wr_realloc(request->values, (request->count + rows->count) * sizeof(*request->values));
    for (uint32_t i = 0; i < rows->count; i++) {
        memcpy(&request->values[request->count++],
               (const char *)rows->rows + (size_t)i * rows->type->size, sizeof(uint64_t));
    }
    return answer(link, trouble, WEIR_OUTBOX_DONE);
}

static weir_outbox_outcome link_commit(void *opaque, const weir_outbox_place *place)
{
    struct outside_link    *link    = opaque;
    struct outside         *outside = link->outside;
    struct outside_request *request = &link->transaction;
    enum outside_trouble    trouble;
    weir_outbox_outcome     outcome;
    if (!reaches(link, OUTSIDE_COMMIT, &trouble, &outcome)) {
        return outcome;
    }
    TRIAL_CHECK(place->from == request->place.from && place->epoch == link->epoch,
                "a transaction begun at %" PRIu64 " is committed from %" PRIu64,
                request->place.from, place->from);
    request->place  = *place;
    request->number = ++outside->requests;
    memcpy(request->id, link->id, sizeof(request->id));
    if (trouble == OUTSIDE_LATE || trouble == OUTSIDE_TWICE) {
        delay(outside, request);
    }
    outcome = WEIR_OUTBOX_DONE;
    if (trouble != OUTSIDE_LATE) {
        const bool is_done = request_arrive(outside, request);
        outside->commits += is_done;
        outside->fenced += !is_done;
        outcome = is_done ? WEIR_OUTBOX_DONE : WEIR_OUTBOX_FENCED;
    }
    request_clear(request);
    return answer(link, trouble, outcome);
}

static void link_close(void *opaque)
{
    struct outside_link *link = opaque;
    TRIAL_CHECK(link->is_open, "closed twice");
    request_clear(&link->transaction);
    link->is_open = false;
}

static const char *link_error(void *opaque) { return ((struct outside_link *)opaque)->sentence; }

void outside_link_init(struct outside_link *link, struct outside *outside)
{
    *link = (struct outside_link){
        .outside  = outside,
        .sentence = "",
        .target   = { .opaque   = link,
                      .open     = link_open,
                      .progress = link_progress,
                      .begin    = link_begin,
                      .write    = link_write,
                      .commit   = link_commit,
                      .close    = link_close,
                      .error    = link_error },
    };
}

void outside_link_fini(struct outside_link *link) { request_clear(&link->transaction); }

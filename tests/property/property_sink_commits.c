// Sinks whose output shows with a checkpoint, through random lives with a crash at each change of
// the disk: every record is seen once, whole, and none before its checkpoint is durable.
//
//   a life    a source that counts, checkpoints that are published or given up, crashes of the
//             machine and of the process; after each the source goes back to what was published
#include "tests/support/sink_trial.h"
#include "tests/support/trial.h"

#define TOKENS_MAX 64

struct life {
    struct sink_trial    trial;
    struct trial_random *random;
    uint64_t             next; // record, from 1
    uint64_t             checkpoint;
    // Prepared since the last one that was published, with how far the source was then.
    struct wr_token pending[TOKENS_MAX];
    uint32_t        pending_count;
    // The last published checkpoint.
    uint64_t        published_next, published;
    struct wr_token tokens[TOKENS_MAX];
    uint32_t        token_count;
    uint64_t        committed; // all before this are shown for sure
};

static bool has_stopped(const struct life *life)
{
    return wr_simulation_has_stopped(life->trial.environment);
}

// What is seen must be 1, 2, 3 ... in order, with all of [1, least) and none from `most` on.
static void check_seen(struct life *life, uint64_t least, uint64_t most, const char *when)
{
    const char *visible = sink_trial_visible(&life->trial);
    uint64_t    seen    = 0;
    for (const char *at = visible; *at != '\0'; at = strchr(at, ' ') + 1) {
        TRIAL_CHECK(strtoull(at, NULL, 10) == ++seen, "%s %s: after %" PRIu64 " comes \"%s\"",
                    life->trial.kind == SINK_LOG ? "log" : "files", when, seen - 1, at);
    }
    TRIAL_CHECK(seen + 1 >= least && seen < most,
                "%s: seen up to %" PRIu64 " of [%" PRIu64 ", %" PRIu64 ")", when, seen, least,
                most);
}

// A barrier and all that follows it, as far as the machine goes. `is_given_up`: it is not
// published.
static void take_checkpoint(struct life *life, bool is_given_up)
{
    struct wr_token token;
    if (life->pending_count == TOKENS_MAX ||
        !sink_trial_prepare(&life->trial, 0, ++life->checkpoint, &token) || has_stopped(life)) {
        return;
    }
    life->pending[life->pending_count++] = token;
    if (is_given_up) {
        return;
    }
    // The manifest: all or nothing, here.
    memcpy(life->tokens, life->pending, sizeof(life->pending));
    life->token_count    = life->pending_count;
    life->pending_count  = 0;
    life->published      = life->checkpoint;
    life->published_next = life->next;
    for (uint32_t i = 0; i < life->token_count; i++) {
        if (!sink_trial_commit(&life->trial, 0, &life->tokens[i])) {
            TRIAL_CHECK(has_stopped(life), "%s", life->trial.sentence);
            return;
        }
    }
    life->committed = life->next;
}

static void live(struct life *life, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && !has_stopped(life); i++) {
        switch (trial_below(life->random, 8)) {
        case 0: take_checkpoint(life, true); break;
        case 1:
        case 2: take_checkpoint(life, false); break;
        default: sink_trial_give(&life->trial, 0, life->next++);
        }
    }
}

// The sink begins, where the published checkpoint left it. False: the machine stopped meanwhile.
static bool begin(struct life *life)
{
    const bool is_started = sink_trial_start(&life->trial, 0);
    TRIAL_CHECK(is_started || has_stopped(life), "%s", node_harness_failure(&life->trial.tasks[0]));
    if (!is_started) {
        return false;
    }
    const bool is_recovered = sink_trial_recover(&life->trial, life->tokens, life->token_count);
    TRIAL_CHECK(is_recovered || has_stopped(life), "%s", life->trial.sentence);
    life->next          = life->published_next;
    life->checkpoint    = life->published;
    life->pending_count = 0;
    life->committed     = is_recovered ? life->next : life->committed;
    return is_recovered;
}

static void crash(struct life *life)
{
    if (trial_one_in(life->random, 3)) {
        sink_trial_kill(&life->trial);
    } else {
        sink_trial_crash(&life->trial, trial_next(life->random));
    }
}

static uint64_t crash_count;

static void try_once(struct trial_random *random)
{
    struct life life = { .random = random, .next = 1, .published_next = 1, .committed = 1 };
    sink_trial_open(&life.trial, trial_one_in(random, 2) ? SINK_LOG : SINK_FILE,
                    trial_next(random));
    for (uint32_t lives = 1 + trial_below(random, 4); lives > 0; lives--) {
        const uint64_t now = wr_simulation_changes(life.trial.environment);
        wr_simulation_fault_at(life.trial.environment, now + trial_below(random, 60),
                               trial_one_in(random, 2) ? WR_DISK_CRASH_BEFORE
                                                       : WR_DISK_CRASH_AFTER);
        if (begin(&life)) {
            check_seen(&life, life.committed, life.committed + 1, "after a recovery");
            live(&life, 30);
        }
        if (!has_stopped(&life)) {
            check_seen(&life, life.committed, life.published_next + 1, "while it runs");
        }
        crash(&life);
        crash_count++;
        check_seen(&life, life.committed, life.published_next + 1, "after a crash");
    }
    wr_simulation_forget_faults(life.trial.environment); // those that have not come
    TRIAL_CHECK(begin(&life), "it cannot begin");
    live(&life, 5);
    take_checkpoint(&life, false);
    check_seen(&life, life.committed, life.committed + 1, "at the end");
    sink_trial_end(&life.trial, 0);
    if (life.pending_count == 0) {
        const uint32_t left = sink_trial_undecided(&life.trial);
        TRIAL_CHECK(left == 0, "%u undecided", left);
    }
    sink_trial_close(&life.trial);
}

int main(int argc, char **argv)
{
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      cases  = trial_size(50, 300, 10000);
    for (uint64_t i = 0; i < cases; i++) {
        try_once(&random);
    }
    printf("cases: %" PRIu64 ", crashes: %" PRIu64 "\n", cases, crash_count);
    return 0;
}

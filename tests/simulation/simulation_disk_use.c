// An hour of virtual time, a checkpoint every second: what the directory of checkpoints takes stays
// bounded by what is alive, and does not grow.
//
//   ticks --flat map--> 20 events each --+--> accounts: sums by account, 3 of 32,768 a second
//                                        +--> windows of 10 s by a key that is new each time
//                                        +--> deduplication within 20 s by the same
//
// So most of the state stays as it is for a long time, and the rest is gone soon: the two that a
// store must not get wrong, for an old file is needed as long as one segment in it is, and a new
// one is mostly dead within seconds. Now and then the process is killed, or the power is cut, and
// the job goes on with another number of workers: what a checkpoint left that was never published
// goes too.
//
// The bound. L is the most that the blocks of one checkpoint take together. A file of which less
// than half is alive is packed again by the next checkpoint, so the oldest that is kept refers to
// 2 L and what it wrote itself; each kept one after it, to these and what it wrote. The one under
// way has at most L, as has the one that a crash left unfinished, until the next is published:
//
//   bytes <= 3 L + written by the KEPT last + (none published since the crash: L) + SMALL
//
// SMALL is for manifests, indexes and what else is not state. L is bounded by LIVE_MOST, the files
// by FILES_MOST, so that nothing grows with time. Looked at whenever the disk has changed, so also
// right before old files are deleted.
#include "runtime/checkpoint/load.h"
#include "runtime/plan/plan.h"
#include "runtime/run/coordinator.h"
#include "tests/support/trial.h"
#include <weir.h>

#define CHECKPOINTS      "/checkpoints"
#define KEPT             3u
#define SMALL            (UINT64_C(256) << 10)
#define TICKS_PER_SECOND 20u
#define EVENTS_PER_TICK  20u
#define ACCOUNTS         32768u
#define LIVES            6u
#define LIVE_MOST        (UINT64_C(70) * ACCOUNTS) // bytes of all tables
#define FILES_MOST       256u

typedef struct tick {
    weir_time at;
    uint64_t  number;
} tick;
WEIR_RECORD(tick, at, number);

typedef struct event {
    weir_time at;
    uint64_t  number;
    uint32_t  account;
} event;
WEIR_RECORD(event, at, number, account);
WEIR_KEY(by_number, event, number);
WEIR_KEY(by_account, event, account);

typedef struct sums {
    int64_t  count;
    uint64_t numbers[4];
} sums;
WEIR_RECORD(sums, count, numbers);

static void make_tick(tick *t, uint64_t number, weir_time due)
{
    t->at     = due;
    t->number = number;
}
WEIR_GENERATOR(ticks, tick, make_tick);

// Each account once, and then three of them a second.
static uint32_t account_of(uint64_t number)
{
    const uint64_t events_per_account = TICKS_PER_SECOND * EVENTS_PER_TICK / 3;
    return (uint32_t)((number < ACCOUNTS ? number : number / events_per_account) % ACCOUNTS);
}

WEIR_EMITS(expanded, event);
static void expand(weir_call *call, const tick *t)
{
    for (uint32_t i = 0; i < EVENTS_PER_TICK; i++) {
        event *e   = expanded_emit(call);
        e->at      = t->at;
        e->number  = t->number * EVENTS_PER_TICK + i;
        e->account = account_of(e->number);
    }
}
WEIR_FLAT_MAP_MOST(expanded, tick, event, expand, EVENTS_PER_TICK);

static void update(event *out, const by_account *key, sums *state, const event *e)
{
    (void)key;
    state->numbers[state->count++ % 4] = e->number;
    *out                               = *e;
}
WEIR_REDUCE(accounts, event, by_account, sums, event, update);

static void add(sums *s, const event *e)
{
    s->count++;
    s->numbers[0] += e->number;
}
static void merge(sums *s, const sums *more)
{
    s->count += more->count;
    s->numbers[0] += more->numbers[0];
}
static void result(event *out, const by_number *key, const weir_pane *pane, const sums *s)
{
    (void)s;
    out->at     = pane->end;
    out->number = key->number;
}
WEIR_AGGREGATE(windows, event, by_number, sums, event, add, merge, result);

static void take_none(weir_call *call, void *local, const void *rows, const uint16_t *selection,
                      uint32_t count)
{
    (void)call;
    (void)local;
    (void)rows;
    (void)selection;
    (void)count;
}
static const weir_sink_binding nowhere = { .name = "nowhere",
                                           .in   = &event_type,
                                           .rows = take_none };

// ---- what is on the disk ----

struct watched {
    struct wr_environment *environment;
    uint64_t               seed;
    uint64_t               changes;   // of the disk, when it was last looked at
    uint64_t               bytes;     // of the listing under way
    uint64_t               live_most; // L so far
    uint64_t               half[2];   // the most in each half of the time
    uint64_t               percent;   // of its bound at most
    uint64_t               files, files_most, manifests;
    uint64_t               written[KEPT]; // by the last checkpoints
    uint64_t               checkpoints;
    uint64_t               completed; // the last one of this life; 0: none yet
    int64_t                begin_us, span_us;
};

static void add_file(void *opaque, const char *name)
{
    struct watched     *watched = opaque;
    struct wr_file_info info;
    char                path[300];
    (void)snprintf(path, sizeof(path), CHECKPOINTS "/%s", name);
    if (watched->environment->ops->info(watched->environment, path, &info) == 0) {
        watched->bytes += info.size_bytes;
        watched->files++;
        watched->manifests += strncmp(name, "manifest-", 9) == 0;
    }
}

// A checkpoint has been published.
static void checkpoint_note(struct watched *watched, const weir_run *run)
{
    struct wr_checkpoint_facts facts;
    struct wr_loaded           loaded;
    struct wr_error            error = { .status = WEIR_OK };
    uint64_t                   live  = 0;
    TRIAL_CHECK(wr_load(watched->environment, CHECKPOINTS, watched->completed, &loaded, &error) ==
                    WEIR_OK,
                "seed %" PRIu64 ": %s", watched->seed, error.sentence);
    for (uint32_t at = 0; at < loaded.manifest.task_count; at++) {
        for (uint32_t i = 0; i < loaded.indexes[at].file_count; i++) {
            live += loaded.indexes[at].files[i].used;
        }
    }
    wr_loaded_fini(&loaded);
    wr_coordinator_facts_any(run->coordinator, &facts);
    TRIAL_CHECK(live <= LIVE_MOST, "seed %" PRIu64 ": %" PRIu64 " bytes are alive", watched->seed,
                live);
    watched->live_most = live > watched->live_most ? live : watched->live_most;
    watched->written[watched->checkpoints++ % KEPT] = facts.bytes;
}

static uint64_t bound_of(const struct watched *watched)
{
    uint64_t bound = (watched->completed != 0 ? 3 : 4) * watched->live_most + SMALL;
    for (uint32_t i = 0; i < KEPT; i++) {
        bound += watched->written[i];
    }
    return bound;
}

static void disk_measure(struct watched *watched)
{
    const int64_t   at_us = wr_now_us(watched->environment) - watched->begin_us;
    uint64_t *const most  = &watched->half[at_us >= watched->span_us / 2];
    watched->bytes = watched->files = watched->manifests = 0;
    (void)watched->environment->ops->list(watched->environment, CHECKPOINTS, add_file, watched);
    TRIAL_CHECK(watched->files <= FILES_MOST, "seed %" PRIu64 ": %" PRIu64 " files", watched->seed,
                watched->files);
    TRIAL_CHECK(watched->manifests <= KEPT, "seed %" PRIu64 ": %" PRIu64 " manifests, of %u kept",
                watched->seed, watched->manifests, KEPT);
    TRIAL_CHECK(watched->checkpoints == 0 || watched->bytes <= bound_of(watched),
                "seed %" PRIu64 ": after %" PRIu64 " checkpoints there are %" PRIu64
                " bytes in %" PRIu64 " files, and %" PRIu64 " alive; at most %" PRIu64
                " bytes are right",
                watched->seed, watched->checkpoints, watched->bytes, watched->files,
                watched->live_most, bound_of(watched));
    const uint64_t percent = watched->bytes * 100 / bound_of(watched);
    watched->percent       = percent > watched->percent ? percent : watched->percent;
    *most                  = watched->bytes > *most ? watched->bytes : *most;
    watched->files_most =
        watched->files > watched->files_most ? watched->files : watched->files_most;
}

// ---- lives ----

static weir_job *job_make(const struct watched *watched, weir_time start)
{
    const weir_generator_options options = {
        .events     = (uint64_t)(watched->span_us / 1000000) * TICKS_PER_SECOND,
        .partitions = 2,
        .rate       = TICKS_PER_SECOND,
        .start      = start,
        .time       = { .field = "at" },
    };
    weir_job         *job    = weir_job_open("disk-use");
    weir_stream       events = weir_flat_map(weir_generate(job, &ticks, &options), &expanded);
    weir_keyed        fresh  = weir_key(events, &by_number_key);
    const weir_stream outs[] = {
        weir_reduce(weir_key(events, &by_account_key), &accounts),
        weir_aggregate(fresh, weir_tumbling(WEIR_SECONDS(10)), &windows),
        weir_deduplicate(fresh, WEIR_SECONDS(20), 0),
    };
    weir_sink(weir_union(outs, 3), &nowhere, NULL);
    return job;
}

static void watched_look(struct watched *watched, const weir_run *run)
{
    const uint64_t newest = wr_coordinator_completed(run->coordinator);
    if (newest != watched->completed) {
        watched->completed = newest;
        checkpoint_note(watched, run);
    }
    if (wr_simulation_changes(watched->environment) != watched->changes) {
        watched->changes = wr_simulation_changes(watched->environment);
        disk_measure(watched);
    }
}

// Until it has ended, or so many turns after `until_us`.
static void run_live(struct watched *watched, weir_run *run, struct wr_turns *turns,
                     int64_t until_us, uint32_t turns_more)
{
    struct wr_environment *environment = watched->environment;
    watched->completed                 = 0;
    while (!wr_turns_are_over(turns) && turns_more > 0) {
        if (!wr_turns_take(turns) && !wr_turns_are_over(turns)) {
            (void)wr_simulation_advance(environment, wr_turns_wake_at(turns));
        }
        watched_look(watched, run);
        turns_more -= wr_now_us(environment) >= until_us;
    }
}

static void run_die(struct watched *watched, weir_run *run, bool is_power_cut)
{
    wr_run_fail_any(run, WEIR_INTERRUPTED, "the simulated process was killed");
    wr_simulation_kill(watched->environment);
    (void)weir_run_close(run);
    if (is_power_cut) {
        wr_simulation_reboot(watched->environment, watched->seed);
    } else {
        wr_simulation_restart(watched->environment);
    }
}

// True: the job has ended.
static bool live(struct watched *watched, struct trial_random *random, uint32_t life,
                 weir_time start)
{
    const weir_run_options options  = { .workers          = 1 + trial_below(random, 3),
                                        .is_simulated     = true,
                                        .seed             = 1 + watched->seed % 1000,
                                        .checkpoints      = CHECKPOINTS,
                                        .checkpoints_kept = KEPT };
    const int64_t          until_us = watched->begin_us + watched->span_us * (life + 1) / LIVES;
    struct wr_turns        turns;
    weir_job              *job = job_make(watched, start);
    weir_run              *run = wr_launch_still(job, &options, watched->environment);
    TRIAL_CHECK(run != NULL, "seed %" PRIu64 ": %s", watched->seed, weir_job_error(job));
    wr_turns_init(&turns, run, trial_next(random));
    run_live(watched, run, &turns, life + 1 < LIVES ? until_us : INT64_MAX,
             1 + trial_below(random, 2000));
    const bool has_ended = wr_turns_are_over(&turns);
    if (!has_ended) {
        run_die(watched, run, trial_one_in(random, 2));
    } else {
        TRIAL_CHECK(weir_run_close(run) == WEIR_OK, "seed %" PRIu64 ": %s", watched->seed,
                    weir_job_error(job));
    }
    weir_job_close(job);
    return has_ended;
}

int main(int argc, char **argv)
{
    const uint64_t      seconds = trial_size(600, 3600, 14400);
    const uint64_t      seed    = trial_seed(argc, argv);
    struct trial_random random  = { seed };
    struct watched      watched = { .seed = seed, .span_us = (int64_t)seconds * 1000000 };
    watched.environment         = wr_environment_open_simulated(seed, false);
    watched.begin_us            = wr_now_us(watched.environment);
    const weir_time start       = watched.environment->ops->wall_us(watched.environment);
    for (uint32_t life = 0; !live(&watched, &random, life, start); life++) {
    }
    wr_environment_close(watched.environment);
    printf("alive: %" PRIu64 " bytes; on the disk at most %" PRIu64 " in the first half, %" PRIu64
           " in the second, %" PRIu64 " %% of the bound, in %" PRIu64 " files\ncases: %" PRIu64
           "\n",
           watched.live_most, watched.half[0], watched.half[1], watched.percent, watched.files_most,
           watched.checkpoints);
    TRIAL_CHECK(watched.checkpoints > seconds * 9 / 10, "seed %" PRIu64 ": %" PRIu64 " checkpoints",
                seed, watched.checkpoints);
    TRIAL_CHECK(watched.half[1] <= watched.half[0] * 5 / 4, "seed %" PRIu64 ": it grows", seed);
    return 0;
}

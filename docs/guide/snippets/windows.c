// windows: the mean temperature of each minute, corrected when readings come late.
#include <stdio.h>
#include <weir.h>

typedef struct reading {
    weir_time at;
    uint32_t  room;
    double    celsius;
} reading;
WEIR_RECORD(reading, at, room, celsius);

static void make_reading(reading *r, uint64_t number, weir_time due)
{
    // In the order they arrive: seconds of event time, degrees.
    static const struct {
        int    second;
        double celsius;
    } arrived[] = { { 10, 20 },  { 50, 22 }, { 70, 25 }, { 30, 27 },
                    { 190, 24 }, { 20, 99 }, { 200, 26 } };
    (void)due;
    r->at      = WEIR_SECONDS(arrived[number].second);
    r->room    = 1;
    r->celsius = arrived[number].celsius;
}
WEIR_GENERATOR(readings, reading, make_reading);
WEIR_KEY(by_room, reading, room);

typedef struct sum {
    int64_t count;
    double  celsius;
} sum;
WEIR_RECORD(sum, count, celsius);
static void add(sum *s, const reading *r)
{
    s->count++;
    s->celsius += r->celsius;
}
static void merge(sum *s, const sum *more)
{
    s->count += more->count;
    s->celsius += more->celsius;
}

typedef struct mean {
    weir_time minute;
    uint32_t  room;
    uint32_t  revision; // results of this room and minute before this one
    double    celsius;
} mean;
WEIR_RECORD(mean, minute, room, revision, celsius);
static void to_mean(mean *out, const by_room *key, const weir_pane *pane, const sum *s)
{
    out->minute   = pane->start;
    out->room     = key->room;
    out->revision = pane->firing;
    out->celsius  = s->celsius / (double)s->count;
}
WEIR_AGGREGATE(means, reading, by_room, sum, mean, add, merge, to_mean);

static void print_results(const weir_collection *means_seen, const weir_collection *late_seen)
{
    static const char *const changes[] = { "insert", "update", "delete", "update-before" };
    for (size_t i = 0; i < weir_collection_count(means_seen); i++) {
        weir_change change;
        const mean *m = weir_collection_at(means_seen, i, &change, NULL);
        (void)printf("%s minute %lld: %.0f degrees, revision %u\n", changes[change],
                     m->minute / WEIR_MINUTES(1), m->celsius, m->revision);
    }
    for (size_t i = 0; i < weir_collection_count(late_seen); i++) {
        const reading *r = weir_collection_at(late_seen, i, NULL, NULL);
        (void)printf("late: second %lld, %.0f degrees\n", r->at / WEIR_SECONDS(1), r->celsius);
    }
}

int main(void)
{
    static const weir_generator_options one_a_second = {
        .events = 7,
        .rate   = 1,
        .time   = { .field = "at", .out_of_order = WEIR_SECONDS(5) },
    };
    static const weir_run_options simulated  = { .workers = 1, .is_simulated = true, .seed = 1 };
    const weir_window             minute     = weir_tumbling(WEIR_MINUTES(1));
    const weir_window             corrected  = weir_allow_lateness(minute, WEIR_MINUTES(1));
    weir_collection              *means_seen = weir_collection_open();
    weir_collection              *late_seen  = weir_collection_open();

    weir_job   *job     = weir_job_open("windows");
    weir_keyed  rooms   = weir_key(weir_generate(job, &readings, &one_a_second), &by_room_key);
    weir_stream minutes = weir_aggregate(rooms, corrected, &means);
    weir_collect(minutes, means_seen);
    weir_collect(weir_late(minutes), late_seen);
    const weir_status status = weir_job_run(job, &simulated); // 7 virtual seconds, at once
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
    }
    print_results(means_seen, late_seen);
    weir_job_close(job);
    weir_collection_close(means_seen);
    weir_collection_close(late_seen);
    return weir_status_exit_code(status);
}

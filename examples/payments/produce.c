// The graph:
//
//   lines of JSON --read, checked--> event_line   --by order--> topic "events"
//                                    no such line ------------> topic "dead_letters"
//
// This is the door: what is in the topic is an event, and no reader of it parses JSON again.
#include "produce.h"

#include "ends.h"
#include "events.h"
#include "feed.h"
#include "resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/log_stream.h>
#include <weir/main.h>

typedef struct produce {
    const char      *log, *input, *events, *seed; // as given; NULL: not
    const char      *pace, *speed, *partitions, *durability, *resume;
    uint32_t         partition_count; // 0: as it is, else 1
    weir_durability  durable;
    payments_feed    feed;
    payments_present present; // while resuming
    bool             is_run;  // else it is only planned
    weir_status      status;
} produce;

// ---- the job ----

static weir_stream read_lines(weir_job *job, const produce *p, double rate)
{
    const bool                is_fed = p->feed.input == NULL || p->feed.speed > 0;
    weir_jsonl_source_options source;
    memset(&source, 0, sizeof(source));
    source.name              = "lines";
    source.path              = is_fed ? "-" : p->input;
    source.type              = &event_line_type;
    source.check             = payments_check;
    source.rate              = rate;
    source.time.field        = "at"; // so that several files are read side by side
    source.time.out_of_order = PAYMENTS_OUT_OF_ORDER;
    source.time.max_ahead    = -1;
    return weir_from_jsonl(job, &source);
}

static weir_job *open_job(produce *p, double rate)
{
    weir_job             *job     = weir_job_open("produce");
    weir_stream           lines   = read_lines(job, p, rate);
    weir_stream           letters = weir_dead_letters(lines);
    weir_topic            events  = payments_events_topic;
    weir_log_sink_options sink;
    if (p->resume != NULL) {
        lines   = payments_new_events(lines, &p->present);
        letters = payments_new_letters(letters, &p->present);
    }
    memset(&sink, 0, sizeof(sink));
    sink.directory    = p->log;
    sink.durability   = p->durable;
    events.partitions = p->partition_count;
    (void)weir_to_log(lines, &events, &sink);
    (void)weir_to_log(letters, &payments_dead_letters_topic, &sink);
    return job;
}

// ---- the command line ----

static bool complain(const char *option, const char *value, const char *sentence)
{
    (void)fprintf(stderr, "payments produce: %s is \"%s\"; %s\n", option, value, sentence);
    return false;
}

static bool read_durability(produce *p)
{
    static const char *const names[] = { "durable", "interval", "os" };
    for (int i = 0; p->durability != NULL && i < 3; i++) {
        if (strcmp(p->durability, names[i]) == 0) {
            p->durable = (weir_durability)i;
            return true;
        }
    }
    return p->durability == NULL ||
           complain("--durability", p->durability, "it must be durable, interval or os");
}

static bool read_pace(produce *p)
{
    char      *end      = NULL;
    const bool is_paced = p->pace != NULL && strcmp(p->pace, "event-time") == 0;
    if (p->pace != NULL && !is_paced && strcmp(p->pace, "free") != 0) {
        return complain("--pace", p->pace, "it must be free or event-time");
    }
    p->feed.speed = is_paced ? 1 : 0;
    if (p->speed != NULL) {
        p->feed.speed = strtod(p->speed, &end);
        if (!is_paced) {
            return complain("--speed", p->speed, "it needs --pace event-time");
        }
        if (*end != '\0' || !(p->feed.speed > 0)) {
            return complain("--speed", p->speed, "it must be a number above 0, as 60 or 0.5");
        }
    }
    return true;
}

static bool is_number(const char *option, const char *value)
{
    return value == NULL || (value[0] != '\0' && value[strspn(value, "0123456789")] == '\0') ||
           complain(option, value, "it must be a whole number");
}

static bool read_input(produce *p)
{
    p->feed.input  = p->input;
    p->feed.events = p->events;
    p->feed.seed   = p->seed;
    if ((p->input == NULL) == (p->events == NULL)) {
        (void)fprintf(stderr, "payments produce: give --input FILE or --events N, one of them\n");
        return false;
    }
    if (p->seed != NULL && p->events == NULL) {
        return complain("--seed", p->seed, "it is the generator's; it needs --events N");
    }
    return is_number("--events", p->events) && is_number("--seed", p->seed);
}

static bool read_partitions(produce *p)
{
    char *end = NULL;
    if (p->partitions != NULL) {
        p->partition_count = (uint32_t)strtoul(p->partitions, &end, 10);
        if (p->partitions[0] < '0' || p->partitions[0] > '9' || *end != '\0' ||
            p->partition_count == 0 || p->partition_count > 1024) {
            return complain("--partitions", p->partitions, "it must be from 1 to 1024");
        }
    }
    return true;
}

// Where there are events already, and nobody says how many partitions they have, as many as that.
static void take_partitions(produce *p)
{
    weir_log        *log = NULL;
    weir_log_options reading;
    weir_topic       events;
    memset(&reading, 0, sizeof(reading));
    if (p->partition_count == 0 && weir_log_open(p->log, &reading, &log) == WEIR_OK &&
        weir_log_topic(log, payments_events_topic.name, &events) == WEIR_OK) {
        p->partition_count = events.partitions;
    }
    if (log != NULL) {
        (void)weir_log_close(log);
    }
}

static weir_job *build(void *opaque, double rate)
{
    produce *p = (produce *)opaque;
    p->status  = WEIR_USAGE;
    if (!read_durability(p) || !read_pace(p) || !read_input(p) || !read_partitions(p)) {
        return NULL;
    }
    p->status = WEIR_OK;
    take_partitions(p);
    if (p->is_run && p->resume != NULL) {
        p->status       = payments_present_read(p->log, &p->present);
        p->feed.at_once = p->present.events.total + p->present.letters.total;
    }
    if (p->is_run && p->status == WEIR_OK && !payments_feed_start(&p->feed)) {
        p->status = WEIR_FAILED;
    }
    return p->status == WEIR_OK ? open_job(p, rate) : NULL;
}

static weir_status finish(weir_job *job, void *opaque)
{
    const produce           *p       = (const produce *)opaque;
    const unsigned long long events  = weir_job_counter(job, "write-events", WEIR_INSERTS);
    const unsigned long long letters = weir_job_counter(job, "write-dead_letters", WEIR_INSERTS);
    const unsigned long long skipped = weir_job_counter(job, "new_events", WEIR_FILTERED) +
                                       weir_job_counter(job, "new_letters", WEIR_FILTERED);
    (void)printf("{\"events\":%llu,\"dead_letters\":%llu", events, letters);
    if (p->resume != NULL) {
        (void)printf(",\"skipped\":%llu", skipped);
    }
    (void)puts("}");
    return payments_feed_end() ? WEIR_OK : WEIR_FAILED;
}

static bool is_verb(const char *word)
{
    return strcmp(word, "run") == 0 || strcmp(word, "plan") == 0 || strcmp(word, "help") == 0;
}

int payments_produce(int argc, char **argv)
{
    static produce p; // zeros
    static char    name[] = "payments produce";
    argv[0]               = name;
    p.is_run              = argc < 2 || strcmp(argv[1], "plan") != 0;
    if (argc > 1 && argv[1][0] != '-' && !is_verb(argv[1])) {
        (void)fprintf(stderr, "payments produce: do not know what to do with %s; see --help\n",
                      argv[1]);
        return weir_status_exit_code(WEIR_USAGE);
    }
    const weir_main_option own[] = {
        { "log", "DIR", "the log's directory; made if it is not there", true, &p.log },
        { "input", "FILE", "events: a file, a glob, a directory, or - for stdin", false, &p.input },
        { "events", "N", "or so many events of the generator", false, &p.events },
        { "seed", "S", "of the generator", false, &p.seed },
        { "pace", "PACE", "free, or event-time: an event leaves when its time has come", false,
          &p.pace },
        { "speed", "X", "event time runs X times as fast", false, &p.speed },
        { "partitions", "P", "of the topic, when it is made (1)", false, &p.partitions },
        { "durability", "D", "durable, interval or os (durable)", false, &p.durability },
        { "resume", NULL, "append only what the log does not have of the input", false, &p.resume },
    };
    const weir_main_options options = {
        "Appends events to the topic \"events\" of a log, and what is none to \"dead_letters\".",
        own,
        sizeof(own) / sizeof(own[0]),
        build,
        finish,
        &p,
        NULL,
        NULL,
    };
    const int exit_code = weir_main_with(&options, argc, argv);
    return p.status != WEIR_OK ? weir_status_exit_code(p.status) : exit_code;
}

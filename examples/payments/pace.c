// pace: lines that leave when their time has come.
//
//   files --heads, the earliest first--> wait until  begin + (its time - the first time) / speed
//
// The clock follows the latest time seen so far, so a line out of order leaves at once. Only the
// text after "at": is looked at; a line without a time leaves with the one before it.
#include "feed.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <weir/event_time.h>
#include <weir/status.h>

typedef struct head {
    FILE     *file;
    char     *line; // the next one, with its newline
    size_t    capacity;
    ssize_t   length;
    weir_time at; // its time, or the one before it
} head;

typedef struct pacer {
    head           *heads; // of files that have lines left
    uint32_t        count;
    double          speed;
    uint64_t        at_once;
    bool            has_begun;
    weir_time       first, latest;
    struct timespec begin;
} pacer;

static weir_time time_of(const char *line, weir_time before)
{
    weir_time   at   = before;
    const char *name = strstr(line, "\"at\"");
    const char *text = name != NULL ? strchr(name + 4, '"') : NULL;
    if (text != NULL) {
        (void)weir_time_parse(text + 1, strcspn(text + 1, "\""), &at);
    }
    return at;
}

// False at the end of the file.
static bool head_next(head *h)
{
    h->length = getline(&h->line, &h->capacity, h->file);
    if (h->length < 0) {
        return false;
    }
    h->at = time_of(h->line, h->at);
    return true;
}

static void add_file(pacer *p, FILE *file)
{
    head h;
    memset(&h, 0, sizeof(h));
    h.file     = file;
    h.at       = WEIR_TIME_MIN;
    head *more = (head *)realloc(p->heads, (p->count + 1) * sizeof(*more));
    if (more == NULL) {
        (void)fputs("payments produce: out of memory\n", stderr);
        exit(weir_status_exit_code(WEIR_NO_MEMORY));
    }
    p->heads = more;
    if (head_next(&h)) {
        p->heads[p->count++] = h;
    }
}

static bool add_files(pacer *p, const char *input)
{
    struct stat found;
    char        pattern[PATH_MAX];
    glob_t      names;
    const bool  is_directory = stat(input, &found) == 0 && S_ISDIR(found.st_mode);
    (void)snprintf(pattern, sizeof(pattern), is_directory ? "%s/*" : "%s", input);
    if (glob(pattern, GLOB_NOCHECK, NULL, &names) != 0) {
        (void)fprintf(stderr, "payments produce: cannot list %s\n", input);
        return false;
    }
    bool is_good = true;
    for (size_t i = 0; is_good && i < names.gl_pathc; i++) {
        FILE *file = NULL;
        if (stat(names.gl_pathv[i], &found) == 0 && S_ISDIR(found.st_mode)) {
            continue;
        }
        file    = fopen(names.gl_pathv[i], "r");
        is_good = file != NULL;
        if (is_good) {
            add_file(p, file);
        } else {
            (void)fprintf(stderr, "payments produce: cannot read %s: %s\n", names.gl_pathv[i],
                          strerror(errno));
        }
    }
    globfree(&names);
    return is_good;
}

static head *earliest(pacer *p)
{
    head *found = &p->heads[0];
    for (uint32_t i = 1; i < p->count; i++) {
        found = p->heads[i].at < found->at ? &p->heads[i] : found;
    }
    return found;
}

// Waits until `at` has come, with nothing held back meanwhile.
static void wait_for(pacer *p, weir_time at)
{
    if (at == WEIR_TIME_MIN || (p->has_begun && at <= p->latest)) {
        return;
    }
    if (!p->has_begun) {
        p->has_begun = true;
        p->first     = at;
        (void)clock_gettime(CLOCK_MONOTONIC, &p->begin);
    }
    p->latest               = at;
    const double    seconds = (double)(at - p->first) / 1e6 / p->speed;
    struct timespec due     = p->begin;
    due.tv_sec += (time_t)seconds;
    due.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (due.tv_nsec >= 1000000000L) {
        due.tv_nsec -= 1000000000L;
        due.tv_sec++;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec < due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec < due.tv_nsec)) {
        (void)fflush(stdout);
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
}

static bool write_lines(pacer *p)
{
    while (p->count > 0 && ferror(stdout) == 0) {
        head *next = earliest(p);
        if (p->at_once > 0) {
            p->at_once--;
        } else {
            wait_for(p, next->at);
        }
        (void)fwrite(next->line, 1, (size_t)next->length, stdout);
        if (!head_next(next)) {
            *next = p->heads[--p->count];
        }
    }
    return fflush(stdout) == 0;
}

int payments_pace(const payments_feed *feed)
{
    pacer p;
    memset(&p, 0, sizeof(p));
    p.speed   = feed->speed;
    p.at_once = feed->at_once;
    if (feed->input == NULL || strcmp(feed->input, "-") == 0) {
        add_file(&p, stdin);
    } else if (!add_files(&p, feed->input)) {
        return weir_status_exit_code(WEIR_NOT_FOUND);
    }
    return write_lines(&p) ? 0 : weir_status_exit_code(WEIR_FAILED);
}

// A job that keeps something of every kind, in two versions whose records and states differ: what a
// checkpoint of one is to the other. shop_first.c and shop_later.c have the types.
//
//   sales --by shop-----> totals   (reduce)                          --> totals_seen
//         --by shop-----> sliding, tumbling  (windows)               --> ..._seen
//         --by article--> sessions, counted  (windows)               --> ..._seen
//         --by shop-----> watched  (a list, a map, a timer)          --> watched_seen
//
// Sales are made by their number. Timers and windows, but for some sliding ones, are due at the
// end.
#ifndef SHOP_JOB_H
#define SHOP_JOB_H

#include <pthread.h>
#include <weir.h>

enum { SHOPS = 5, ARTICLES = 3, LAST_NOTES = 3 };
#define SHOP_BEGIN    WEIR_SECONDS(1767225600)
#define SHOP_INTERVAL WEIR_SECONDS(20) // between two sales, of event time
#define SHOP_SLIDING  weir_sliding(WEIR_HOURS(30), WEIR_HOURS(10))
#define SHOP_TUMBLING weir_tumbling(WEIR_HOURS(40))

static const char *const shop_articles[ARTICLES] = {
    "tea",
    "a kettle that whistles",
    "twelve cups and their saucers",
};

// What the sinks saw.
enum shop_kind { TOTALS, SLIDING, TUMBLING, SESSIONS, COUNTED, WATCHED, SHOP_KINDS };
typedef struct shop_row {
    uint32_t shop, article; // SHOPS, ARTICLES where the key has none
    int64_t  start;         // of a window
    int64_t  count, cents;
    int64_t  since;  // of what was counted: how many since the later version took over
    int64_t  checks; // of texts and all else that is kept
} shop_row;
WEIR_RECORD(shop_row, shop, article, start, count, cents, since, checks);

enum { SHOP_ROWS = 4096 };
struct shop_seen {
    pthread_mutex_t lock;
    struct {
        shop_row rows[SHOP_ROWS]; // of a key and start the one that counts most
        uint32_t count;
    } of[SHOP_KINDS];
};

struct shop_options {
    uint64_t          events;
    double            rate;
    struct shop_seen *seen; // outlives the job
};

weir_job *shop_first(const struct shop_options *options);
weir_job *shop_later(const struct shop_options *options);

void shop_see(struct shop_seen *seen, enum shop_kind kind, const shop_row *row);

int32_t  shop_cents(uint64_t number);
uint32_t shop_article(const weir_str *name); // its number

// What `checks` has of a text; of several values it is the sum.
int64_t shop_text_check(const weir_str *text);

#endif // SHOP_JOB_H

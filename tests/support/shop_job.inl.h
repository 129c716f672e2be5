// The functions of the job of shop_job.h, for the types of one version. Before this:
//
//   sale {at, number, SHOP, cents, article}, by_shop, by_article
//   tally {count, AMOUNT, weight, NEWEST, code, (PRICE, money {UNITS, currency})}
//   spent {count, cents, longest}
//   watch {count, timer}, note {number, cents, article}, article_key {ARTICLE}
//   SET_CODE(state, text), CODE_CHECK(state)            chars in one, a string in the other
//   COUNT_SINCE(state), ADD_SINCE(sum, more), SINCE(state)   a field that the first version lacks
#include <string.h>

// ---- sales ----

static void make_sale(sale *s, uint64_t number, weir_time due)
{
    (void)due;
    s->at      = SHOP_BEGIN + (weir_time)number * SHOP_INTERVAL;
    s->number  = number;
    s->SHOP    = (uint32_t)(number % SHOPS);
    s->cents   = shop_cents(number);
    s->article = weir_str_from(shop_articles[number % ARTICLES]);
}
WEIR_GENERATOR(sales, sale, make_sale);

// ---- totals ----

static void add_total(shop_row *out, const by_shop *key, tally *state, const sale *s)
{
    state->count++;
    state->AMOUNT += s->cents;
    state->weight += 0.5f;
    state->PRICE.UNITS    = s->cents;
    state->PRICE.currency = (uint32_t)state->count;
    state->NEWEST         = s->article;
    SET_CODE(state, "ab");
    COUNT_SINCE(state);

    *out = (shop_row){
        .shop    = key->SHOP,
        .article = ARTICLES,
        .count   = state->count,
        .cents   = state->AMOUNT,
        .since   = SINCE(state),
        .checks  = shop_text_check(&state->NEWEST) + CODE_CHECK(state) +
                  (int64_t)(state->weight * 2) + state->PRICE.UNITS + state->PRICE.currency,
    };
}
WEIR_REDUCE(totals, sale, by_shop, tally, shop_row, add_total);

// ---- windows ----

static void add_spent(spent *sum, const sale *s)
{
    sum->count++;
    sum->cents += s->cents;
    COUNT_SINCE(sum);
    if (s->article.length > sum->longest.length) {
        sum->longest = s->article;
    }
}

static void merge_spent(spent *sum, const spent *more)
{
    sum->count += more->count;
    sum->cents += more->cents;
    ADD_SINCE(sum, more);
    if (more->longest.length > sum->longest.length) {
        sum->longest = more->longest;
    }
}

static void fill_spent(shop_row *out, const weir_pane *pane, const spent *sum)
{
    out->start  = pane->start;
    out->count  = (int64_t)sum->count;
    out->cents  = sum->cents;
    out->since  = SINCE(sum);
    out->checks = shop_text_check(&sum->longest);
}

static void spent_by_shop(shop_row *out, const by_shop *key, const weir_pane *pane,
                          const spent *sum)
{
    *out = (shop_row){ .shop = key->SHOP, .article = ARTICLES };
    fill_spent(out, pane, sum);
}
WEIR_AGGREGATE(shop_spent, sale, by_shop, spent, shop_row, add_spent, merge_spent, spent_by_shop);

static void spent_by_article(shop_row *out, const by_article *key, const weir_pane *pane,
                             const spent *sum)
{
    *out = (shop_row){ .shop = SHOPS, .article = shop_article(&key->article) };
    fill_spent(out, pane, sum);
}
WEIR_AGGREGATE(article_spent, sale, by_article, spent, shop_row, add_spent, merge_spent,
               spent_by_article);

// Without strings, so that a sliding window keeps rests.
static void add_plain(plain *sum, const sale *s)
{
    sum->count++;
    sum->cents += s->cents;
    COUNT_SINCE(sum);
}
static void merge_plain(plain *sum, const plain *more)
{
    sum->count += more->count;
    sum->cents += more->cents;
    ADD_SINCE(sum, more);
}
static void plain_by_shop(shop_row *out, const by_shop *key, const weir_pane *pane,
                          const plain *sum)
{
    *out = (shop_row){
        .shop    = key->SHOP,
        .article = ARTICLES,
        .start   = pane->start,
        .count   = (int64_t)sum->count,
        .cents   = sum->cents,
        .since   = SINCE(sum),
    };
}
WEIR_AGGREGATE(shop_plain, sale, by_shop, plain, shop_row, add_plain, merge_plain, plain_by_shop);

// ---- a list, a map, a timer ----

WEIR_LIST(notes, note);
WEIR_MAP_STATE(articles, article_key, watch);
WEIR_EMITS(watched, shop_row);

static void on_sale(weir_call *call, const by_shop *key, watch *state, const sale *s)
{
    (void)key;
    state->count++;
    COUNT_SINCE(state);
    if (state->timer == 0) {
        state->timer = WEIR_SECONDS(2000000000);
        weir_timer_set(call, state->timer);
    }
    if (weir_list_count(call, &notes) == LAST_NOTES) {
        weir_list_remove(call, &notes, 0);
    }
    note *n    = weir_list_add(call, &notes);
    n->number  = (uint32_t)s->number;
    n->cents   = (int16_t)s->cents;
    n->article = s->article;

    const article_key article = { .ARTICLE = s->article };
    watch            *of      = weir_map_put(call, &articles, &article);
    of->count++;
    COUNT_SINCE(of);
}

static void on_end(weir_call *call, const by_shop *key, watch *state, weir_time at)
{
    int64_t cents = 0, checks = at == state->timer;
    for (uint32_t i = 0; i < weir_list_count(call, &notes); i++) {
        const note *n = weir_list_at(call, &notes, i);
        cents += n->cents;
        checks += shop_text_check(&n->article) + (int64_t)n->number;
    }
    for (uint32_t i = 0; i < weir_map_count(call, &articles); i++) {
        const article_key *article = weir_map_key_at(call, &articles, i);
        const watch       *of      = weir_map_find(call, &articles, article);
        checks += shop_text_check(&article->ARTICLE) * (int64_t)of->count;
    }
    *watched_emit(call) = (shop_row){
        .shop    = key->SHOP,
        .article = ARTICLES,
        .count   = (int64_t)state->count,
        .cents   = cents,
        .since   = SINCE(state),
        .checks  = checks,
    };
}
WEIR_PROCESS(watched, sale, by_shop, watch, shop_row, on_sale, on_end);

// ---- the job ----

typedef struct nothing {
    char unused;
} nothing;

static void forget(nothing *local, void *opaque)
{
    (void)local;
    (void)opaque;
}

#define SHOP_SINK(name, kind)                                                                      \
    static void see_##name(nothing *local, const shop_row *row, weir_call *call)                   \
    {                                                                                              \
        (void)local;                                                                               \
        shop_see(*(struct shop_seen *const *)weir_parameters(call), kind, row);                    \
    }                                                                                              \
    WEIR_SINK(name, shop_row, nothing, see_##name, forget)

SHOP_SINK(totals_seen, TOTALS);
SHOP_SINK(sliding_seen, SLIDING);
SHOP_SINK(tumbling_seen, TUMBLING);
SHOP_SINK(sessions_seen, SESSIONS);
SHOP_SINK(counted_seen, COUNTED);
SHOP_SINK(watched_seen, WATCHED);

static void shop_show(weir_stream rows, const char *name, const weir_sink_binding *sink,
                      const struct shop_options *options)
{
    (void)weir_with(weir_sink(weir_name(rows, name), sink, NULL), &options->seen,
                    sizeof(struct shop_seen *));
}

weir_job *SHOP_JOB(const struct shop_options *options)
{
    const weir_generator_options generator = {
        .events = options->events,
        .rate   = options->rate,
        .time   = { .field = "at" },
    };
    const weir_process_options process = { .lists = { &notes }, .maps = { &articles } };
    weir_job                  *job     = weir_job_open("shop");
    weir_stream                all     = weir_generate(job, &sales, &generator);
    weir_keyed                 shops   = weir_key(all, &by_shop_key);
    weir_keyed                 kinds   = weir_key(all, &by_article_key);
    shop_show(weir_reduce(shops, &totals), "totals", &totals_seen, options);
    shop_show(weir_aggregate(shops, SHOP_SLIDING, &shop_plain), "sliding", &sliding_seen, options);
    shop_show(weir_aggregate(shops, SHOP_TUMBLING, &shop_spent), "tumbling", &tumbling_seen,
              options);
    shop_show(weir_aggregate(kinds, weir_session(WEIR_HOURS(1)), &article_spent), "sessions",
              &sessions_seen, options);
    shop_show(weir_aggregate(kinds, weir_global(), &article_spent), "counted", &counted_seen,
              options);
    shop_show(weir_process(shops, &watched, &process), "watched", &watched_seen, options);
    return job;
}

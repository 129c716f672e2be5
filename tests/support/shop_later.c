// The types as they became: fields gained, lost, widened, renamed, in another order.
#include "tests/support/shop_job.h"

typedef struct sale {
    weir_str  article;
    uint32_t  store;
    uint64_t  number;
    weir_time at;
    int64_t   cents;
} sale;
WEIR_RECORD(sale, article, store, number, at, cents);
WEIR_KEY(by_shop, sale, WEIR_FORMERLY(store, shop));
WEIR_KEY(by_article, sale, article);

typedef struct money {
    uint32_t currency;
    int64_t  units;
} money;
WEIR_RECORD(money, currency, WEIR_FORMERLY(units, hundredths, cents));

typedef struct tally {
    weir_str code;
    int64_t  since;
    weir_str newest;
    money    cost;
    double   weight;
    int64_t  total;
    int64_t  count;
} tally;
WEIR_RECORD(tally, code, since, WEIR_FORMERLY(newest, last), WEIR_FORMERLY((cost, money), price),
            weight, WEIR_FORMERLY(total, amount), count);

typedef struct spent {
    weir_str longest;
    int64_t  cents;
    uint64_t count;
    int64_t  since;
} spent;
WEIR_RECORD(spent, longest, cents, count, since);

typedef struct plain {
    int64_t  cents;
    uint64_t count;
    int64_t  since;
} plain;
WEIR_RECORD(plain, cents, count, since);

typedef struct watch {
    weir_time timer;
    int64_t   since;
    uint64_t  count;
} watch;
WEIR_RECORD(watch, timer, since, count);

typedef struct note {
    weir_str article;
    int32_t  cents;
    uint32_t number;
    int64_t  since;
} note;
WEIR_RECORD(note, article, cents, number, since);

typedef struct article_key {
    weir_str name;
} article_key;
WEIR_RECORD(article_key, WEIR_FORMERLY(name, article));

#define SHOP    store
#define AMOUNT  total
#define NEWEST  newest
#define PRICE   cost
#define UNITS   units
#define ARTICLE name

#define COUNT_SINCE(state)    ((state)->since++)
#define ADD_SINCE(sum, more)  ((sum)->since += (more)->since)
#define SINCE(state)          ((state)->since)
#define CODE_CHECK(state)     shop_text_check(&(state)->code)
#define SET_CODE(state, text) set_code(state, text)

// In a state that is new; one that was stored has it already.
static void set_code(tally *state, const char *text)
{
    if (state->count == 1) {
        state->code = weir_str_from(text);
    }
}

#define SHOP_JOB shop_later
#include "tests/support/shop_job.inl.h"

// The types as they were first. tests/fixtures/checkpoint-1 was made by them: do not change them.
#include "tests/support/shop_job.h"

#include <string.h>

typedef struct sale {
    weir_time at;
    uint64_t  number;
    uint32_t  shop;
    int32_t   cents;
    weir_str  article;
} sale;
WEIR_RECORD(sale, at, number, shop, cents, article);
WEIR_KEY(by_shop, sale, shop);
WEIR_KEY(by_article, sale, article);

typedef struct money {
    int32_t  cents;
    uint32_t currency;
} money;
WEIR_RECORD(money, cents, currency);

typedef struct tally {
    int32_t  count;
    float    weight;
    int32_t  amount;
    weir_str last;
    char     code[4];
    uint16_t lost;
    weir_str lost_text;
    money    price;
} tally;
WEIR_RECORD(tally, count, weight, amount, last, code, lost, lost_text, (price, money));

typedef struct spent {
    uint32_t count;
    int32_t  cents;
    weir_str longest;
} spent;
WEIR_RECORD(spent, count, cents, longest);

typedef struct plain {
    uint32_t count;
    int32_t  cents;
} plain;
WEIR_RECORD(plain, count, cents);

typedef struct watch {
    uint32_t  count;
    weir_time timer;
} watch;
WEIR_RECORD(watch, count, timer);

typedef struct note {
    uint32_t number;
    weir_str article;
    int16_t  cents;
} note;
WEIR_RECORD(note, number, article, cents);

typedef struct article_key {
    weir_str article;
} article_key;
WEIR_RECORD(article_key, article);

#define SHOP    shop
#define AMOUNT  amount
#define NEWEST  last
#define PRICE   price
#define UNITS   cents
#define ARTICLE article

#define COUNT_SINCE(state)   ((void)0)
#define ADD_SINCE(sum, more) ((void)0)
#define SINCE(state)         0
#define CODE_CHECK(state)    code_check((state)->code)
#define SET_CODE(state, text)                                                                      \
    (memcpy((state)->code, text, 2), (state)->lost = 7,                                            \
     (state)->lost_text = weir_str_from("a text that the later version has not"))

static int64_t code_check(const char *code)
{
    const weir_str text = weir_str_of(code, strnlen(code, 4));
    return shop_text_check(&text);
}

#define SHOP_JOB shop_first
#include "tests/support/shop_job.inl.h"

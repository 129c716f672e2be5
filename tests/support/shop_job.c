#include "tests/support/shop_job.h"

#include "runtime/base/base.h"

int32_t shop_cents(uint64_t number) { return (int32_t)(number % 100) - 20; }

uint32_t shop_article(const weir_str *name)
{
    uint32_t article = 0;
    while (article < ARTICLES) {
        const weir_str one = weir_str_from(shop_articles[article]);
        if (weir_str_equal(&one, name)) {
            break;
        }
        article++;
    }
    return article;
}

int64_t shop_text_check(const weir_str *text)
{
    return (int64_t)(wr_hash_bytes(weir_str_bytes(text), text->length, 1) >> 40);
}

void shop_see(struct shop_seen *seen, enum shop_kind kind, const shop_row *row)
{
    (void)pthread_mutex_lock(&seen->lock);
    uint32_t i = 0;
    while (i < seen->of[kind].count && (seen->of[kind].rows[i].shop != row->shop ||
                                        seen->of[kind].rows[i].article != row->article ||
                                        seen->of[kind].rows[i].start != row->start)) {
        i++;
    }
    WR_CHECK(i < SHOP_ROWS);
    if (i == seen->of[kind].count || row->count >= seen->of[kind].rows[i].count) {
        seen->of[kind].rows[i] = *row;
    }
    seen->of[kind].count += i == seen->of[kind].count;
    (void)pthread_mutex_unlock(&seen->lock);
}

// views: of each customer the last three purchases, in a list, and the sum of each shop, in a map.
#include <weir.h>

typedef struct purchase {
    uint32_t customer;
    weir_str shop;
    int64_t  cents;
} purchase;
WEIR_RECORD(purchase, customer, shop, cents);

static void make_purchase(purchase *p, uint64_t number, weir_time due)
{
    static const char *const shops[] = { "books", "tools", "books", "music", "books" };
    (void)due;
    p->customer = 1;
    p->shop     = weir_str_from(shops[number]);
    p->cents    = 100 + (int64_t)number;
}
WEIR_GENERATOR(purchases, purchase, make_purchase);
WEIR_KEY(by_customer, purchase, customer);

typedef struct amount {
    int64_t cents;
} amount;
WEIR_RECORD(amount, cents);
WEIR_LIST(recent, amount);

typedef struct shop_name {
    weir_str name;
} shop_name;
WEIR_RECORD(shop_name, name);
WEIR_MAP_STATE(sums, shop_name, amount);

typedef struct nothing {
    uint32_t unused; // the views are all there is to remember
} nothing;
WEIR_RECORD(nothing, unused);

typedef struct summary {
    uint32_t customer;
    int64_t  recent_cents; // of the last three purchases
    uint32_t shop_count;
    weir_str shop;
    int64_t  shop_cents; // of this shop so far
} summary;
WEIR_RECORD(summary, customer, recent_cents, shop_count, shop, shop_cents);

WEIR_EMITS(summaries, summary);
static void on_purchase(weir_call *call, const by_customer *key, nothing *state, const purchase *p)
{
    const shop_name shop = { p->shop };
    (void)state;
    if (weir_list_count(call, &recent) == 3) { // the oldest goes: the others move up
        for (uint32_t i = 0; i < 2; i++) {
            const amount next = *(amount *)weir_list_at(call, &recent, i + 1);
            *(amount *)weir_list_at(call, &recent, i) = next;
        }
        weir_list_remove(call, &recent, 2);
    }
    ((amount *)weir_list_add(call, &recent))->cents = p->cents;

    amount *sum = weir_map_put(call, &sums, &shop); // zeros the first time
    sum->cents += p->cents;

    summary *out    = summaries_emit(call);
    out->customer   = key->customer;
    out->shop       = p->shop;
    out->shop_cents = sum->cents;
    out->shop_count = weir_map_count(call, &sums);
    for (uint32_t i = 0; i < weir_list_count(call, &recent); i++) {
        out->recent_cents += ((const amount *)weir_list_at(call, &recent, i))->cents;
    }
}
static void no_timer(weir_call *call, const by_customer *key, nothing *state, weir_time at)
{
    (void)call, (void)key, (void)state, (void)at;
}
WEIR_PROCESS(summaries, purchase, by_customer, nothing, summary, on_purchase, no_timer);

int main(int argc, char **argv)
{
    static const weir_generator_options five      = { .events = 5 };
    static const weir_file_sink_options to_stdout = { .path = "-" };
    static const weir_process_options   uses      = { .lists = { &recent }, .maps = { &sums } };

    weir_job  *job       = weir_job_open("views");
    weir_keyed customers = weir_key(weir_generate(job, &purchases, &five), &by_customer_key);
    weir_to_jsonl(weir_process(customers, &summaries, &uses), &to_stdout);
    return weir_main(job, argc, argv);
}

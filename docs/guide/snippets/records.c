// records: what a record may hold, and the functions that work on one record at a time.
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

typedef struct money {
    int64_t cents;
    char    currency[4]; // text, padded with zeros
} money;
WEIR_RECORD(money, cents, currency);

typedef struct order {
    weir_time at;
    weir_str  customer;
    money     price;
    uint32_t  items[3]; // 0: none
} order;
WEIR_RECORD(order, at, customer, (price, money), items);

static void make_order(order *o, uint64_t number, weir_time due)
{
    static const char *const customers[] = { "Ada", "Grace Brewster Hopper" };
    (void)due;
    o->at          = WEIR_SECONDS(number);
    o->customer    = weir_str_from(customers[number % 2]);
    o->price.cents = (int64_t)number * 250;
    memcpy(o->price.currency, "EUR", 4);
    o->items[0] = (uint32_t)number;
    o->items[1] = number % 2 == 0 ? 100 : 0;
}
WEIR_GENERATOR(orders, order, make_order);

static bool costs_something(const order *o) { return o->price.cents > 0; }
WEIR_FILTER(sold, order, costs_something);

typedef struct label {
    weir_str text;
    weir_str customer;
    money    price;
} label;
WEIR_RECORD(label, text, customer, (price, money));

static void to_label(label *out, const order *o, weir_call *call)
{
    enum { TEXT_BYTES = 40 };
    char     *text = weir_scratch(call, TEXT_BYTES); // lives until the label is on its way
    const int length =
        snprintf(text, TEXT_BYTES, "order of second %" PRId64, (int64_t)(o->at / 1000000));
    out->text     = weir_str_of(text, (size_t)length);
    out->customer = o->customer;
    out->price    = o->price;
}
WEIR_MAP(labels, order, label, to_label);

typedef struct item {
    uint32_t number;
} item;
WEIR_RECORD(item, number);

WEIR_EMITS(items, item);
static void each_item(weir_call *call, const order *o)
{
    for (int i = 0; i < 3; i++) {
        if (o->items[i] != 0) {
            items_emit(call)->number = o->items[i];
        }
    }
}
WEIR_FLAT_MAP(items, order, item, each_item);

typedef struct tally {
    uint64_t count;
} tally;
static void count_item(tally *local, const item *i)
{
    (void)i;
    local->count++;
}
static void add_tally(tally *local, void *opaque) { *(uint64_t *)opaque += local->count; }
WEIR_SINK(item_count, item, tally, count_item, add_tally);

int main(void)
{
    uint64_t               item_total = 0;
    weir_generator_options five;
    weir_file_sink_options to_stdout;
    memset(&five, 0, sizeof(five)); // zero is the default of every option
    memset(&to_stdout, 0, sizeof(to_stdout));
    five.events    = 5;
    to_stdout.path = "-";

    weir_job   *job     = weir_job_open("records");
    weir_stream of_sale = weir_filter(weir_generate(job, &orders, &five), &sold);
    weir_to_jsonl(weir_map(of_sale, &labels), &to_stdout);
    weir_sink(weir_flat_map(of_sale, &items), &item_count, &item_total); // a branch: used twice
    const weir_status status = weir_job_run(job, NULL);
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
    }
    (void)printf("%" PRIu64 " items\n", item_total);
    weir_job_close(job);
    return weir_status_exit_code(status);
}

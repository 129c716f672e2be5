// card_guard: cards with more than three failed payments in ten minutes, as they happen.
//
//   payments generate --events 200000 | card_guard run
#include <weir.h>

typedef struct payment {
    weir_time at;
    weir_str  kind, card_id;
    int64_t   amount_cents;
} payment;
WEIR_RECORD(payment, at, kind, card_id, amount_cents);

static bool is_failed(const payment *p)
{
    const weir_str failed = weir_str_from("PaymentFailed");
    return weir_str_equal(&p->kind, &failed);
}
WEIR_FILTER(failed, payment, is_failed);
WEIR_KEY(by_card, payment, card_id);

typedef struct failures {
    int64_t count, amount_cents;
} failures;
WEIR_RECORD(failures, count, amount_cents);
static void add(failures *f, const payment *p)
{
    f->count++;
    f->amount_cents += p->amount_cents;
}
static void merge(failures *f, const failures *more)
{
    f->count += more->count;
    f->amount_cents += more->amount_cents;
}
static void unmerge(failures *f, const failures *less)
{
    f->count -= less->count;
    f->amount_cents -= less->amount_cents;
}

typedef struct alert {
    weir_str  card_id;
    weir_time window_end;
    int64_t   failures, amount_cents;
} alert;
WEIR_RECORD(alert, card_id, window_end, failures, amount_cents);
static bool to_alert(alert *out, const by_card *key, const weir_pane *pane, const failures *f)
{
    out->card_id      = key->card_id;
    out->window_end   = pane->end;
    out->failures     = f->count;
    out->amount_cents = f->amount_cents;
    return f->count > 3;
}
WEIR_AGGREGATE_REMOVABLE(failures_per_card, payment, by_card, failures, alert, add, merge, unmerge,
                         to_alert);

int main(int argc, char **argv)
{
    static weir_jsonl_source_options from_stdin; // zeros are defaults
    static weir_file_sink_options    to_stdout;
    from_stdin.path              = "-";
    from_stdin.type              = &payment_type;
    from_stdin.time.field        = "at";
    from_stdin.time.out_of_order = WEIR_SECONDS(5);
    to_stdout.path               = "-";

    const weir_window ten_minutes = weir_sliding(WEIR_MINUTES(10), WEIR_SECONDS(10));

    weir_job   *job      = weir_job_open("card-guard");
    weir_stream payments = weir_from_jsonl(job, &from_stdin);
    weir_stream bad      = weir_filter(payments, &failed);
    weir_keyed  per_card = weir_key(bad, &by_card_key);
    weir_to_jsonl(weir_aggregate(per_card, ten_minutes, &failures_per_card), &to_stdout);
    return weir_main(job, argc, argv);
}

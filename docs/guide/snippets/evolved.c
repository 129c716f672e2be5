// A record of state that has changed since it was first written: what checkpoints of the program
// before hold of it is found by the names its fields had.
#include <weir.h>

#include <stdio.h>

typedef struct attempt {
    uint64_t card;
    int64_t  cents;
} attempt;
WEIR_RECORD(attempt, card, cents);
WEIR_KEY(by_card, attempt, card);

typedef struct failures {
    int64_t count;
    int64_t cents;
} failures;
WEIR_RECORD(failures, count, WEIR_FORMERLY(cents, amount_cents, sum));

static void make(attempt *a, uint64_t number, weir_time due)
{
    (void)due;
    a->card  = number % 3;
    a->cents = 100;
}
WEIR_GENERATOR(attempts, attempt, make);

static void fail(attempt *out, const by_card *key, failures *f, const attempt *a)
{
    f->count++;
    f->cents += a->cents;
    out->card  = key->card;
    out->cents = f->cents;
}
WEIR_REDUCE(failed, attempt, by_card, failures, attempt, fail);

int main(void)
{
    const weir_generator_options ten = { .events = 10 };
    weir_job                    *job = weir_job_open("evolved");
    const weir_keyed             in  = weir_key(weir_generate(job, &attempts, &ten), &by_card_key);
    weir_to_jsonl(weir_reduce(in, &failed), &(weir_file_sink_options){ .path = "-" });
    const weir_status status = weir_job_run(job, &(weir_run_options){ .workers = 1 });
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
    }
    weir_job_close(job);
    return status != WEIR_OK;
}

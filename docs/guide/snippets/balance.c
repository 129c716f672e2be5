// balance: each transfer once, and the balance of its account after it.
#include <weir.h>

typedef struct transfer {
    weir_time at;
    uint64_t  id, account;
    int64_t   cents;
} transfer;
WEIR_RECORD(transfer, at, id, account, cents);

static void make_transfer(transfer *t, uint64_t number, weir_time due)
{
    (void)due;
    t->at      = WEIR_SECONDS(number);
    t->id      = number == 3 ? 1 : number; // number 3 is number 1 again
    t->account = 7;
    t->cents   = 100 * (int64_t)t->id;
}
WEIR_GENERATOR(transfers, transfer, make_transfer);

WEIR_KEY(by_id, transfer, id);
WEIR_KEY(by_account, transfer, account);

typedef struct account_state {
    int64_t cents;
} account_state;
WEIR_RECORD(account_state, cents);

typedef struct balance {
    weir_time at;
    uint64_t  account;
    int64_t   cents;
} balance;
WEIR_RECORD(balance, at, account, cents);

static void update(balance *out, const by_account *key, account_state *state, const transfer *t)
{
    state->cents += t->cents;
    out->at      = t->at;
    out->account = key->account;
    out->cents   = state->cents;
}
WEIR_REDUCE(balances, transfer, by_account, account_state, balance, update);

int main(int argc, char **argv)
{
    static const weir_generator_options six       = { .events = 6, .time = { .field = "at" } };
    static const weir_file_sink_options to_stdout = { .path = "-" };

    weir_job   *job  = weir_job_open("balance");
    weir_stream all  = weir_generate(job, &transfers, &six);
    weir_stream once = weir_deduplicate(weir_key(all, &by_id_key), WEIR_HOURS(1), 0);
    weir_parallelism(once, 1); // one task: what it passes stays in order
    weir_to_jsonl(weir_reduce(weir_key(once, &by_account_key), &balances), &to_stdout);
    return weir_main(job, argc, argv);
}

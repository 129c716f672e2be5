// silence: tells when a device has not been heard of for a minute, and when it is back.
#include <weir.h>

typedef struct beat {
    weir_time at;
    uint32_t  device;
} beat;
WEIR_RECORD(beat, at, device);

// Device 1 every 20 seconds, device 2 too, but not between 60 and 180.
static void make_beat(beat *b, uint64_t number, weir_time due)
{
    (void)due;
    b->at           = WEIR_SECONDS(number / 2 * 20);
    const bool miss = b->at > WEIR_SECONDS(60) && b->at < WEIR_SECONDS(180);
    b->device       = number % 2 == 1 && !miss ? 2 : 1;
}
WEIR_GENERATOR(beats, beat, make_beat);
WEIR_KEY(by_device, beat, device);

typedef struct device_state {
    weir_time silent_at; // unless it is heard of before
    bool      is_known;
    bool      is_silent; // and has been told so
} device_state;
WEIR_RECORD(device_state, silent_at, is_known, is_silent);

typedef struct notice {
    weir_time at;
    uint32_t  device;
    weir_str  what;
} notice;
WEIR_RECORD(notice, at, device, what);

WEIR_EMITS(watch, notice);
static void tell(weir_call *call, weir_time at, uint32_t device, const char *what)
{
    notice *n = watch_emit_change(call, WEIR_INSERT, at);
    n->at     = at;
    n->device = device;
    n->what   = weir_str_from(what);
}

static void on_silence(weir_call *call, const by_device *key, device_state *state, weir_time at)
{
    state->is_silent = true;
    tell(call, at, key->device, "is silent");
}

static void on_beat(weir_call *call, const by_device *key, device_state *state, const beat *b)
{
    if (state->is_known && !state->is_silent) {
        weir_timer_clear(call, state->silent_at);
        if (b->at >= state->silent_at) { // the watermark has yet to come this far
            on_silence(call, key, state, state->silent_at);
        }
    }
    if (state->is_silent) {
        state->is_silent = false;
        tell(call, b->at, key->device, "is back");
    }
    state->is_known  = true;
    state->silent_at = weir_time_add(b->at, WEIR_MINUTES(1));
    weir_timer_set(call, state->silent_at);
}
WEIR_PROCESS(watch, beat, by_device, device_state, notice, on_beat, on_silence);

int main(int argc, char **argv)
{
    static const weir_generator_options beats_24  = { .events = 24, .time = { .field = "at" } };
    static const weir_file_sink_options to_stdout = { .path = "-" };

    weir_job  *job     = weir_job_open("silence");
    weir_keyed devices = weir_key(weir_generate(job, &beats, &beats_24), &by_device_key);
    weir_to_jsonl(weir_process(devices, &watch, NULL), &to_stdout);
    return weir_main(job, argc, argv);
}

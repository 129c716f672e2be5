#include "resume.h"

#include "ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- marks ----

static uint64_t mix(uint64_t mark, uint64_t number)
{
    mark = (mark ^ number) * UINT64_C(0x9fb21c651e98df25);
    return mark ^ (mark >> 32);
}

static uint64_t mix_text(uint64_t mark, const weir_str *text)
{
    const char *bytes = weir_str_bytes(text);
    mark              = mix(mark, text->length);
    for (uint32_t at = 0; at < text->length; at += 8) {
        uint64_t       word = 0;
        const uint32_t left = text->length - at;
        memcpy(&word, bytes + at, left < 8 ? left : 8);
        mark = mix(mark, word);
    }
    return mark;
}

static uint64_t mark_of_event(const event_line *e)
{
    uint64_t mark = mix_text(1, &e->event_id);
    mark          = mix_text(mark, &e->kind);
    mark          = mix_text(mark, &e->order_id);
    mark          = mix_text(mark, &e->customer_id);
    mark          = mix_text(mark, &e->card_id);
    mark          = mix_text(mark, &e->region);
    mark          = mix(mark, (uint64_t)e->at);
    return mix(mark, (uint64_t)e->amount_cents) | 1;
}

// A dead letter is told by its place.
static uint64_t mark_of_letter(const weir_dead_letter *letter)
{
    return mix(mix_text(1, &letter->partition), letter->line) | 1;
}

// The slot of the mark, or the free one where it would be.
static uint64_t marks_slot(const payments_marks *m, uint64_t mark)
{
    uint64_t slot = (mark >> 1) & (m->capacity - 1);
    while (m->marks[slot] != 0 && m->marks[slot] != mark) {
        slot = (slot + 1) & (m->capacity - 1);
    }
    return slot;
}

static void marks_add(payments_marks *m, uint64_t mark, uint32_t count);

static void marks_grow(payments_marks *m)
{
    const payments_marks old = *m;
    m->capacity              = old.capacity == 0 ? 4096 : old.capacity * 2;
    m->marks                 = (uint64_t *)calloc(m->capacity, sizeof(*m->marks));
    m->counts                = (uint32_t *)calloc(m->capacity, sizeof(*m->counts));
    m->used                  = 0;
    m->total                 = 0;
    if (m->marks == NULL || m->counts == NULL) {
        (void)fputs("payments produce: out of memory\n", stderr);
        exit(weir_status_exit_code(WEIR_NO_MEMORY));
    }
    for (uint64_t i = 0; i < old.capacity; i++) {
        if (old.marks[i] != 0) {
            marks_add(m, old.marks[i], old.counts[i]);
        }
    }
    free(old.marks);
    free(old.counts);
}

static void marks_add(payments_marks *m, uint64_t mark, uint32_t count)
{
    if (m->used * 4 >= m->capacity * 3) {
        marks_grow(m);
    }
    const uint64_t slot = marks_slot(m, mark);
    m->used += m->marks[slot] == 0 ? 1 : 0;
    m->marks[slot] = mark;
    m->counts[slot] += count;
    m->total += count;
}

// Whether the mark was there, which it then is once less.
static bool marks_take(payments_marks *m, uint64_t mark)
{
    const uint64_t slot = m->capacity > 0 ? marks_slot(m, mark) : 0;
    if (m->capacity == 0 || m->marks[slot] == 0 || m->counts[slot] == 0) {
        return false;
    }
    m->counts[slot]--;
    return true;
}

// ---- what the log has ----

static void add_rows(payments_present *present, const weir_log_rows *rows, bool are_events)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        if (are_events) {
            marks_add(&present->events, mark_of_event((const event_line *)rows->rows + i), 1);
        } else {
            marks_add(&present->letters, mark_of_letter((const weir_dead_letter *)rows->rows + i),
                      1);
        }
    }
}

static weir_status read_topic(weir_log *log, const weir_topic *topic, payments_present *present)
{
    weir_topic          stored;
    weir_reader        *reader = NULL;
    weir_reader_options options;
    weir_log_rows       rows;
    memset(&options, 0, sizeof(options));
    options.type       = topic->type;
    options.start      = WEIR_START_EARLIEST;
    options.is_bounded = true;
    if (weir_log_topic(log, topic->name, &stored) == WEIR_NOT_FOUND) {
        return WEIR_OK; // nothing was appended
    }
    weir_status status = weir_reader_open(log, topic->name, &options, &reader);
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "payments produce: %s\n", weir_log_error(log));
        return status;
    }
    while ((status = weir_reader_next(reader, -1, &rows)) == WEIR_OK) {
        add_rows(present, &rows, topic == &payments_events_topic);
    }
    if (status != WEIR_AT_END) {
        (void)fprintf(stderr, "payments produce: %s\n", weir_reader_error(reader));
    }
    weir_reader_close(reader);
    return status == WEIR_AT_END ? WEIR_OK : status;
}

weir_status payments_present_read(const char *directory, payments_present *present)
{
    weir_log        *log = NULL;
    weir_log_options writing; // as the writer, who recovers first what a crash has left
    memset(&writing, 0, sizeof(writing));
    writing.writes     = true;
    writing.creates    = true;
    weir_status status = weir_log_open(directory, &writing, &log);
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "payments produce: %s\n",
                      log != NULL ? weir_log_error(log) : weir_status_sentence(status));
    } else {
        status = read_topic(log, &payments_events_topic, present);
        status =
            status == WEIR_OK ? read_topic(log, &payments_dead_letters_topic, present) : status;
    }
    if (log != NULL) {
        (void)weir_log_close(log);
    }
    return status;
}

// ---- what it has not ----

static payments_present *present_of(weir_call *call)
{
    return *(payments_present *const *)weir_parameters(call);
}

static bool is_new_event(const event_line *e, weir_call *call)
{
    return !marks_take(&present_of(call)->events, mark_of_event(e));
}
WEIR_FILTER(new_events, event_line, is_new_event);

static bool is_new_letter(const weir_dead_letter *letter, weir_call *call)
{
    return !marks_take(&present_of(call)->letters, mark_of_letter(letter));
}

WEIR_FILTER(new_letters, weir_dead_letter, is_new_letter);

// One task: the marks are counted by one thread.
weir_stream payments_new_events(weir_stream lines, payments_present *present)
{
    const weir_stream out = weir_filter(lines, &new_events);
    return weir_parallelism(weir_with(out, &present, sizeof(present)), 1);
}

weir_stream payments_new_letters(weir_stream letters, payments_present *present)
{
    const weir_stream out = weir_filter(letters, &new_letters);
    return weir_parallelism(weir_with(out, &present, sizeof(present)), 1);
}

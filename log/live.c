// Head and slots are words that are each stored and loaded as one. Two processes agree by two
// rules:
//
//   slot   the writer makes `sequence` odd, stores the words with release, makes it even with
//          release. A reader loads it, loads the words with acquire, loads it again. Whoever read a
//          new word has synchronised with the store of it, and so sees at least the odd sequence
//          that came before: the second load differs. No fences: ThreadSanitizer knows none, and
//          on x86-64 these loads and stores are plain ones.
//   head   `boot` is stored last, with release, when all slots have been made void. Who sees it
//   with
//          acquire sees what this writer, or a later one, made of them.
//
// A writer that was killed within a publication leaves the sequence odd. Readers then find nothing
// until the next writer's publication, which goes on from there.
#include "log/live.h"

#include <errno.h>

#define LIVE_MAGIC   0x6c72697765766c31u
#define LIVE_VERSION 1u
#define PAGE         4096u
#define READ_TRIES   1000u
#define SLOT_WORDS   6u

struct head {
    uint64_t magic;
    uint32_t version, partitions;
    uint64_t boot; // of the machine; 0: not valid
    uint32_t epoch, process;
    uint32_t word;
    uint32_t zeros[7];
};

struct slot {
    uint64_t sequence;     // odd: it is being written
    uint64_t is_published; // 0: what follows says nothing
    uint64_t words[SLOT_WORDS];
};

struct wr_live {
    struct wr_environment *environment;
    struct head           *head; // a reader's may not be written
    struct slot           *slots;
    uint32_t               partitions;
    size_t                 bytes;
};

_Static_assert(sizeof(struct head) == WR_CACHE_LINE, "the head is one line");
_Static_assert(sizeof(struct slot) == WR_CACHE_LINE, "a slot is one line");
_Static_assert(sizeof(struct wr_live_position) == SLOT_WORDS * sizeof(uint64_t),
               "a position is as many words as a slot");

static struct wr_live *live_map(struct wr_environment *environment, const char *path,
                                uint32_t partitions, bool is_writer, int *error)
{
    WR_ASSERT(partitions > 0);
    const size_t bytes  = wr_round_up(sizeof(struct head) + partitions * sizeof(struct slot), PAGE);
    void *const  memory = environment->ops->share(environment, path, bytes, is_writer, error);
    if (memory == NULL) {
        return NULL;
    }
    struct wr_live *live = wr_alloc(sizeof(*live));
    live->environment    = environment;
    live->head           = memory;
    live->slots          = (struct slot *)((struct head *)memory + 1);
    live->partitions     = partitions;
    live->bytes          = bytes;
    return live;
}

// ---- publishing ----

static void slot_write(struct slot *slot, bool is_published, const uint64_t *words)
{
    const uint64_t odd = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(&slot->sequence, odd, __ATOMIC_RELAXED);
    // Each of these carries the odd sequence with it; pairs with the loads in wr_live_look.
    __atomic_store_n(&slot->is_published, is_published, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < SLOT_WORDS; i++) {
        __atomic_store_n(&slot->words[i], words[i], __ATOMIC_RELEASE);
    }
    // Pairs with the first load in wr_live_look.
    __atomic_store_n(&slot->sequence, odd + 1, __ATOMIC_RELEASE);
}

void wr_live_publish(struct wr_live *live, uint32_t partition,
                     const struct wr_live_position *position)
{
    WR_ASSERT(partition < live->partitions);
    WR_CHECK(position->first_offset <= position->readable);
    uint64_t words[SLOT_WORDS];
    memcpy(words, position, sizeof(words));
    slot_write(&live->slots[partition], true, words);
}

enum wr_live_look wr_live_look(const struct wr_live *live, uint32_t partition,
                               struct wr_live_position *position)
{
    WR_ASSERT(partition < live->partitions);
    const struct slot *slot = &live->slots[partition];
    for (uint32_t i = 0; i < READ_TRIES; i++) {
        uint64_t       words[SLOT_WORDS];
        const uint64_t before       = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
        const bool     is_published = __atomic_load_n(&slot->is_published, __ATOMIC_ACQUIRE) != 0;
        for (uint32_t j = 0; j < SLOT_WORDS; j++) {
            words[j] = __atomic_load_n(&slot->words[j], __ATOMIC_ACQUIRE);
        }
        const uint64_t after = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
        if (before == after && before % 2 == 0) {
            memcpy(position, words, sizeof(words));
            return is_published ? WR_LIVE_KNOWN : WR_LIVE_VOID;
        }
    }
    return WR_LIVE_BUSY;
}

bool wr_live_read(const struct wr_live *live, uint32_t partition, struct wr_live_position *position)
{
    return wr_live_look(live, partition, position) == WR_LIVE_KNOWN;
}

// ---- the head ----

static bool head_is_whole(const struct wr_live *live)
{
    const struct head *head = live->head;
    return __atomic_load_n(&head->magic, __ATOMIC_ACQUIRE) == LIVE_MAGIC &&
           __atomic_load_n(&head->version, __ATOMIC_RELAXED) == LIVE_VERSION &&
           __atomic_load_n(&head->partitions, __ATOMIC_RELAXED) == live->partitions;
}

static void head_stamp(struct wr_live *live, uint32_t epoch)
{
    struct head           *head                = live->head;
    struct wr_environment *environment         = live->environment;
    const uint64_t         nothing[SLOT_WORDS] = { 0 };
    for (uint32_t i = 0; i < live->partitions; i++) {
        slot_write(&live->slots[i], false, nothing);
    }
    __atomic_store_n(&head->version, LIVE_VERSION, __ATOMIC_RELAXED);
    __atomic_store_n(&head->partitions, live->partitions, __ATOMIC_RELAXED);
    __atomic_store_n(&head->process, environment->ops->process(environment), __ATOMIC_RELAXED);
    // These two carry the slots and the fields above; pairs with head_is_whole, wr_live_is_current
    // and wr_live_epoch.
    __atomic_store_n(&head->epoch, epoch, __ATOMIC_RELEASE);
    __atomic_store_n(&head->magic, LIVE_MAGIC, __ATOMIC_RELEASE);
    __atomic_store_n(&head->boot, environment->ops->boot(environment), __ATOMIC_RELEASE);
    wr_live_wake_any(live);
}

struct wr_live *wr_live_open_writer(struct wr_environment *environment, const char *path,
                                    uint32_t partitions, uint32_t epoch, int *error)
{
    struct wr_live *live = live_map(environment, path, partitions, true, error);
    if (live != NULL) {
        head_stamp(live, epoch);
    }
    return live;
}

struct wr_live *wr_live_open_reader(struct wr_environment *environment, const char *path,
                                    uint32_t partitions, int *error)
{
    struct wr_live *live = live_map(environment, path, partitions, false, error);
    if (live != NULL && !head_is_whole(live)) {
        wr_live_close(live);
        *error = -ENODATA;
        return NULL;
    }
    return live;
}

void wr_live_close(struct wr_live *live)
{
    live->environment->ops->unshare(live->environment, live->head, live->bytes);
    wr_free(live);
}

void wr_live_retire(struct wr_live *live)
{
    __atomic_store_n(&live->head->boot, 0, __ATOMIC_RELEASE);
    wr_live_wake_any(live);
}

bool wr_live_is_current(const struct wr_live *live)
{
    struct wr_environment *environment = live->environment;
    return __atomic_load_n(&live->head->boot, __ATOMIC_ACQUIRE) ==
               environment->ops->boot(environment) &&
           head_is_whole(live);
}

uint32_t wr_live_epoch(const struct wr_live *live)
{
    return __atomic_load_n(&live->head->epoch, __ATOMIC_ACQUIRE);
}

// ---- the word ----

void wr_live_wake_any(struct wr_live *live)
{
    // Pairs with wr_live_word_now, and wr_load_word of who waits.
    (void)__atomic_fetch_add(&live->head->word, 1, __ATOMIC_RELEASE);
    live->environment->ops->wake_word(live->environment, &live->head->word);
}

const uint32_t *wr_live_word(const struct wr_live *live) { return &live->head->word; }

uint32_t wr_live_word_now(const struct wr_live *live)
{
    return __atomic_load_n(&live->head->word, __ATOMIC_ACQUIRE);
}

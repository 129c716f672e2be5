// The simulated disk against all that may survive a crash: random sequences of operations on a few
// names, then a reboot or a restart.
//
// usage: property_disk [--seed N] [--cases N]
//
// The model notes the changes of names since the last crash and, of each file, what is synced and
// what is written. After a reboot it tries every subset of the changes that holds the sure ones:
// one of them must give exactly the names that are there, and each file's size and blocks must be
// what that file may have. What is there is then what the model goes on with. A case is one
// sequence, of up to three such ends.
#include "runtime/base/disk.h"
#include "runtime/base/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SLOTS        = 9, // three names in each of /, /d and /e
    FILES        = 64,
    MOST_CHANGES = 10,
    BLOCKS       = 3,
    BYTES        = BLOCKS * WR_DISK_BLOCK,
    NOBODY       = -1
};

static const char *const paths[SLOTS] = { "/a",   "/b",   "/c",   "/d/a", "/d/b",
                                          "/d/c", "/e/a", "/e/b", "/e/c" };

static int directory_of(int slot) { return slot / 3; } // 0: the root, 1: /d, 2: /e

struct file {
    char     now[BYTES];
    char     synced[BYTES];
    bool     is_dirty[BLOCKS];
    uint32_t size;
    uint32_t synced_size;
    bool     size_is_dirty;
};

// Which file has which name, and whether /e is there.
struct names {
    int  file[SLOTS];
    bool has_e;
};

struct change {
    bool makes_e;
    int  from, to; // slots; NOBODY: none
    int  file;
    int  replaced;
    bool from_is_synced, to_is_synced, is_lost;
};

static struct wr_environment *environment;
static uint64_t               run_seed, case_number, random_state, write_count;
static struct file            files[FILES];
static int                    file_count;
static struct names           current, durable; // durable: before the first of the changes
static struct change          changes[MOST_CHANGES];
static int                    change_count;
static uint64_t               kept_count, lost_count, torn_count, between_count;

#define REQUIRE(claim)                                                                             \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "seed %llu, case %llu, line %d: %s\n", (unsigned long long)run_seed,   \
                    (unsigned long long)case_number, __LINE__, #claim);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint32_t below(uint32_t limit)
{
    random_state += 0x9e3779b97f4a7c15u;
    return (uint32_t)(wr_mix64(random_state, run_seed) >> 33) % limit;
}

// ---- the model's changes ----

static void note(struct change made)
{
    REQUIRE(change_count < MOST_CHANGES);
    made.from_is_synced     = made.from == NOBODY;
    made.to_is_synced       = made.to == NOBODY && !made.makes_e;
    changes[change_count++] = made;
}

// Makes one change of the names; false: it cannot be made on them.
static bool apply(struct names *names, const struct change *change)
{
    if (change->makes_e) {
        names->has_e = true;
        return true;
    }
    if (change->from != NOBODY && names->file[change->from] != change->file) {
        return false;
    }
    if (change->to != NOBODY && names->file[change->to] != NOBODY &&
        names->file[change->to] != change->replaced) {
        return false;
    }
    if (change->from != NOBODY) {
        names->file[change->from] = NOBODY;
    }
    if (change->to != NOBODY) {
        names->file[change->to] = change->file;
    }
    return true;
}

static bool is_sure(const struct change *change)
{
    return change->from_is_synced && change->to_is_synced && !change->is_lost;
}

static bool is_of_same(const struct change *a, const struct change *b)
{
    return a->makes_e == b->makes_e &&
           (a->makes_e || a->file == b->file ||
            (a->from != NOBODY && (a->from == b->from || a->from == b->to)) ||
            (a->to != NOBODY && (a->to == b->from || a->to == b->to)));
}

// What a sure change was made on is sure too.
static void spread_sureness(void)
{
    for (int later = change_count - 1; later >= 0; later--) {
        for (int i = 0; is_sure(&changes[later]) && i < later; i++) {
            if (is_of_same(&changes[later], &changes[i])) {
                changes[i].from_is_synced = changes[i].to_is_synced = true;
                changes[i].is_lost                                  = false;
            }
        }
    }
}

// Sure changes at the front are history.
static void forget_sure(void)
{
    spread_sureness();
    while (change_count > 0 && is_sure(&changes[0])) {
        REQUIRE(apply(&durable, &changes[0]));
        memmove(&changes[0], &changes[1], (size_t)--change_count * sizeof(changes[0]));
    }
}

static void note_directory_sync(int directory, bool is_failing)
{
    for (int i = 0; i < change_count; i++) {
        struct change *c         = &changes[i];
        const bool     from_here = c->from != NOBODY && directory_of(c->from) == directory;
        const bool     to_here =
            c->makes_e ? directory == 0 : c->to != NOBODY && directory_of(c->to) == directory;
        c->is_lost |= is_failing && !is_sure(c) && (from_here || to_here);
        c->from_is_synced |= from_here && !c->is_lost;
        c->to_is_synced |= to_here && !c->is_lost;
    }
    forget_sure();
}

// ---- what may be there after a crash ----

// Whether the block may be made of the file's: the first sectors new, the others old.
static bool block_may_be(const struct file *file, uint32_t block, const char *bytes, uint32_t size)
{
    const uint32_t most = file->is_dirty[block] ? WR_DISK_BLOCK : 0;
    for (uint32_t is_new = 0; is_new <= most; is_new += WR_DISK_SECTOR) {
        uint32_t i = 0;
        while (i < WR_DISK_BLOCK && block * WR_DISK_BLOCK + i < size) {
            const uint32_t at = block * WR_DISK_BLOCK + i;
            if (bytes[at] != (i < is_new ? file->now[at] : file->synced[at])) {
                break;
            }
            i++;
        }
        if (i == WR_DISK_BLOCK || block * WR_DISK_BLOCK + i >= size) {
            torn_count += is_new > 0 && is_new < WR_DISK_BLOCK;
            return true;
        }
    }
    return false;
}

static bool content_may_be(const struct file *file, const char *bytes, size_t size)
{
    bool may_be = size == file->synced_size || (file->size_is_dirty && size == file->size);
    for (uint32_t block = 0; block < BLOCKS && may_be; block++) {
        may_be = block_may_be(file, block, bytes, (uint32_t)size);
    }
    return may_be;
}

static const char *bytes_at(int slot, size_t *size)
{
    return wr_simulation_bytes(environment, paths[slot], size);
}

static bool e_is_there(void)
{
    struct wr_file_info info;
    return environment->ops->info(environment, "/e", &info) == 0;
}

// Whether these names, with contents that their files may have, are what is there.
static bool names_are_there(const struct names *names)
{
    bool are_there = names->has_e == e_is_there();
    for (int slot = 0; slot < SLOTS && are_there; slot++) {
        size_t      size  = 0;
        const char *bytes = bytes_at(slot, &size);
        const bool  is_seen =
            names->file[slot] != NOBODY && (directory_of(slot) != 2 || names->has_e);
        are_there = is_seen == (bytes != NULL) &&
                    (!is_seen || content_may_be(&files[names->file[slot]], bytes, size));
    }
    return are_there;
}

// Tries one subset of the changes: it has all that are sure, none that is lost, and each can be
// made.
static bool subset_is_there(uint32_t subset, struct names *names)
{
    *names = durable;
    for (int i = 0; i < change_count; i++) {
        const bool is_in = (subset >> i & 1) != 0;
        if (is_in ? changes[i].is_lost || !apply(names, &changes[i]) : is_sure(&changes[i])) {
            return false;
        }
    }
    return names_are_there(names);
}

// ---- going on with what is there ----

// The file's content on the disk and off it is what is there now.
static void file_settle(struct file *file, const char *bytes, size_t size)
{
    memset(file, 0, sizeof(*file));
    memcpy(file->now, bytes, size);
    memcpy(file->synced, bytes, size);
    file->size = file->synced_size = (uint32_t)size;
}

static void settle(const struct names *found)
{
    current = *found;
    for (int slot = 0; slot < SLOTS; slot++) {
        size_t      size;
        const char *bytes = bytes_at(slot, &size);
        if (bytes == NULL) {
            current.file[slot] = NOBODY;
        } else {
            file_settle(&files[current.file[slot]], bytes, size);
        }
    }
    durable      = current;
    change_count = 0;
}

static void reboot_and_compare(void)
{
    struct names   found;
    const uint32_t all = (1u << change_count) - 1;
    uint32_t       subset;
    wr_simulation_reboot(environment, ((uint64_t)below(1u << 30) << 30) + below(1u << 30));
    for (subset = 0; subset <= all && !subset_is_there(subset, &found); subset++) {
    }
    REQUIRE(subset <= all);
    kept_count += all > 0 && subset == all;
    lost_count += all > 0 && subset == 0;
    between_count += subset > 0 && subset < all;
    settle(&found);
}

// All that was done is there.
static void compare_now(void)
{
    REQUIRE(current.has_e == e_is_there());
    for (int slot = 0; slot < SLOTS; slot++) {
        size_t      size  = 0;
        const char *bytes = bytes_at(slot, &size);
        REQUIRE((bytes != NULL) == (current.file[slot] != NOBODY));
        REQUIRE(bytes == NULL || (size == files[current.file[slot]].size &&
                                  memcmp(bytes, files[current.file[slot]].now, size) == 0));
    }
}

// What a direct read gives is what is synced.
static void compare_direct(int slot)
{
    static _Alignas(WR_DIRECT_ALIGN) char bytes[BYTES];
    const struct file                    *file = &files[current.file[slot]];
    const int descriptor = environment->ops->open(environment, paths[slot], WR_OPEN_DIRECT);
    REQUIRE(descriptor >= 0);
    for (int64_t at = 0; at < BYTES; at += WR_DIRECT_ALIGN) {
        const int64_t left = (int64_t)file->synced_size - at;
        const int64_t got =
            environment->ops->read_at(environment, descriptor, bytes, WR_DIRECT_ALIGN, at);
        REQUIRE(got == (left < 0 ? 0 : left > WR_DIRECT_ALIGN ? WR_DIRECT_ALIGN : left));
        REQUIRE(memcmp(bytes, file->synced + at, (size_t)got) == 0);
    }
    environment->ops->close(environment, descriptor);
}

// ---- operations ----

static bool slot_is_open(int slot) { return directory_of(slot) != 2 || current.has_e; }

static void create(int slot)
{
    const int opened = environment->ops->open(environment, paths[slot], WR_OPEN_EXCLUSIVE);
    REQUIRE(slot_is_open(slot) == (opened != -ENOENT));
    if (opened < 0) {
        REQUIRE(!slot_is_open(slot) || current.file[slot] != NOBODY);
        return;
    }
    environment->ops->close(environment, opened);
    REQUIRE(current.file[slot] == NOBODY && file_count < FILES);
    memset(&files[file_count], 0, sizeof(files[0]));
    note((struct change){ .from = NOBODY, .to = slot, .file = file_count, .replaced = NOBODY });
    current.file[slot] = file_count++;
}

static void write_some(struct file *file, int descriptor)
{
    char           bytes[6000];
    const uint32_t at    = below(BYTES - sizeof(bytes));
    const uint32_t count = 1 + below(sizeof(bytes) - 1);
    write_count++;
    for (uint32_t i = 0; i < count; i++) { // no two writes put the same bytes anywhere
        bytes[i] = (char)(wr_mix64(write_count, (at + i) / 8) >> (at + i) % 8 * 8);
    }
    REQUIRE(environment->ops->write_at(environment, descriptor, bytes, count, at) == count);
    memcpy(file->now + at, bytes, count);
    for (uint32_t block = at / WR_DISK_BLOCK; block * WR_DISK_BLOCK < at + count; block++) {
        file->is_dirty[block] = true;
    }
    const uint32_t end = at + count > file->size ? at + count : file->size;
    file->size_is_dirty |= end != file->size || at + count > file->synced_size;
    file->size = end;
}

static void resize(struct file *file, int descriptor, uint32_t size, bool only_grows)
{
    if (only_grows) {
        REQUIRE(environment->ops->preallocate(environment, descriptor, size) == 0);
        size = size > file->size ? size : file->size;
    } else {
        REQUIRE(environment->ops->truncate(environment, descriptor, size) == 0);
        const uint32_t low  = size < file->size ? size : file->size;
        const uint32_t high = size < file->size ? file->size : size;
        memset(file->now + low, 0, high - low);
        for (uint32_t block = low / WR_DISK_BLOCK; block * WR_DISK_BLOCK < high && low < high;
             block++) {
            file->is_dirty[block] = true;
        }
    }
    file->size_is_dirty |= size != file->size;
    file->size = size;
}

static bool plan_failing_sync(void)
{
    const bool is_failing = below(6) == 0;
    if (is_failing) {
        wr_simulation_fault_at(environment, wr_simulation_changes(environment), WR_DISK_UNSYNCED);
    }
    return is_failing;
}

static void sync_file(struct file *file, int descriptor)
{
    const bool is_failing = plan_failing_sync();
    const int  status     = below(2) == 0 ? environment->ops->sync(environment, descriptor)
                                          : environment->ops->sync_data(environment, descriptor);
    REQUIRE(status == (is_failing ? -EIO : 0));
    for (uint32_t block = 0; block < BLOCKS; block++) {
        const uint32_t at = block * WR_DISK_BLOCK;
        if (file->is_dirty[block] && !is_failing) {
            memcpy(file->synced + at, file->now + at, WR_DISK_BLOCK);
        }
        file->is_dirty[block] = false;
    }
    file->synced_size   = file->size_is_dirty && !is_failing ? file->size : file->synced_size;
    file->size_is_dirty = false;
    memset(file->synced + file->synced_size, 0, BYTES - file->synced_size);
}

static void change_content(int slot)
{
    if (current.file[slot] == NOBODY) {
        return;
    }
    struct file *file       = &files[current.file[slot]];
    const int    descriptor = environment->ops->open(environment, paths[slot], WR_OPEN_UPDATE);
    REQUIRE(descriptor >= 0);
    switch (below(6)) {
    case 0: resize(file, descriptor, below(BYTES), false); break;
    case 1: resize(file, descriptor, below(BYTES), true); break;
    case 2: sync_file(file, descriptor); break;
    default: write_some(file, descriptor);
    }
    environment->ops->close(environment, descriptor);
    compare_direct(slot);
}

static void rename_one(int from, int to)
{
    const bool is_new   = below(2) == 0;
    const bool can_move = current.file[from] != NOBODY && slot_is_open(to) && from != to;
    const int  status   = is_new ? environment->ops->rename_new(environment, paths[from], paths[to])
                                 : environment->ops->rename(environment, paths[from], paths[to]);
    if (!can_move || (is_new && current.file[to] != NOBODY)) {
        REQUIRE(status < 0 || (from == to && !is_new));
        return;
    }
    REQUIRE(status == 0);
    note((struct change){
        .from = from, .to = to, .file = current.file[from], .replaced = current.file[to] });
    current.file[to]   = current.file[from];
    current.file[from] = NOBODY;
}

static void unlink_one(int slot)
{
    const int status = environment->ops->unlink(environment, paths[slot]);
    REQUIRE(status == (current.file[slot] == NOBODY ? -ENOENT : 0));
    if (status == 0) {
        note((struct change){ .from = slot, .to = NOBODY, .file = current.file[slot] });
        current.file[slot] = NOBODY;
    }
}

static void make_e(void)
{
    const int status = environment->ops->make_directory(environment, "/e");
    REQUIRE(status == (current.has_e ? -EEXIST : 0));
    if (status == 0) {
        note((struct change){ .makes_e = true, .from = NOBODY, .to = NOBODY, .file = NOBODY });
        current.has_e = true;
    }
}

static void sync_directory(int directory, bool may_fail)
{
    static const char *const names[] = { "/", "/d", "/e" };
    if (directory == 2 && !current.has_e) {
        return;
    }
    const bool is_failing = may_fail && plan_failing_sync();
    REQUIRE(environment->ops->sync_directory(environment, names[directory]) ==
            (is_failing ? -EIO : 0));
    note_directory_sync(directory, is_failing);
}

static void operate(void)
{
    static int slot; // mostly the same again, so that one file sees many operations
    slot = below(3) == 0 ? (int)below(SLOTS) : slot;
    if (change_count == MOST_CHANGES) { // changes that were lost stay: only a crash ends them
        change_content(slot);
        return;
    }
    switch (below(10)) {
    case 0:
    case 1: create(slot); break;
    case 2: rename_one(slot, (int)below(SLOTS)); break;
    case 3: unlink_one(slot); break;
    case 4: sync_directory((int)below(3), true); break;
    case 5: make_e(); break;
    default: change_content(slot);
    }
}

// ---- sequences ----

static void open_empty(void)
{
    environment = wr_environment_open_simulated(run_seed + case_number, false);
    REQUIRE(environment->ops->make_directory(environment, "/d") == 0);
    REQUIRE(environment->ops->sync_directory(environment, "/") == 0);
    file_count = change_count = 0;
    durable.has_e             = false;
    for (int slot = 0; slot < SLOTS; slot++) {
        durable.file[slot] = NOBODY;
    }
    current = durable;
}

static void run_sequence(void)
{
    open_empty();
    for (uint32_t ends = 1 + below(3); ends > 0; ends--) {
        for (uint32_t left = 3 + below(24); left > 0 && file_count < FILES; left--) {
            operate();
        }
        compare_now();
        if (below(4) == 0) {
            wr_simulation_restart(environment);
            compare_now();
        } else {
            reboot_and_compare();
        }
    }
    wr_environment_close(environment);
}

int main(int argc, char **argv)
{
    uint64_t case_count = 3000;
    run_seed            = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        *(strcmp(argv[i], "--seed") == 0 ? &run_seed : &case_count) =
            strtoull(argv[i + 1], NULL, 10);
    }
    for (case_number = 0; case_number < case_count; case_number++) {
        run_sequence();
    }
    printf(
        "seed: %llu\ncases: %llu\nall kept: %llu, all lost: %llu, some: %llu, torn blocks: %llu\n",
        (unsigned long long)run_seed, (unsigned long long)case_count,
        (unsigned long long)kept_count, (unsigned long long)lost_count,
        (unsigned long long)between_count, (unsigned long long)torn_count);
    REQUIRE(case_count < 1000 || (kept_count > 0 && lost_count > 0 && between_count > 0));
    REQUIRE(case_count < 1000 || torn_count > 0);
    return 0;
}

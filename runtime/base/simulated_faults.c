// What fails in the simulated environment and when, and the machine's stops and starts.
//
// An operation passes here twice: wr_simulated_fault, where it is one of a kind that was told to
// fail, and, if it would change the disk, wr_simulated_change_begin, where it gets its number.
#include "runtime/base/simulated.h"

#include <errno.h>

// ---- faults by kind ----

static void fault_forget(struct wr_simulated *self, uint32_t index)
{
    self->fault_count--;
    memmove(&self->faults[index], &self->faults[index + 1],
            (self->fault_count - index) * sizeof(struct wr_simulated_fault));
}

int wr_simulated_status(const struct wr_simulated *self) { return self->has_stopped ? -ENODEV : 0; }

int wr_simulated_fault(struct wr_simulated *self, enum wr_fault fault)
{
    int error = self->has_stopped ? ENODEV : 0;
    for (uint32_t i = 0; i < self->fault_count && !self->has_stopped; i++) {
        struct wr_simulated_fault *planned = &self->faults[i];
        if (planned->fault != fault) {
            continue;
        }
        if (planned->remaining > 0) {
            planned->remaining--;
        } else {
            error = planned->error;
            fault_forget(self, i--);
        }
    }
    return -error;
}

void wr_simulation_fail(struct wr_environment *environment, enum wr_fault fault, uint32_t nth,
                        int error)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    WR_ASSERT(error > 0);
    self->faults =
        wr_realloc(self->faults, (self->fault_count + 1) * sizeof(struct wr_simulated_fault));
    self->faults[self->fault_count++] = (struct wr_simulated_fault){ fault, nth, error };
}

// ---- faults by number ----

// One fault strikes the operation that is about to get its number.
static void change_strike(struct wr_simulated *self, enum wr_disk_fault fault,
                          struct wr_simulated_change *change)
{
    switch (fault) {
    case WR_DISK_EIO: change->error = -EIO; break;
    case WR_DISK_ENOSPC: self->is_full = true; break;
    case WR_DISK_SHORT: change->is_short = true; break;
    case WR_DISK_UNSYNCED: change->is_unsynced = true; break;
    case WR_DISK_CRASH_BEFORE: self->has_stopped = true; break;
    case WR_DISK_CRASH_AFTER: change->stops_after = true; break;
    }
}

struct wr_simulated_change wr_simulated_change_begin(struct wr_simulated *self, bool needs_room)
{
    struct wr_simulated_change change = { .error = 0 };
    for (uint32_t i = 0; i < self->disk_fault_count; i++) {
        if (self->disk_faults[i].change == self->change_count) {
            change_strike(self, self->disk_faults[i].fault, &change);
        }
    }
    self->change_count++;
    if (change.error == 0 && self->is_full && needs_room) {
        change.error = -ENOSPC;
    }
    self->has_stopped |= change.error < 0 && change.stops_after;
    change.error = self->has_stopped ? -ENODEV : change.error;
    return change;
}

int64_t wr_simulated_change_end(struct wr_simulated *self, const struct wr_simulated_change *change,
                                int64_t result)
{
    self->has_stopped = change->stops_after;
    return change->stops_after ? -ENODEV : result;
}

uint64_t wr_simulation_changes(const struct wr_environment *environment)
{
    return ((const struct wr_simulated *)environment)->change_count;
}

void wr_simulation_fault_at(struct wr_environment *environment, uint64_t change,
                            enum wr_disk_fault fault)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    WR_ASSERT(change >= self->change_count);
    self->disk_faults = wr_realloc(self->disk_faults, (self->disk_fault_count + 1) *
                                                          sizeof(struct wr_simulated_disk_fault));
    self->disk_faults[self->disk_fault_count++] = (struct wr_simulated_disk_fault){ change, fault };
}

void wr_simulation_forget_faults(struct wr_environment *environment)
{
    wr_simulated_of(environment)->disk_fault_count = 0;
    wr_simulated_of(environment)->fault_count      = 0;
}

void wr_simulation_make_room(struct wr_environment *environment)
{
    wr_simulated_of(environment)->is_full = false;
}

// ---- stops and starts ----

bool wr_simulation_has_stopped(const struct wr_environment *environment)
{
    return ((const struct wr_simulated *)environment)->has_stopped;
}

// The process is gone, with its requests and descriptors; another begins.
static void process_end(struct wr_simulated *self)
{
    self->has_stopped = true;
    wr_simulated_abandon(self);
    wr_simulated_forget_handles(self);
    self->has_stopped = false;
    self->process_count++;
}

void wr_simulation_reboot(struct wr_environment *environment, uint64_t seed)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    process_end(self);
    self->is_killed = false;
    wr_disk_crash(&self->disk, seed);
    self->reboot_count++;
}

void wr_simulation_restart(struct wr_environment *environment)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    WR_ASSERT(!self->has_stopped || self->is_killed);
    process_end(self);
    self->is_killed = false;
}

void wr_simulation_kill(struct wr_environment *environment)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    self->is_killed           = !self->has_stopped;
    self->has_stopped         = true;
    wr_simulated_abandon(self);
}

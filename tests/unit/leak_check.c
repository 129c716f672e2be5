// Leaks are looked for where a test's body runs, in a process of its own, and not in Criterion's
// first process, which keeps one clock for each test that has a timeout and never frees it.

#include <criterion/criterion.h>

#include <stddef.h>

// Asked by LeakSanitizer as a process ends; other builds do not call it.
int __lsan_is_turned_off(void); // NOLINT(bugprone-reserved-identifier)

int __lsan_is_turned_off(void) // NOLINT(bugprone-reserved-identifier)
{
    return criterion_current_test == NULL;
}

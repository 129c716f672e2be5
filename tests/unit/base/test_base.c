#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "runtime/base/base.h"

// ---- status and version ----

Test(status, has_a_name_a_sentence_and_an_exit_code)
{
    cr_expect_str_eq(weir_status_name(WEIR_NOT_FOUND), "NOT_FOUND");
    cr_expect_str_eq(weir_status_sentence(WEIR_NOT_FOUND), "what was asked for does not exist");
    cr_expect(weir_status_exit_code(WEIR_OK) == 0);
    cr_expect(weir_status_exit_code(WEIR_TIMED_OUT) == 6);
    cr_expect(weir_status_exit_code(WEIR_INTERRUPTED) == 130);
}

Test(status, of_a_later_version_reads_as_unknown_and_fails)
{
    cr_expect_str_eq(weir_status_name((weir_status)99), "UNKNOWN");
    cr_expect(strlen(weir_status_sentence((weir_status)99)) > 0);
    cr_expect(weir_status_exit_code((weir_status)99) == 1);
}

Test(version, is_the_headers)
{
    char *wanted =
        wr_format("%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
    cr_expect_str_eq(weir_version(), wanted);
    wr_free(wanted);
}

// ---- memory ----

static bool is_zero(const char *bytes, size_t length)
{
    size_t i = 0;
    while (i < length && bytes[i] == 0) {
        i++;
    }
    return i == length;
}

Test(memory, is_zeroed)
{
    char *memory = wr_alloc(1000);
    memset(memory, 1, 1000);
    wr_free(memory);
    memory = wr_alloc(1000);
    cr_expect(is_zero(memory, 1000));
    wr_free(memory);
}

Test(memory, is_aligned_and_zeroed_also_where_the_size_is_no_multiple)
{
    for (size_t to = 64; to <= 65536; to *= 4) {
        char *memory = wr_alloc_aligned(100, to);
        cr_expect((uintptr_t)memory % to == 0, "%zu", to);
        cr_expect(is_zero(memory, 100));
        wr_free(memory);
    }
}

Test(memory, of_no_bytes_is_still_an_address)
{
    void *plain = wr_alloc(0), *aligned = wr_alloc_aligned(0, 64);
    cr_expect(plain != NULL && aligned != NULL);
    wr_free(plain);
    wr_free(aligned);
}

Test(memory, keeps_its_bytes_as_it_grows)
{
    char *memory = wr_realloc(NULL, 4);
    memcpy(memory, "weir", 4);
    memory = wr_realloc(memory, 100000);
    cr_expect(memcmp(memory, "weir", 4) == 0);
    wr_free(memory);
}

Test(memory, that_ran_out_ends_the_process_with_the_statuses_exit_code, .exit_code = 1)
{
    volatile size_t too_much = SIZE_MAX / 2;
    wr_free(wr_alloc(too_much));
    _Exit(0);
}

Test(memory, aligned_that_ran_out_ends_the_process_too, .exit_code = 1)
{
    volatile size_t too_much = SIZE_MAX - 1;
    wr_free(wr_alloc_aligned(too_much, 64));
    _Exit(0);
}

Test(memory, copies_texts_and_leaves_null_null)
{
    char  text[] = "weir";
    char *copy   = wr_copy_text(text);
    text[0]      = 'x';
    cr_expect_str_eq(copy, "weir");
    cr_expect(wr_copy_text(NULL) == NULL);
    wr_free(copy);
}

// ---- assertions ----

Test(assertion, that_holds_is_passed) { WR_ASSERT(1 + 1 == 2); }

Test(assertion, that_does_not_hold_ends_the_process, .signal = SIGABRT) { WR_ASSERT(1 + 1 == 3); }

// ---- hash ----

Test(hash, of_bytes_is_xxh3_with_the_seed)
{
    // What every XXH3 of the empty input gives.
    cr_expect(wr_hash_bytes("", 0, 0) == 0x2d06800538d394c2u);
    cr_expect(wr_hash_bytes("", 0, 1) != wr_hash_bytes("", 0, 0));
}

Test(hash, of_bytes_depends_on_each_byte_at_each_length)
{
    char bytes[300] = { 0 };
    for (size_t length = 1; length <= sizeof(bytes); length += 7) {
        const uint64_t before = wr_hash_bytes(bytes, length, 5);
        bytes[length - 1] ^= 1;
        cr_expect(wr_hash_bytes(bytes, length, 5) != before, "%zu", length);
        bytes[length - 1] ^= 1;
    }
}

Test(hash, mix_moves_about_half_of_the_bits_for_each_bit)
{
    for (uint32_t bit = 0; bit < 64; bit++) {
        uint32_t moved = 0;
        for (uint64_t value = 0; value < 64; value++) {
            const uint64_t other = value ^ (uint64_t)1 << bit;
            moved += (uint32_t)__builtin_popcountll(wr_mix64(value, 9) ^ wr_mix64(other, 9));
        }
        cr_expect(moved > 64 * 28 && moved < 64 * 36, "bit %u moves %u", bit, moved);
    }
}

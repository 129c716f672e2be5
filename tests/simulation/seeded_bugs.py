"""Breaks the protocol of checkpoints, or of the outbox, on purpose, in a copy of the source, one
bug at a time, and requires that the simulation sees each.

    python3 seeded_bugs.py ROOT [--program NAME] [--only NAME] [--seed S]

A bug is a text of one file that becomes another; if the text is not there any more, this program
has to follow. Skipped (77) with WEIR_TEST_SIZE=small. Prints `cases: N`.
"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
SEEDS = 1500     # tried for each bug
SECONDS = 150    # after which a job that hangs counts as seen

# name, file, what stands there, what the bug makes of it
CHECKPOINT_BUGS = [
    ("reads on from an input that waits for the others' barrier", "runtime/run/task.c",
     "if (input->is_aligned || input->has_ended) {", "if (input->has_ended) {"),
    ("marks when the first input has the barrier", "runtime/run/task.c",
     "task->aligned_count > 0 && task->aligned_count == task->live_count",
     "task->aligned_count > 0"),
    ("rows that came before the barrier leave after it", "runtime/run/exchange.c",
     "    if (lane->open != NULL) {\n        lane_send(exchange, lane);\n    }\n"
     "    struct wr_batch *control = wr_channel_take_control(lane->channel);\n"
     "    if (control == NULL) {\n        return false;\n    }\n"
     "    control->control   = WR_CONTROL_BARRIER;",
     "    struct wr_batch *control = wr_channel_take_control(lane->channel);\n"
     "    if (control == NULL) {\n        return false;\n    }\n"
     "    control->control   = WR_CONTROL_BARRIER;"),
    ("ends before the final checkpoint is durable", "runtime/run/capturing.c",
     "return task->capturing == NULL ||", "return true || task->capturing == NULL ||"),
    ("names files of a checkpoint that was given up", "runtime/run/capturing.c",
     "    tables_touch(capturing, capturing->file_number);\n    files_drop_last(capturing);",
     "    files_drop_last(capturing);"),
    ("forgets what sinks prepared for a checkpoint that was given up", "runtime/run/prepared.c",
     "        if (prepared->checkpoint > checkpoint) {",
     "        if (prepared->checkpoint != checkpoint) {"),
    ("shows nothing of a durable checkpoint after a crash", "runtime/run/prepared.c",
     "recover(node, tokens, count, &error)", "recover(node, tokens, 0, &error)"),
    ("hands over the tables of one task alone", "runtime/run/handover.c",
     "    for (uint32_t i = 0; i < last->task_count; i++) {\n        const struct wr_task",
     "    for (uint32_t i = 0; i < 1; i++) {\n        const struct wr_task"),
    ("loses segments that lie across a border when workers change", "runtime/state/adopt.c",
     "if (segment->count == 0 || !is_across(", "if (true || !is_across("),
    ("forgets what sinks set aside where workers change", "runtime/run/handover.c",
     "        is_good = wr_prepared_take(coordinator, last->tasks[i], barrier);",
     "        is_good = barrier > 0;"),
    ("forgets watermarks", "runtime/run/task.c",
     "        if (node->watermark > WEIR_TIME_MIN) {\n            node_hand_on_watermark",
     "        if (false) {\n            node_hand_on_watermark"),
    ("captures what was written after the barrier", "runtime/run/capturing.c",
     "    capturing_begin_index(capturing);\n}",
     "    capturing->next = UINT32_MAX;\n    capturing_begin_index(capturing);\n}"),
    ("keeps an idle partition's position alone", "operators/source.c",
     "if (reader->connector->save != NULL) {",
     "if (reader->connector->save != NULL && partition->latest == WEIR_TIME_MIN) {"),
]

OUTBOX_BUGS = [
    ("goes on from what it remembers, and not from what the target says",
     "connectors/outbox/publisher.c",
     "progress->is_known ? progress->next : info.first_offset",
     "publisher->partitions[partition].next > 0 ? publisher->partitions[partition].next : "
     "progress->is_known ? progress->next : info.first_offset"),
    ("takes an unknown outcome for a success", "connectors/outbox/publisher.c",
     "        outcome = publisher->target.commit(opaque, &place);\n",
     "        outcome = publisher->target.commit(opaque, &place);\n"
     "        outcome = outcome == WEIR_OUTBOX_UNKNOWN ? WEIR_OUTBOX_DONE : outcome;\n"),
    ("writes again what may have been committed", "connectors/outbox/publisher.c",
     "        outcome = publisher->target.commit(opaque, &place);\n",
     "        outcome = publisher->target.commit(opaque, &place);\n"
     "        if (outcome == WEIR_OUTBOX_UNKNOWN) {\n"
     "            target_close(publisher);\n"
     "            publisher->state = WR_PUBLISHER_PUBLISH;\n"
     "            if (open_target(publisher)) {\n"
     "                (void)place_reader(publisher, number, published->next);\n"
     "                return;\n"
     "            }\n"
     "            outcome = WEIR_OUTBOX_DONE;\n"
     "            return;\n"
     "        }\n"),
    ("takes over again after a lost connection", "connectors/outbox/publisher.c",
     ".takes_over = !publisher->has_claimed,", ".takes_over = true,"),
    ("publishes what is not committed", "connectors/outbox/publisher.c",
     ".start           = WEIR_START_EARLIEST,",
     ".start           = WEIR_START_EARLIEST, .reads_uncommitted = true,"),
    ("files: does not fence", "connectors/outbox/file_target.c",
     "if (progress->epoch != place->epoch) {", "if (false) {"),
    ("files: removes what an earlier one may still commit", "connectors/outbox/file_target.c",
     "        outcome = fence(target, source, claim);\n",
     "        outcome = hidden_remove(target);\n    }\n"
     "    if (outcome == WEIR_OUTBOX_DONE) {\n"
     "        outcome = fence(target, source, claim);\n"),
    ("files: a part counts before it is on disk", "connectors/outbox/file_target.c",
     "int status = environment->ops->sync_data(environment, target->part);", "int status = 0;"),
    ("files: shows no part that a crash left hidden", "connectors/outbox/file_target.c",
     "        outcome = part_show(target);\n    }\n    if (outcome",
     "    }\n    if (outcome"),
]
BUGS = {"simulation_checkpoints": CHECKPOINT_BUGS, "simulation_outbox": OUTBOX_BUGS}


class Missed(Exception):
    """A bug that was not seen, or could not be made."""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Missed(f"{command[0]} fails: {(done.stdout + done.stderr)[-1500:]}")


def copy_of(root, folder):
    names = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others",
                            "--exclude-standard"], capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\n")):
        if os.path.isfile(os.path.join(root, name)):
            target = os.path.join(folder, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(root, name), target)


def build(folder, target):
    run(["ninja", "-C", folder, "--quiet", target])


def is_seen(program, seed):
    environment = dict(os.environ, WEIR_TEST_SIZE="normal")
    try:
        done = subprocess.run([program, "--from", str(seed), str(SEEDS)], env=environment,
                              capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "it hangs"
    lines = [line for line in (done.stdout + done.stderr).split("\n") if line]
    telling = [line for line in lines if "not so" in line or "must hold" in line]
    return (telling or lines or ["it fails"])[-1][:150] if done.returncode != 0 else None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=os.path.abspath)
    parser.add_argument("--program", choices=sorted(BUGS), default="simulation_checkpoints")
    parser.add_argument("--only", help="a word of the bug's name")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    options = parser.parse_args()
    if os.environ.get("WEIR_TEST_SIZE") == "small":
        print("skipped: it compiles the library, which the small size has no time for")
        return SKIPPED
    print(f"seed: {options.seed}", flush=True)
    missed = 0
    bugs = [bug for bug in BUGS[options.program] if options.only is None or options.only in bug[0]]
    with tempfile.TemporaryDirectory(prefix="weir-seeded-") as folder:
        copy_of(options.root, folder)
        out = os.path.join(folder, "out")
        target = "tests/simulation_" + options.program
        run(["meson", "setup", out, folder, "-Dbench=false", "-Dexamples=false",
             "-Dwerror=false", "--buildtype=debugoptimized"])
        build(out, target)
        for name, path, good, bad in bugs:
            file = pathlib.Path(folder, path)
            text = file.read_text(encoding="utf-8")
            if text.count(good) != 1:
                print(f"MISSED {name}: {path} has the text it changes {text.count(good)} times")
                missed += 1
                continue
            file.write_text(text.replace(good, bad), encoding="utf-8")
            build(out, target)
            seen = is_seen(os.path.join(out, target), options.seed)
            print(f"{'seen  ' if seen else 'MISSED'} {name}: {seen or 'no seed shows it'}",
                  flush=True)
            missed += seen is None
            file.write_text(text, encoding="utf-8")
    print(f"cases: {len(bugs)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

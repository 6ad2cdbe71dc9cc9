/**
 * How the agent, the user's program and the machine's saved memory meet, by name. Imports nothing:
 * the preload file is loaded into every Node program.
 *
 * | step | who | what |
 * |---|---|---|
 * | 0 | agent | makes REHEARSAL_FOLDER and sends ARM_SIGNAL, while the program is warmed up: without ARMED_FOLDER each process only rehearses its waking; sent again before the machine rests, they tidy up |
 * | 1 | agent | makes ARMED_FOLDER and WAKE_FIFO and holds the FIFO open for reading and writing |
 * | 2 | agent | sends ARM_SIGNAL to every Node process that catches it |
 * | 3 | process | runs its before-hooks, writes ARMED_FOLDER/PID, then reads one record and so blocks |
 * | 4 | agent | writes as many records as there are processes that wait |
 *
 * A process that finds no ARMED_FOLDER at step 3 does not wait: the agent gave up on it.
 */

/** Everything of this file lives below it, in memory. */
export const WINDLASS_RUN_FOLDER = "/run/windlass";

/** A file per process that has run its before-hooks, named by its pid; holds an ArmedReport. */
export const ARMED_FOLDER = "armed";

/** Where a rehearsal may write. */
export const REHEARSAL_FOLDER = "rehearsal";

/** FIFO of wake records. */
export const WAKE_FIFO = "wake";

/**
 * Tells a program that its machine is about to be saved. No Linux kernel ever sends it on x86
 * (signal(7): "unused"), and programs have no reason to use it.
 */
export const ARM_SIGNAL = "SIGSTKFLT";

/**
 * Bytes of one wake record, padded with spaces. Not more than PIPE_BUF (pipe(7)): a record is written as a
 * whole, so that of several readers each gets a whole one.
 */
export const WAKE_RECORD_BYTES = 3072;

/**
 * First byte of a record that binds no variables, before its JSON text: a program without hooks has nothing to
 * do about it, and need not read it.
 */
export const NOTHING_BOUND = 0x20;

/** Node addon that has OpenSSL take its random numbers from the kernel. */
export const KERNEL_RANDOM_ADDON = "/usr/lib/windlass/kernel-random.node";

/** Loaded into the program's Node before its own code. */
export const PRELOAD_FILE = "/usr/lib/windlass/preload.cjs";

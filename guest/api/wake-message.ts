/**
 * What the host sends a saved machine when it runs again: bytes on the virtio-serial port `WAKE_PORT`. The
 * first part has the kernel's own structures at fixed places, so that the guest's wake helper, a few
 * hundred bytes of machine code, passes them on in system calls without looking at them.
 *
 * | offset | bytes | meaning |
 * |---|---|---|
 * | 0 | 208 | struct timex (adjtimex(2)): how much time has passed while the machine was saved |
 * | 256 | 40 | struct rand_pool_info (random(4)): fresh entropy |
 * | 320 | 40 | struct ifreq (netdevice(7)): the network card's new address |
 * | 384 | 8 | length of the host name |
 * | 392 | 64 | host name |
 * | 464 | 16 | struct timespec: for how long programs with hooks run before everything else goes on |
 * | 512 | 192 | /etc/hosts, its last line filled up with spaces |
 * | 704 | 128 | record for the journal, a line filled up with spaces |
 * | 1024 | 3072 | wake record for programs (wake-record.ts) |
 * | 4096 | n | for the agent: a JSON document (`WakeDocument`), one line |
 *
 * All but the last part is a page, which is what the port passes on at once (drivers/char/virtio_console.c,
 * PORT_BUFFER): the helper waits only once.
 *
 * Imports nothing: every side loads it.
 */

/** virtio-serial port that carries wake messages to the guest. */
export const WAKE_PORT = "org.windlass.wake";

export const WAKE_LAYOUT = {
  clock: 0,
  entropy: 256,
  networkCard: 320,
  hostnameLength: 384,
  hostname: 392,
  headStart: 464,
  hosts: 512,
  journal: 704,
  record: 1024,
  document: 4096,
} as const;

/** Bytes of entropy in a message. */
export const WAKE_ENTROPY_BYTES = 32;
export const HOSTNAME_BYTES_MAX = 64;
export const HOSTS_BYTES = 192;
export const WOKEN_BYTES = 128;

/** /etc/hosts of a guest, always of one length: so one write replaces it. */
export function hostsFile(hostname: string): string {
  return `127.0.0.1 localhost ${hostname}\n::1 localhost`.padEnd(HOSTS_BYTES - 1).concat("\n");
}
